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

from builders import build_audit_request, build_finding, build_place, build_result, build_setting, build_sweep_request
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
from cestab.vocabulary.kinds import FindingKind, Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.settings import Environment, LargestError, SettingResult

FOLDER = Path(__file__).parent / "check"
SCRUBBED = {"PATH": os.environ.get("PATH", ""), "COLUMNS": "80", "LINES": "40", "LANG": "C.UTF-8", "TERM": "dumb"}
SOFTMAX = SOFTMAX_CROSS_ENTROPY
SETTING = build_setting(
    "clipped:eps=1e-8", dtype="bfloat16", compute="float32", summation=Summation.PAIRWISE, classes=1000, loss_scale=1024.0
)
K = FindingKind


def make_result(verdict: Verdict, *kinds: FindingKind, reason: str | None = None, classes: int = 1000) -> SettingResult:
    place = build_place(16.125, position=3, decimal="16.1", hexadecimal="0x1.02p+4")
    findings = tuple(build_finding(kind, place, cases=1234) for kind in kinds)
    setting = replace(SETTING, classes=classes)
    largest = LargestError(loss=None, gradient=None)
    return build_result(setting, verdict, cases=65279, findings=findings, largest_error=largest, reason=reason)


def make_report() -> CheckReport:
    """One audit with problems of every sort and more than are shown, one of a file that is sound."""
    request = build_sweep_request(formulations=(SETTING.formulation,), fail_on=("fail",))
    recorded = build_audit_request("x.npz", fail_on=("fail",))
    environment = Environment(python="", numpy="", platform="", cpu="")
    bad = [make_result(Verdict.FAIL, K.NAN_LOSS, K.VANISHING_GRADIENT, K.ZEROED_LOSS, classes=2 + k) for k in range(22)]
    unjudged = make_result(Verdict.UNSUPPORTED, reason="the format has no infinity to mask with")
    results = (*bad, unjudged, make_result(Verdict.PASS), make_result(Verdict.WARN, classes=1))
    allow = Allowance(finding=K.NAN_LOSS, reason="a | b", start=16.125)
    message = "vanishing-gradient from |t| = 16.1, in 1,234 of 65,279 cases; in the baseline from |t| = 17"
    problems = [
        problem
        for result in bad
        for problem in (
            CheckProblem(
                result=result, finding=result.findings[0], rule="nan-loss", message="…", is_gated=False, accepted="a | b"
            ),
            CheckProblem(result=result, finding=result.findings[1], rule="moved-boundary", message=message, is_gated=True),
            CheckProblem(result=result, finding=result.findings[2], rule="zeroed-loss", message="…", is_gated=False),
        )
    ]
    here = Location(file="ci/[bold]cestab.toml", line=3)
    audits = (
        CheckedAudit(
            audit=CheckAudit(name="kernels of <today>", request=request, allow=(allow,), location=here),
            report=Report(
                version="",
                environment=environment,
                request=request,
                settings=results,
                recommendations=(),
                causes=(),
                escalated=0,
            ),
            problems=tuple(problems),
        ),
        CheckedAudit(
            audit=CheckAudit(name="logits of the last release", request=recorded, allow=(), location=here),
            report=Report(
                version="",
                environment=environment,
                request=recorded,
                settings=(make_result(Verdict.PASS),),
                recommendations=(),
                causes=(),
                escalated=0,
            ),
            problems=(),
        ),
    )
    stale = (
        Stale(
            audit="kernels of <today>",
            source=StaleSource.ALLOW,
            kind=K.INF_LOSS,
            setting=None,
            message="allowed inf-loss (a | b) is not found any more; remove it",
        ),
        Stale(
            audit="gone",
            source=StaleSource.BASELINE,
            kind=K.INF_LOSS,
            setting=SETTING,
            message="naive: inf-loss of the baseline is not found any more",
        ),
    )
    config = CheckConfig(
        file="ci/[bold]cestab.toml",
        audits=tuple(checked.audit for checked in audits),
        baseline="/b.json",
        baseline_name="ci/b.json",
    )
    return CheckReport(version="VERSION", environment=environment, config=config, audits=audits, stale=stale)


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
