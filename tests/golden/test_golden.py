"""Golden reports: tables of hand-made results at 80 columns in a scrubbed environment, and the list of findings.

The results are made up, so no number depends on a machine. `python tests/golden/test_golden.py` writes the files anew;
read the difference before it is committed. The version is written as VERSION.
"""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab import api
from cestab.commands.app import run
from cestab.commands.diff import table as difference_table
from cestab.commands.diff.answer import Change, ChangeRule, Difference, EnvironmentChange, SettingDifference
from cestab.commands.explain import table as explanation_table
from cestab.commands.explain import walkthrough_page
from cestab.commands.explain.case import run_explain
from cestab.commands.explain.request import make_explain_request
from cestab.commands.explain.walkthrough import Edges, Walkthrough
from cestab.commands.sweep import markdown, table
from cestab.commands.sweep import rows as csv_v1
from cestab.commands.sweep.answer import Cause, Recommendation, Report
from cestab.commands.sweep.gate import to_gate
from cestab.reports import github, junit, sarif, summary
from cestab.vocabulary.kinds import FindingKind, Fp8Overflow, Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import Arithmetics, AuditRequest, SweepRequest
from cestab.vocabulary.settings import Environment, LargestError, RoundingCost, SettingResult

FOLDER = Path(__file__).parent
SCRUBBED = {"PATH": os.environ.get("PATH", ""), "COLUMNS": "80", "LINES": "40", "LANG": "C.UTF-8", "TERM": "dumb"}
SOFTMAX = SOFTMAX_CROSS_ENTROPY
NAMES = ("naive", "clipped:eps=1e-8", "compensated")
K, V = FindingKind, Verdict


def make_result(  # one setting of a made-up report
    name: str,
    dtype: str,
    verdict: Verdict,
    *found: tuple[FindingKind, float],
    target: str | None = "wrong",
    reason: str | None = None,
) -> SettingResult:
    pattern = None if target is None else "margin"
    setting = build_setting(name, dtype=dtype, pattern=pattern, target=target)
    places = [(kind, build_place(t, hexadecimal=t.hex() if pattern else None)) for kind, t in found]
    findings = tuple(build_finding(kind, p, cases=1 + int(abs(p.value))) for kind, p in places)
    cost = (
        None
        if pattern
        else RoundingCost(loss=None, loss_change=0.015625 if dtype == "float16" else 0.0, gradient=None, gradient_change=0.0)
    )
    largest = LargestError(loss=None, gradient=None)
    return build_result(
        setting, verdict, cases=1000, findings=findings, largest_error=largest, reason=reason, rounding_cost=cost
    )


def make_results(target: str | None) -> tuple[SettingResult, ...]:
    """Settings of every verdict; the finding nearest to 0 of the worst severity is to be shown."""
    fail = ((K.NAN_GRADIENT, 88.72284), (K.INF_LOSS, 103.28), (K.ZEROED_LOSS, 17.33))
    return (
        make_result("naive", "float16", V.FAIL, (K.OVERFLOWING_LOSS, 1.0), (K.NAN_LOSS, -11.09375), target=target),
        make_result("naive", "float32", V.FAIL, *fail, target=target),
        make_result("naive", "float8_e4m3fn", V.UNSUPPORTED, target=target, reason="float8_e4m3fn has no infinity"),
        make_result("clipped:eps=1e-8", "float16", V.FAIL, (K.VANISHING_GRADIENT, 4194304.0), target=target),
        make_result("clipped:eps=1e-8", "float32", V.WARN, (K.INACCURATE_GRADIENT, 0.00048828125), target=target),
        make_result("clipped:eps=1e-8", "float8_e4m3fn", V.UNDEFINED, target=target),
        make_result("compensated", "float16", V.WARN, (K.UNDERFLOWING_GRADIENT, 16.0), target=target),
        make_result("compensated", "float32", V.WARN, (K.OVERFLOWING_LOSS, 3.4e38 if target else 7.0), target=target),
        make_result("compensated", "float8_e4m3fn", V.PASS, target=target),
    )


def make_report(target: str | None, fail_on: tuple[str, ...] = ()) -> Report:
    options = Arithmetics(dtypes=("float16", "float32", "float8_e4m3fn"), fp8_overflow=Fp8Overflow.SATURATE, has_infinity=False)
    environment = Environment(python="", numpy="", platform="", cpu="")
    request: SweepRequest | AuditRequest = build_sweep_request(formulations=NAMES, arithmetics=options, fail_on=fail_on)
    if target is None:
        request = build_audit_request("[bold]logits[/] of today.npz", formulations=NAMES, arithmetics=options)
    advice = (
        Recommendation(
            dtype="float16",
            formulation=None,
            why="every audited formulation fails somewhere; compensated fails least, in 1 of 8 settings",
        ),
        Recommendation(dtype="float32", formulation="compensated", why="passes in all 8 settings; largest error 1.5 ulps"),
    )
    causes = (
        Cause(
            formulation="naive",
            operation="[exp](z) overflows",
            dtypes=("float16", "float32"),
            sentence="[exp](z) overflows: nan-loss from |t| = 11.09 (float16), 88.72 (float32) in margin, K=2",
        ),
    )
    return Report(
        version="VERSION",
        environment=environment,
        request=request,
        settings=make_results(target),
        recommendations=advice,
        causes=causes,
        escalated=0,
        rows=1797,
        ignored_rows=12,
    )


def make_difference() -> Difference:
    """Changes of every rule, more settings than are shown, and a name that looks like markup."""
    moved = Change(
        rule=ChangeRule.MOVED_BOUNDARY, is_worse=True, subject="nan-gradient", old=88.72284, new=87.33654, floats=1234567
    )
    changes = (
        Change(rule=ChangeRule.CHANGED_VERDICT, is_worse=True, old="pass", new="error"),
        Change(rule=ChangeRule.NEW_FINDING, is_worse=True, subject="inf-loss", new=-11.09375),
        moved,
        replace(moved, is_worse=False, new=None),
        Change(rule=ChangeRule.MORE_CASES, is_worse=True, subject="wrong-gradient", old=10, new=2100),
        Change(rule=ChangeRule.GROWN_ERROR, is_worse=True, subject="gradient", old=1.5, new=7.231003542255479e38),
        Change(rule=ChangeRule.FIXED_FINDING, is_worse=False, subject="nan-loss", old=0.0),
        *[
            Change(rule=ChangeRule.NEW_FINDING, is_worse=True, subject=kind.label, new=0.5)
            for kind in (K.ZEROED_LOSS, K.WRONG_LOSS)
        ],
    )
    wide = build_setting(
        "[bold]clipped[/]",
        dtype="bfloat16",
        compute="float32",
        summation=Summation.PAIRWISE,
        classes=1000,
        target="smooth:0.1",
        loss_scale=8.0,
    )
    plain = build_setting(pattern="offset")
    missing = Change(rule=ChangeRule.MISSING_SETTING, is_worse=True, old="warn")
    added = SettingDifference(setting=plain, changes=(Change(rule=ChangeRule.ADDED_SETTING, is_worse=False, new="fail"),))
    settings = (
        SettingDifference(setting=wide, changes=changes),
        *[SettingDifference(setting=replace(plain, classes=n), changes=(missing,)) for n in range(3, 16)],
        added,
    )
    environment = (
        EnvironmentChange(name="numpy", old="2.4.6", new="2.5.0"),
        EnvironmentChange(name="cpu", old="one processor", new="[bold]another"),
    )
    return Difference(
        version="VERSION",
        schema="cestab.sweep/1",
        old="old.json",
        new="new.json",
        max_growth=2.0,
        environment=environment,
        settings=settings,
    )


def print_list() -> str:
    with redirect_stdout(io.StringIO()) as stream:
        assert run(["list", "findings"]) == 0
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def explain(name: str, dtype: str, logits: list[float], target: str, *, hexadecimal: bool = False) -> str:
    """An explanation whose every number is exact or rounded to 8 bits, so that none depends on a machine."""
    request = make_explain_request(name, dtype=dtype, logits=logits, target=target)
    explanation = replace(run_explain(request), version="VERSION")
    return explanation_table.render(explanation, io.StringIO(), hexadecimal=hexadecimal)


def walk_through() -> str:
    page = Walkthrough(
        dtype="float32",
        edges=Edges(absorption=17, overflow=89, underflow=104),
        losing={"t": ["1", "104"], "p": ["0.25", "0"], "−1/p": ["-4", "-inf"]},
        losing_gradients={
            "t": ["1", "104"],
            "chain rule": ["-0.75", "nan"],
            "clipped": ["-0.75", "0"],
            "fused": ["-0.75", "-1"],
            "truth": ["-0.75", "-1"],
            "squared error": ["-0.25", "0"],
            "its truth": ["-0.25", "-1.3627e-45"],
        },
        winning={
            "t": ["104"],
            "other p": ["0"],
            "chain rule": ["nan"],
            "fused": ["0"],
            "compensated": ["0"],
            "truth": ["-2e-46"],
        },
        binary={"x": ["40"], "p": ["1"], "1 − p": ["0"], "(1−y)/(1−p)": ["nan"], "chain rule": ["nan"], "fused": ["0"]},
    )
    return walkthrough_page.render(page, io.StringIO())


GOLDEN: dict[str, Callable[[], str]] = {
    "sweep.txt": lambda: table.render(make_report("wrong"), io.StringIO()),
    "sweep-detail.txt": lambda: table.render(make_report("wrong"), io.StringIO(), detail=True),
    "audit.txt": lambda: table.render(make_report(None), io.StringIO()),
    "audit-detail.txt": lambda: table.render(make_report(None), io.StringIO(), detail=True),
    "diff.txt": lambda: difference_table.render(make_difference(), io.StringIO()),
    "list-findings.txt": print_list,
    "explain-naive.txt": lambda: explain("naive", "float32", [100.0, 0.0], "1"),
    "explain-log-sum-exp.txt": lambda: explain("log-sum-exp", "bfloat16", [300.0, 300.0], "0", hexadecimal=True),
    "walkthrough.txt": walk_through,
}
WIDE_GOLDEN: dict[str, Callable[[], str]] = {  # forms that machines read and that no width bounds
    "sweep.csv": lambda: csv_v1.render(make_report("wrong", ("nan-loss",))),
    "audit.csv": lambda: csv_v1.render(make_report(None, ("nan-loss",))),
    "sweep.md": lambda: markdown.render(make_report("wrong")),
    "audit.md": lambda: markdown.render(make_report(None)),
    "summary.md": lambda: summary.render_gate(to_gate(make_report("wrong", ("nan-loss",)))),
    "sweep.junit.xml": lambda: junit.render(to_gate(make_report("wrong", ("nan-loss",)))),
    "sweep.sarif.json": lambda: sarif.render(to_gate(make_report("wrong", ("nan-loss",)))),
    "sweep.github.out": lambda: github.render(to_gate(make_report("wrong", ("nan-loss",)))),
}


@pytest.fixture(autouse=True)
def _scrubbed() -> Iterator[None]:
    with mock.patch.dict(os.environ, SCRUBBED, clear=True):
        yield


@pytest.mark.parametrize("name", GOLDEN | WIDE_GOLDEN)
def test_the_report_is_the_one_on_file(name: str) -> None:
    assert (GOLDEN | WIDE_GOLDEN)[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_every_file_is_compared() -> None:
    assert sorted(path.name for path in FOLDER.iterdir() if path.suffix not in (".py", "")) == sorted(GOLDEN | WIDE_GOLDEN)


def test_files_fit_80_columns_and_hold_no_codes() -> None:
    for name in GOLDEN:
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        assert max(map(len, lines)) <= 80
        assert not [line for line in lines if "\x1b" in line or line != line.rstrip()]


def test_brackets_are_printed_not_read_as_markup() -> None:
    text = " ".join(GOLDEN["audit.txt"]().split())
    assert "[bold]logits[/] of today.npz" in text
    assert "[exp](z)" in text


def test_a_real_sweep_begins_to_fail_at_neighbouring_floats() -> None:
    """In float16 exp(x) overflows from log 65520 = 11.0901 on, between 11.0859375 and 11.09375."""
    names, dtypes = ["naive", "clipped", "compensated"], ["float16", "bfloat16"]
    report = json.loads(api.sweep(names, dtypes=dtypes, patterns=["margin"], classes=[2], targets=["correct"]).to_json())
    settings = {(s["formulation"], s["dtype"]): s for s in report["settings"]}
    assert {setting["coverage"] for setting in settings.values()} == {"exhaustive"}
    # every code from −10000 = 0x70E2 to 10000 but −0; in bfloat16 9984 = 0x461C is the last one below 10000
    assert {setting["cases"] for setting in settings.values()} == {2 * 0x70E2 + 1, 2 * 0x461C + 1}
    assert settings["naive", "float16"]["verdict"] == settings["naive", "bfloat16"]["verdict"] == "fail"
    assert "fail" not in (settings["compensated", "float16"]["verdict"], settings["compensated", "bfloat16"]["verdict"])
    first = {f["kind"]: float.fromhex(f["first"]["hex"]) for f in settings["naive", "float16"]["findings"]}
    assert first["nan-loss"] == 11.09375
    intervals = settings["naive", "float16"]["intervals"]
    assert [float.fromhex(i["from"]["hex"]) for i in intervals if i["loss"] == "nan-loss"] == [11.09375]
    assert 11.0859375 in [float.fromhex(i["to"]["hex"]) for i in intervals]


if __name__ == "__main__":
    with mock.patch.dict(os.environ, SCRUBBED, clear=True):
        for file, make in (GOLDEN | WIDE_GOLDEN).items():
            (FOLDER / file).write_text(make(), encoding="utf-8")
