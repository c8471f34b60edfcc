"""A hand-made report as a gate, and the same report as CSV and Markdown."""

import csv
import io
from dataclasses import replace

import pytest

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.sweep import markdown, table
from cestab.commands.sweep import rows as csv_v1
from cestab.commands.sweep.answer import Cause, Recommendation, Report
from cestab.commands.sweep.gate import to_gate
from cestab.errors import ExitStatus
from cestab.reports import summary
from cestab.reports.gate import GateCase, GateReport, Level, Problem
from cestab.vocabulary.kinds import FindingKind, Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import Arithmetics
from cestab.vocabulary.settings import Environment, Finding, LargestError, RoundingCost, Setting, SettingResult

SOFTMAX = SOFTMAX_CROSS_ENTROPY
PLAIN = build_setting(dtype="float16")
SPECIAL = build_setting(
    dtype="float16",
    compute="float32",
    summation=Summation.PAIRWISE,
    pattern="offset",
    classes=1,
    target="smooth:0.1",
    loss_scale=1024.0,
)
ROW = build_setting(dtype="float16", pattern=None, classes=10, target=None)
HOSTILE = ["]]>", "::error::", "two\nlines", "a|b", "<b>&lt;", '"quoted", comma']


def finding(kind: FindingKind, t: float = -11.09375, *, is_row: bool = False) -> Finding:
    where = (
        build_place(7.0, decimal="7")
        if is_row
        else build_place(t, position=1, hexadecimal=t.hex(), ulps=2.5, reproduce="cestab explain …")
    )
    return build_finding(kind, where, cases=1234)


def result(
    setting: Setting = PLAIN, verdict: Verdict = Verdict.FAIL, *found: Finding, reason: str | None = None
) -> SettingResult:
    largest = LargestError(loss=None, gradient=build_place(1.0, position=0, hexadecimal=(1.0).hex(), ulps=3.5))
    return build_result(setting, verdict, cases=9999, undefined=3, findings=found, largest_error=largest, reason=reason)


def sweep(*results: SettingResult, fail_on: tuple[str, ...] = ()) -> Report:
    names = tuple(dict.fromkeys(r.setting.formulation for r in results))
    options = Arithmetics(dtypes=("float16",))
    request = build_sweep_request(formulations=names, arithmetics=options, fail_on=fail_on)
    advice = (Recommendation(dtype="float16", formulation=None, why="none passes"),)
    causes = tuple(
        Cause(formulation=name, operation="exp(z)", dtypes=("float16",), sentence=f"{name} overflows from |t| = 11")
        for name in names
    )
    return Report(
        version="1.2.3",
        environment=Environment(python="", numpy="", platform="", cpu=""),
        request=request,
        settings=results,
        recommendations=advice,
        causes=causes,
        escalated=0,
    )


def only_case(*results: SettingResult, fail_on: tuple[str, ...] = ()) -> GateCase:
    (case,) = to_gate(sweep(*results, fail_on=fail_on)).cases
    return case


@pytest.mark.parametrize(
    ("fail_on", "gated"),
    [
        ((), []),
        (("nan-loss",), ["nan-loss"]),
        (("fail",), ["nan-loss"]),
        (("warn",), ["nan-loss", "zeroed-loss", "overflowing-loss"]),
        (("overflowing-loss",), ["overflowing-loss"]),
    ],
)
def test_problems_are_the_findings_and_gated_as_the_report_says(fail_on: tuple[str, ...], gated: list[str]) -> None:
    kinds = FindingKind.NAN_LOSS, FindingKind.ZEROED_LOSS, FindingKind.OVERFLOWING_LOSS
    report = sweep(result(PLAIN, Verdict.FAIL, *map(finding, kinds)), fail_on=fail_on)
    gate = to_gate(report)
    (case,) = gate.cases
    assert [(problem.rule, problem.level) for problem in case.problems] == [
        ("nan-loss", Level.ERROR),
        ("zeroed-loss", Level.WARNING),
        ("overflowing-loss", Level.WARNING),
    ]
    assert [problem.rule for problem in case.problems if problem.is_gated] == gated
    assert (gate.command, gate.version, gate.status) == ("sweep", "1.2.3", ExitStatus.GATE_FAILED if gated else ExitStatus.DONE)
    assert gate.headline == "cestab 1.2.3 · softmax-cross-entropy · 1 setting, 9,999 cases"


def test_the_sentence_says_what_where_and_how_often() -> None:
    (problem,) = only_case(result(PLAIN, Verdict.FAIL, finding(FindingKind.NAN_LOSS))).problems
    assert problem.message == ("the loss is NaN though it has a true value: first at |t| = 11.09375, in 1,234 of 9,999 cases")
    assert problem.reproduce == "cestab explain …"
    (problem,) = only_case(result(ROW, Verdict.FAIL, finding(FindingKind.NAN_LOSS, is_row=True))).problems
    assert ": first at row 7, in 1,234 of 9,999 cases" in problem.message


def test_a_case_is_named_by_all_of_its_setting() -> None:
    names = [case.name for case in to_gate(sweep(result(PLAIN), result(SPECIAL), result(ROW))).cases]
    assert names == [
        "float16, margin, 2 classes, wrong",
        "float16, offset, 1 class, smooth:0.1, computed in float32, pairwise sums, loss scale 1024",
        "float16, 10 classes",
    ]


@pytest.mark.parametrize(
    ("verdict", "reason", "skipped", "error"),
    [
        (Verdict.PASS, None, None, None),
        (Verdict.FAIL, None, None, None),
        (Verdict.UNSUPPORTED, "no infinity", "no infinity", None),
        (Verdict.UNDEFINED, None, "no case has a true value", None),
        (Verdict.ERROR, "it crashed", None, "it crashed"),
    ],
)
def test_what_was_not_judged_is_no_pass(verdict: Verdict, reason: str | None, skipped: str | None, error: str | None) -> None:
    case = only_case(result(PLAIN, verdict, reason=reason))
    assert (case.skipped, case.error, case.problems) == (skipped, error, ())


def test_a_gradient_that_was_not_judged_is_told_though_the_loss_passes() -> None:
    assert only_case(result(PLAIN, Verdict.PASS)).partly is None
    for verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL):
        case = only_case(result(PLAIN, verdict, reason="no gradient"))
        assert (case.partly, case.skipped, case.error) == ("no gradient", None, None)
    assert only_case(result(PLAIN, Verdict.ERROR, reason="it crashed")).partly is None


def read_csv(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_v1.render(report), newline="")))


def test_csv_has_a_line_per_finding_and_one_for_a_setting_without() -> None:
    kinds = FindingKind.NAN_LOSS, FindingKind.ZEROED_LOSS
    report = sweep(result(PLAIN, Verdict.FAIL, *map(finding, kinds)), result(SPECIAL, Verdict.PASS), fail_on=("fail",))
    lines = read_csv(report)
    assert [(line["verdict"], line["finding"], line["gated"]) for line in lines] == [
        ("fail", "nan-loss", "true"),
        ("fail", "zeroed-loss", "false"),
        ("pass", "", ""),
    ]
    first, last = lines[0], lines[-1]
    assert (first["first"], first["first_hex"], first["finding_cases"], first["cases"]) == (
        "-11.09375",
        "-0x1.6300000000000p+3",
        "1234",
        "9999",
    )
    assert (first["max_loss_ulps"], first["max_gradient_ulps"], first["worst_ulps"]) == ("", "3.5", "2.5")
    assert (last["compute"], last["summation"], last["loss_scale"], last["undefined"]) == ("float32", "pairwise", "1024.0", "3")


def test_csv_of_recorded_logits_leaves_what_a_row_has_not_empty() -> None:
    (line,) = read_csv(sweep(result(ROW, Verdict.FAIL, finding(FindingKind.NAN_LOSS, is_row=True))))
    assert (line["first"], line["first_hex"], line["pattern"], line["target"]) == ("7", "", "", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_survives_csv_and_cannot_break_markdown(text: str) -> None:
    setting = build_setting(text, dtype="float16")
    report = sweep(result(setting, Verdict.UNSUPPORTED, reason=text))
    (line,) = read_csv(report)
    assert (line["formulation"], line["reason"]) == (text, text)
    for form in (markdown.render(report), summary.render_gate(to_gate(report))):
        rows = [row for row in form.splitlines() if row.startswith("| ")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
        assert "<b>" not in form


def test_markdown_of_an_audit_counts_rows() -> None:
    report = sweep(result(ROW, Verdict.FAIL, finding(FindingKind.NAN_LOSS, is_row=True)))
    request = build_audit_request("a.npz", arithmetics=Arithmetics(dtypes=("float16",)))
    text = markdown.render(
        Report(
            version="1.2.3",
            environment=report.environment,
            request=request,
            settings=report.settings,
            recommendations=(),
            causes=(),
            escalated=0,
            rows=9999,
        )
    )
    assert "| naive | float16 | breaks | 1,234 |  |  |  |  |" in text
    assert "9,999 rows" in text


def test_what_rounding_costs_is_said_only_if_it_is_known_and_not_0() -> None:
    crashed = result(ROW, Verdict.ERROR, reason="it crashed")
    request = build_audit_request("a.npz", arithmetics=Arithmetics(dtypes=("float16",)))
    for change in (None, 0.0, 0.25):
        cost = None if change is None else RoundingCost(loss=None, loss_change=change, gradient=None, gradient_change=0.0)
        results = (crashed, replace(result(ROW, Verdict.PASS), rounding_cost=cost))
        report = Report(
            version="1.2.3",
            environment=Environment(python="", numpy="", platform="", cpu=""),
            request=request,
            settings=results,
            recommendations=(),
            causes=(),
            escalated=0,
            rows=9999,
        )
        for form in (markdown.render(report), table.render(report, io.StringIO())):
            assert ("Rounding the logits alone changes a loss by up to 0.25 in float16" in form) is (change == 0.25)


def test_a_summary_begins_with_what_is_gated_and_ends_before_it_is_too_long() -> None:
    noise = tuple(Problem(rule="zeroed-loss", level=Level.WARNING, message="the loss is 0", is_gated=False) for _ in range(300))
    gated = Problem(rule="moved-boundary", level=Level.ERROR, message="it moved", is_gated=True)
    accepted = Problem(rule="nan-loss", level=Level.ERROR, message="it is NaN", is_gated=False, accepted="known")
    cases = (
        GateCase(group="f", name="n", problems=(*noise, gated)),
        GateCase(group="g", name="m", problems=(accepted,)),
        GateCase(group="h", name="k", problems=(), error="it crashed"),
        GateCase(group="h", name="l", problems=(), partly="no gradient"),
    )
    lines = summary.render_gate(
        GateReport(command="check", version="1", headline="headline", cases=cases, status=ExitStatus.GATE_FAILED)
    ).splitlines()
    assert lines[0] == "### headline"
    assert lines[2] == "cestab check: 1 gated, in 4 settings; exit status 1"
    assert lines[6] == "| gated | f, n | moved-boundary | it moved |"
    assert lines[-1] == "and 104 more"
    assert len([line for line in lines if line.startswith("| ")]) == 202
    few = summary.render_gate(
        GateReport(command="check", version="1", headline="headline", cases=cases[2:], status=ExitStatus.NOT_AUDITED)
    ).splitlines()
    assert few[-2:] == ["| error | h, k | not audited | it crashed |", "| warning | h, l | partly judged | no gradient |"]


def test_a_formulation_without_results_of_an_interrupted_sweep_has_empty_cells() -> None:
    report = sweep(result(PLAIN, Verdict.PASS), result(replace(PLAIN, dtype="float32"), Verdict.PASS))
    request = build_sweep_request(formulations=("naive", "clipped"), arithmetics=Arithmetics(dtypes=("float16", "float32")))
    shown = table.render(replace(report, request=request, is_interrupted=True), io.StringIO())
    assert "\nclipped\n" in shown
    assert "clipped" in markdown.render(replace(report, request=request))
