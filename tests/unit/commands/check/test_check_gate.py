"""The check as a gate: one case per setting at the line of its audit, and what is gated, accepted, skipped or stale."""

from dataclasses import replace

import pytest

from builders import build_finding, build_place, build_result, build_setting, build_sweep_request
from cestab.commands.check.answer import CheckAudit, CheckConfig, CheckedAudit, CheckProblem, CheckReport, Stale, StaleSource
from cestab.commands.check.gate import to_gate
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus
from cestab.reports.gate import Level, Location
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.settings import Environment, SettingResult

K = FindingKind
SOFTMAX = SOFTMAX_CROSS_ENTROPY
SETTING = build_setting(dtype="float16")
REQUEST = build_sweep_request(fail_on=("fail",))
ENVIRONMENT = Environment(python="", numpy="", platform="", cpu="")
HERE = Location(file="ci/cestab.toml", line=7)


def result(verdict: Verdict, dtype: str, *kinds: FindingKind, reason: str | None = None) -> SettingResult:
    place = build_place(11.0, position=1, hexadecimal="0x1.6p+3", reproduce="cestab explain …")
    findings = tuple(build_finding(kind, place, cases=4) for kind in kinds)
    setting = replace(SETTING, dtype=dtype, compute=dtype)
    return build_result(setting, verdict, cases=9, findings=findings, reason=reason)


def report(*results: SettingResult, problems: tuple[CheckProblem, ...] = (), stale: tuple[Stale, ...] = ()) -> CheckReport:
    audit = CheckAudit(name="one", request=REQUEST, allow=(), location=HERE)
    checked = CheckedAudit(
        audit=audit,
        report=Report(
            version="", environment=ENVIRONMENT, request=REQUEST, settings=results, recommendations=(), causes=(), escalated=0
        ),
        problems=problems,
    )
    return CheckReport(
        version="1.2.3",
        environment=ENVIRONMENT,
        config=CheckConfig(file="ci/cestab.toml", audits=(audit,)),
        audits=(checked,),
        stale=stale,
    )


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
        (K.OVERFLOWING_LOSS, "overflowing-loss", False, None, Level.WARNING, f"{K.OVERFLOWING_LOSS.summary}, from |t| = 11"),
        (K.NAN_LOSS, "nan-loss", False, "known", Level.ERROR, f"{K.NAN_LOSS.summary}, from |t| = 11"),
        (K.NAN_LOSS, "moved-boundary", True, None, Level.ERROR, "nan-loss from |t| = 11"),
    ],
)
def test_a_problem_keeps_its_rule_and_says_what_it_means(
    kind: FindingKind, rule: str, *, gated: bool, accepted: str | None, level: Level, message: str
) -> None:
    own = result(Verdict.FAIL, "float16", kind)
    problem = CheckProblem(
        result=own, finding=own.findings[0], rule=rule, message=f"{kind.label} from |t| = 11", is_gated=gated, accepted=accepted
    )
    gate = to_gate(report(own, result(Verdict.PASS, "float32"), problems=(problem,)))
    (shown,) = gate.cases[0].problems
    assert (shown.rule, shown.level, shown.message) == (rule, level, message)
    assert (shown.is_gated, shown.accepted, shown.reproduce) == (gated, accepted, "cestab explain …")
    assert gate.cases[1].problems == ()
    assert len(gate.gated()) == gated
    assert gate.headline.endswith("1 gated finding in 1 of 2 settings" if gated else "nothing is gated in 2 settings")


def test_what_is_stale_is_a_case_of_its_own_that_never_fails() -> None:
    stale = (
        Stale(audit="one", source=StaleSource.ALLOW, kind=K.NAN_LOSS, setting=None, message="remove it"),
        Stale(audit="gone", source=StaleSource.BASELINE, kind=K.NAN_LOSS, setting=SETTING, message="update it"),
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
