"""The check as a gate: one case per setting at the line of its audit, and what is gated, accepted, skipped or stale."""

from dataclasses import replace

import pytest

from cestab.commands.check.answer import CheckAudit, CheckConfig, CheckedAudit, CheckProblem, CheckReport, Stale, StaleSource
from cestab.commands.check.gate import to_gate
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus
from cestab.reports.gate import Level, Location
from cestab.vocabulary.kinds import Coverage, FindingKind, Objective, Summation, Verdict
from cestab.vocabulary.requests import Arithmetics, LogitRange, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, LargestError, Place, Setting, SettingResult

K = FindingKind
SOFTMAX = Objective.SOFTMAX_CROSS_ENTROPY
SETTING = Setting("naive", SOFTMAX, "float16", "float16", Summation.WIDE, "margin", 2, "wrong", 1.0)
REQUEST = SweepRequest(SOFTMAX, ("naive",), Arithmetics(), LogitRange(), ("margin",), (2,), ("wrong",), 0, ("fail",))
ENVIRONMENT = Environment("", "", "", "")
HERE = Location("ci/cestab.toml", 7)


def result(verdict: Verdict, dtype: str, *kinds: FindingKind, reason: str | None = None) -> SettingResult:
    place = Place(1, 11.0, "11.0", "0x1.6p+3", reproduce="cestab explain …")
    findings = tuple(Finding(kind, 4, place, place, place, place) for kind in kinds)
    setting = replace(SETTING, dtype=dtype, compute=dtype)
    return SettingResult(setting, verdict, 9, 0, 0, Coverage.SAMPLED, findings, LargestError(None, None), reason=reason)


def report(*results: SettingResult, problems: tuple[CheckProblem, ...] = (), stale: tuple[Stale, ...] = ()) -> CheckReport:
    audit = CheckAudit("one", REQUEST, (), HERE)
    checked = CheckedAudit(audit, Report("", ENVIRONMENT, REQUEST, results, (), (), 0), problems)
    return CheckReport("1.2.3", ENVIRONMENT, CheckConfig("ci/cestab.toml", (audit,)), (checked,), stale)


def test_every_setting_is_a_case_at_the_line_of_its_audit() -> None:
    gate = to_gate(
        report(
            result(Verdict.PASS, "float16"),
            result(Verdict.UNSUPPORTED, "float8_e4m3fn", reason="no infinity"),
            result(Verdict.UNDEFINED, "float64"),
            result(Verdict.ERROR, "float32", reason="it crashed"),
            result(Verdict.PASS, "bfloat16", reason="no gradient"),
        )
    )
    assert [(case.group, case.name, case.skipped, case.error, case.partly) for case in gate.cases] == [
        ("one", "naive, float16, margin, 2 classes, wrong", None, None, None),
        ("one", "naive, float8_e4m3fn, margin, 2 classes, wrong", "no infinity", None, None),
        ("one", "naive, float64, margin, 2 classes, wrong", "the verdict is undefined", None, None),
        ("one", "naive, float32, margin, 2 classes, wrong", None, "it crashed", None),
        ("one", "naive, bfloat16, margin, 2 classes, wrong", None, None, "no gradient"),
    ]
    assert {case.location for case in gate.cases} == {HERE}
    assert (gate.command, gate.version, gate.status) == ("check", "1.2.3", ExitStatus.NOT_AUDITED)
    assert gate.headline == "ci/cestab.toml: nothing is gated in 5 settings"


@pytest.mark.parametrize(
    ("kind", "rule", "gated", "accepted", "level", "message"),
    [
        (K.NAN_LOSS, "nan-loss", True, None, Level.ERROR, f"{K.NAN_LOSS.summary}, from |t| = 11"),
        (K.ZEROED_LOSS, "zeroed-loss", True, None, Level.ERROR, f"{K.ZEROED_LOSS.summary}, from |t| = 11"),
        (K.ZEROED_LOSS, "zeroed-loss", False, None, Level.WARNING, f"{K.ZEROED_LOSS.summary}, from |t| = 11"),
        (K.OVERFLOWING_LOSS, "overflowing-loss", False, None, Level.NOTE, f"{K.OVERFLOWING_LOSS.summary}, from |t| = 11"),
        (K.NAN_LOSS, "nan-loss", False, "known", Level.ERROR, f"{K.NAN_LOSS.summary}, from |t| = 11"),
        (K.NAN_LOSS, "moved-boundary", True, None, Level.ERROR, "nan-loss from |t| = 11"),
    ],
)
def test_a_problem_keeps_its_rule_and_says_what_it_means(
    kind: FindingKind, rule: str, *, gated: bool, accepted: str | None, level: Level, message: str
) -> None:
    own = result(Verdict.FAIL, "float16", kind)
    problem = CheckProblem(own, own.findings[0], rule, f"{kind.label} from |t| = 11", gated, accepted)
    gate = to_gate(report(own, result(Verdict.PASS, "float32"), problems=(problem,)))
    (shown,) = gate.cases[0].problems
    assert (shown.rule, shown.level, shown.message) == (rule, level, message)
    assert (shown.is_gated, shown.accepted, shown.reproduce) == (gated, accepted, "cestab explain …")
    assert gate.cases[1].problems == ()
    assert len(gate.gated()) == gated
    assert gate.headline.endswith("1 gated finding in 1 of 2 settings" if gated else "nothing is gated in 2 settings")


def test_what_is_stale_is_a_case_of_its_own_that_never_fails() -> None:
    stale = (
        Stale("one", StaleSource.ALLOW, K.NAN_LOSS, None, "remove it"),
        Stale("gone", StaleSource.BASELINE, K.NAN_LOSS, SETTING, "update it"),
    )
    gate = to_gate(report(result(Verdict.PASS, "float16"), stale=stale))
    assert [(case.group, case.name, case.location) for case in gate.cases[1:]] == [
        ("one", "stale entries", HERE),
        ("gone", "stale entries", None),
    ]
    assert [[(p.rule, p.message, p.is_gated) for p in case.problems] for case in gate.cases[1:]] == [
        [("stale-allow", "remove it", False)],
        [("stale-baseline", "update it", False)],
    ]
    assert gate.status is ExitStatus.DONE
