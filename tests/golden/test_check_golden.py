"""The table and the Markdown of a made-up check, at 80 columns in a scrubbed environment.

`python tests/golden/test_check_golden.py` writes the files anew; read the difference before it is committed.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from cestab.commands.check import rows as check_rows
from cestab.commands.check import table as check_table
from cestab.commands.check.answer import (
    Allowance,
    CheckAudit,
    CheckConfig,
    CheckedAudit,
    CheckProblem,
    CheckReport,
    Stale,
    StaleSource,
)
from cestab.commands.sweep.answer import Report
from cestab.reports.gate import Location
from cestab.vocabulary.kinds import Coverage, FindingKind, Objective, Summation, Verdict
from cestab.vocabulary.requests import Arithmetics, AuditRequest, LogitRange, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, LargestError, Place, Setting, SettingResult

FOLDER = Path(__file__).parent / "check"
SCRUBBED = {"PATH": os.environ.get("PATH", ""), "COLUMNS": "80", "LINES": "40", "LANG": "C.UTF-8", "TERM": "dumb"}
SOFTMAX = Objective.SOFTMAX_CROSS_ENTROPY
SETTING = Setting("clipped:eps=1e-8", SOFTMAX, "bfloat16", "float32", Summation.PAIRWISE, "margin", 1000, "wrong", 1024.0)
K = FindingKind


def make_result(verdict: Verdict, *kinds: FindingKind, reason: str | None = None, classes: int = 1000) -> SettingResult:
    place = Place(3, 16.125, "16.1", "0x1.02p+4")
    findings = tuple(Finding(kind, 1234, place, place, place, place) for kind in kinds)
    setting = replace(SETTING, classes=classes)
    largest = LargestError(None, None)
    return SettingResult(setting, verdict, 65279, 0, 0, Coverage.SAMPLED, findings, largest, reason=reason)


def make_report() -> CheckReport:
    """One audit with problems of every sort and more than are shown, one of a file that is sound."""
    request = SweepRequest(
        SOFTMAX, (SETTING.formulation,), Arithmetics(), LogitRange(), ("margin",), (2,), ("wrong",), 0, ("fail",)
    )
    recorded = AuditRequest(SOFTMAX, ("naive",), Arithmetics(), "x.npz", None, 1, -100, ("fail",))
    environment = Environment("", "", "", "")
    bad = [make_result(Verdict.FAIL, K.NAN_LOSS, K.VANISHING_GRADIENT, K.ZEROED_LOSS, classes=2 + k) for k in range(22)]
    unjudged = make_result(Verdict.UNSUPPORTED, reason="the format has no infinity to mask with")
    results = (*bad, unjudged, make_result(Verdict.PASS), make_result(Verdict.WARN, classes=1))
    allow = Allowance(K.NAN_LOSS, "a | b", start=16.125)
    message = "vanishing-gradient from |t| = 16.1, in 1,234 of 65,279 cases; in the baseline from |t| = 17"
    problems = [
        problem
        for result in bad
        for problem in (
            CheckProblem(result, result.findings[0], "nan-loss", "…", is_gated=False, accepted="a | b"),
            CheckProblem(result, result.findings[1], "moved-boundary", message, is_gated=True),
            CheckProblem(result, result.findings[2], "zeroed-loss", "…", is_gated=False),
        )
    ]
    here = Location("ci/[bold]cestab.toml", 3)
    audits = (
        CheckedAudit(
            CheckAudit("kernels of <today>", request, (allow,), here),
            Report("", environment, request, results, (), (), 0),
            tuple(problems),
        ),
        CheckedAudit(
            CheckAudit("logits of the last release", recorded, (), here),
            Report("", environment, recorded, (make_result(Verdict.PASS),), (), (), 0),
            (),
        ),
    )
    stale = (
        Stale(
            "kernels of <today>",
            StaleSource.ALLOW,
            K.INF_LOSS,
            None,
            "allowed inf-loss (a | b) is not found any more; remove it",
        ),
        Stale("gone", StaleSource.BASELINE, K.INF_LOSS, SETTING, "naive: inf-loss of the baseline is not found any more"),
    )
    config = CheckConfig("ci/[bold]cestab.toml", tuple(checked.audit for checked in audits), "/b.json", "ci/b.json")
    return CheckReport("VERSION", environment, config, audits, stale)


GOLDEN: dict[str, Callable[[], str]] = {
    "check.txt": lambda: check_table.render(make_report(), io.StringIO()),
    "check.md": lambda: check_rows.render_markdown(make_report()),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_check_is_the_one_on_file(name: str) -> None:
    with mock.patch.dict(os.environ, SCRUBBED, clear=True):
        assert GOLDEN[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_every_file_of_a_check_is_compared() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(GOLDEN)


def test_the_table_fits_80_columns() -> None:
    lines = (FOLDER / "check.txt").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "\x1b" in line or line != line.rstrip()]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with mock.patch.dict(os.environ, SCRUBBED, clear=True):
        for file, make in GOLDEN.items():
            (FOLDER / file).write_text(make(), encoding="utf-8")
