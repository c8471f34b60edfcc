"""What findings are taken for: every rule has a case that must fire and a near miss that must not."""

from dataclasses import replace
from typing import Any

import pytest

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.check.answer import Allowance, Baseline, BaselineEntry, CheckAudit, CheckConfig, CheckProblem, CheckReport
from cestab.commands.check.decide import decide_check
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus
from cestab.reports.gate import Location
from cestab.vocabulary.kinds import Coverage, FindingKind, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.settings import Environment, Finding, Place, Setting, SettingResult

K, V = FindingKind, Verdict
KINDS = [kind for kind in K if not kind.is_fact]
SOFTMAX = SOFTMAX_CROSS_ENTROPY
SETTING = build_setting(dtype="float16")
WIDE = replace(SETTING, dtype="float32", compute="float32")
ROWS = replace(SETTING, pattern=None, target=None)
KEY = ("one", SETTING, K.NAN_LOSS)


def at(t: float) -> Place:
    return build_place(t, position=0, hexadecimal=t.hex())


def found(kind: FindingKind, t: float | None, cases: int = 10) -> Finding:
    place = build_place(0.0, decimal="0") if t is None else at(t)
    return build_finding(kind, place, cases=cases)


def result(*findings: Finding, setting: Setting = SETTING, verdict: Verdict = V.FAIL, exhaustive: bool = True) -> SettingResult:
    coverage = Coverage.RECORDED if setting.pattern is None else Coverage.EXHAUSTIVE if exhaustive else Coverage.SAMPLED
    return build_result(setting, verdict, cases=100, coverage=coverage, findings=findings, reason=None)


def decide(
    *results: SettingResult, allow: tuple[Allowance, ...] = (), baseline: Baseline | None = None, fail_on: str = "fail"
) -> CheckReport:
    gates = (fail_on,)
    request = (
        build_audit_request("x.npz", fail_on=gates)
        if results[0].setting.pattern is None
        else build_sweep_request(fail_on=gates)
    )
    report = Report(
        version="",
        environment=Environment(python="", numpy="", platform="", cpu=""),
        request=request,
        settings=results,
        recommendations=(),
        causes=(),
        escalated=0,
    )
    config = CheckConfig(
        file="cestab.toml",
        audits=(CheckAudit(name="one", request=request, allow=allow, location=Location(file="cestab.toml", line=1)),),
    )
    return decide_check(config, [report], baseline or {})


def only(report: CheckReport) -> CheckProblem:
    (problem,) = report.audits[0].problems
    return problem


def allowance(kind: FindingKind = K.NAN_LOSS, **filters: Any) -> tuple[Allowance, ...]:
    return (replace(Allowance(finding=kind, reason="it is known"), **filters),)


def test_what_fail_on_names_is_gated_and_nothing_else() -> None:
    assert only(decide(result(found(K.NAN_LOSS, 11.0)))).is_gated
    assert decide(result(found(K.NAN_LOSS, 11.0))).exit_status() is ExitStatus.GATE_FAILED
    warned = decide(result(found(K.ZEROED_LOSS, 11.0)))
    assert not only(warned).is_gated
    assert only(warned).accepted is None
    assert warned.exit_status() is ExitStatus.DONE
    assert only(decide(result(found(K.ZEROED_LOSS, 11.0)), fail_on="zeroed-loss")).is_gated


MATCHING: dict[str, Any] = {"formulation": "naive", "dtype": "float16", "pattern": "margin", "classes": 2, "target": "wrong"}
OTHER: dict[str, Any] = {"formulation": "clipped", "dtype": "float32", "pattern": "offset", "classes": 3, "target": "correct"}


@pytest.mark.parametrize("name", [*MATCHING, ""])
def test_an_allowed_finding_is_accepted_where_its_filters_match(name: str) -> None:
    filters = {name: MATCHING[name]} if name else MATCHING
    problem = only(decide(result(found(K.NAN_LOSS, 11.0)), allow=allowance(**filters)))
    assert (problem.is_gated, problem.accepted, problem.rule) == (False, "it is known", "nan-loss")


@pytest.mark.parametrize("name", OTHER)
def test_an_allowed_finding_is_gated_elsewhere(name: str) -> None:
    report = decide(result(found(K.NAN_LOSS, 11.0)), allow=allowance(**{name: OTHER[name]}))
    assert (only(report).is_gated, only(report).rule) == (True, "nan-loss")
    assert [(stale.kind, stale.source) for stale in report.stale] == [(K.NAN_LOSS, "allow")]


def test_another_finding_is_not_allowed() -> None:
    assert only(decide(result(found(K.NAN_LOSS, 11.0)), allow=allowance(K.NAN_GRADIENT))).is_gated


# 11.09375 is a float16; 11.09 lies nearest to it, and 11.0859375 is the float16 before
@pytest.mark.parametrize(
    ("start", "begins", "is_gated", "is_stale"),
    [
        (11.09375, 11.09375, False, False),
        (11.09375, -11.09375, False, False),
        (11.09, 11.09375, False, False),
        (11.0938, 11.09375, False, False),
        (11.09375, 11.0859375, True, False),
        (11.09375, -11.0859375, True, False),
        (11.0859375, 11.09375, False, True),
        (1e9, 65504.0, True, False),  # beyond float16
        (0.0, 0.0, False, False),
    ],
)
def test_the_expected_boundary_is_compared_as_a_float_of_the_format(
    start: float, begins: float, *, is_gated: bool, is_stale: bool
) -> None:
    report = decide(result(found(K.NAN_LOSS, begins)), allow=allowance(start=start))
    problem = only(report)
    assert (problem.is_gated, problem.rule) == (is_gated, "moved-boundary" if is_gated else "nan-loss")
    assert (problem.accepted is None) == is_gated
    assert bool(report.stale) == is_stale
    assert report.exit_status() is (ExitStatus.GATE_FAILED if is_gated else ExitStatus.DONE)


def test_an_expected_boundary_gates_a_warning_too() -> None:
    """What the author wrote down is held, whatever `fail-on` names."""
    expected = allowance(K.ZEROED_LOSS, start=16.0)
    assert only(decide(result(found(K.ZEROED_LOSS, 15.0)), allow=expected)).rule == "moved-boundary"
    assert only(decide(result(found(K.ZEROED_LOSS, 16.0)), allow=expected)).accepted == "it is known"


def test_of_two_allowances_the_wider_one_accepts() -> None:
    both = (*allowance(start=20.0), *allowance())
    assert only(decide(result(found(K.NAN_LOSS, 11.0)), allow=both)).accepted == "it is known"


def test_an_allowance_is_stale_when_its_finding_is_gone_everywhere() -> None:
    gone = decide(result(verdict=V.PASS), allow=allowance())
    assert [stale.message for stale in gone.stale] == ["allowed nan-loss (it is known) is not found any more; remove it"]
    assert gone.exit_status() is ExitStatus.DONE
    elsewhere = decide(result(verdict=V.PASS), result(found(K.NAN_LOSS, 88.0), setting=WIDE), allow=allowance())
    assert elsewhere.stale == ()


def test_an_allowance_begins_later_only_if_it_does_in_every_setting() -> None:
    results = result(found(K.NAN_LOSS, 12.0)), result(found(K.NAN_LOSS, 11.0), setting=WIDE)
    assert decide(*results, allow=allowance(start=11.0)).stale == ()
    (stale,) = decide(*results, allow=allowance(start=10.0)).stale
    assert "begins later, at |t| = 11; raise its from = 10.0" in stale.message


def test_nothing_is_stale_about_a_setting_that_crashed() -> None:
    crashed = result(verdict=V.ERROR), result(verdict=V.PASS, setting=WIDE)
    entry = BaselineEntry(cases=1, coverage=Coverage.EXHAUSTIVE, t=11.0, hexadecimal="0x1.6p+3")
    report = decide(*crashed, allow=allowance(), baseline={KEY: entry})
    assert report.stale == ()
    assert report.exit_status() is ExitStatus.NOT_AUDITED


def known(t: float | None, cases: int = 10, coverage: Coverage = Coverage.EXHAUSTIVE) -> Baseline:
    if t is None:
        return {("one", ROWS, K.NAN_LOSS): BaselineEntry(cases=cases, coverage=Coverage.RECORDED)}
    return {KEY: BaselineEntry(cases=cases, coverage=coverage, t=t, hexadecimal=t.hex())}


@pytest.mark.parametrize(
    ("begins", "cases", "exhaustive", "rule"),
    [
        (11.0, 10, True, None),
        (12.0, 10, True, None),
        (-11.0, 10, True, None),
        (10.9921875, 10, True, "moved-boundary"),  # the float16 before 11
        (-10.9921875, 10, True, "moved-boundary"),
        (11.0, 20, True, None),
        (11.0, 21, True, "more-cases"),
        (11.0, 21, False, None),  # a grid is no count of floats
    ],
)
def test_a_known_finding_may_not_get_worse(begins: float, cases: int, *, exhaustive: bool, rule: str | None) -> None:
    baseline = known(11.0, coverage=Coverage.EXHAUSTIVE if exhaustive else Coverage.SAMPLED)
    problem = only(decide(result(found(K.NAN_LOSS, begins, cases), exhaustive=exhaustive), baseline=baseline))
    assert (problem.is_gated, problem.rule) == (rule is not None, rule or "nan-loss")
    assert problem.accepted == (None if rule else "in the baseline")


def test_a_graded_finding_flickers_and_has_no_boundary() -> None:
    key = ("one", SETTING, K.WRONG_LOSS)
    baseline = {key: BaselineEntry(cases=10, coverage=Coverage.SAMPLED, t=11.0, hexadecimal="0x1.6p+3")}
    assert only(decide(result(found(K.WRONG_LOSS, 9.0), exhaustive=False), baseline=baseline)).accepted


@pytest.mark.parametrize(("cases", "is_gated"), [(20, False), (21, True)])
def test_recorded_logits_may_not_have_more_than_twice_the_rows(cases: int, *, is_gated: bool) -> None:
    problem = only(decide(result(found(K.NAN_LOSS, None, cases), setting=ROWS), baseline=known(None)))
    assert (problem.is_gated, problem.rule) == (is_gated, "more-cases" if is_gated else "nan-loss")


def test_numbers_of_another_coverage_are_not_compared() -> None:
    baseline = known(11.0, 1, Coverage.SAMPLED)
    assert only(decide(result(found(K.NAN_LOSS, 11.0, 500)), baseline=baseline)).accepted


@pytest.mark.parametrize(
    "key",
    [
        ("two", SETTING, K.NAN_LOSS),
        ("one", SETTING, K.NAN_GRADIENT),
        ("one", replace(SETTING, target="correct"), K.NAN_LOSS),
        ("one", replace(SETTING, loss_scale=2.0), K.NAN_LOSS),
    ],
)
def test_an_entry_of_another_audit_setting_or_kind_accepts_nothing_and_is_stale(key: tuple[str, Setting, FindingKind]) -> None:
    report = decide(result(found(K.NAN_LOSS, 11.0)), baseline={key: known(11.0)[KEY]})
    assert only(report).is_gated
    assert [(stale.audit, stale.setting, stale.kind, stale.source) for stale in report.stale] == [(*key, "baseline")]


def test_entries_of_another_range_are_told_once() -> None:
    """The default range was all of the format; what was found there beyond 10000 is not forty findings gone."""
    entry = replace(known(11.0)[KEY], logits="-9.0:9.0:log")
    baseline = {("one", replace(SETTING, target=target), kind): entry for target in ("correct", "wrong") for kind in KINDS}
    [stale] = decide(result(), baseline=baseline).stale
    assert stale.message.startswith(
        f"{2 * len(KINDS)} findings of the baseline, found over the range -9.0:9.0:log, are not in the range all"
    )
    assert (stale.audit, stale.source, stale.setting) == ("one", "baseline", None)
    same = {key: replace(value, logits="all") for key, value in baseline.items()}
    assert len(decide(result(), baseline=same).stale) == 2 * len(KINDS)


def test_an_entry_that_occurs_is_not_stale() -> None:
    assert decide(result(found(K.NAN_LOSS, 11.0)), baseline=known(11.0)).stale == ()
    assert decide(result(found(K.NAN_LOSS, 1.0)), baseline=known(11.0)).stale == ()


def test_an_allowance_stands_before_the_baseline() -> None:
    accepted = only(decide(result(found(K.NAN_LOSS, 11.0)), allow=allowance(), baseline=known(12.0)))
    assert accepted.accepted == "it is known"


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((V.PASS, V.ERROR), ExitStatus.NOT_AUDITED),
        ((V.PASS, V.UNDEFINED), ExitStatus.DONE),
        ((V.PASS, V.UNSUPPORTED), ExitStatus.DONE),
        ((V.ERROR, V.UNDEFINED), ExitStatus.NOT_AUDITED),
        ((V.UNSUPPORTED, V.UNDEFINED), ExitStatus.USAGE),
    ],
)
def test_statuses_without_a_gated_finding(verdicts: tuple[Verdict, Verdict], status: ExitStatus) -> None:
    results = (result(verdict=verdict, setting=setting) for verdict, setting in zip(verdicts, (SETTING, WIDE), strict=True))
    assert decide(*results).exit_status() is status


def test_a_gated_finding_comes_before_a_crash() -> None:
    report = decide(result(found(K.NAN_LOSS, 11.0)), result(verdict=V.ERROR, setting=WIDE))
    assert report.exit_status() is ExitStatus.GATE_FAILED
