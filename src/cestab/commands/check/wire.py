"""The JSON report cestab.check/1: the audits as in cestab.sweep/1 and cestab.audit/1, and how their findings are classified."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, convert

from cestab.commands.check import answer
from cestab.commands.check.answer import StaleSource
from cestab.commands.sweep.wire import AuditRequest, Fact, Summary, SweepRequest, write_facts, write_request
from cestab.reports.json import write_json
from cestab.reports.wire.results import RowSettings, Settings, write_result
from cestab.reports.wire.settings import Environment, Magnitude, SettingName, write_environment, write_place, write_setting
from cestab.reports.wire.types import (
    Count,
    Hex,
    Interrupted,
    Kind,
    Positive,
    Report,
    Size,
    Text,
    Wire,
    Word,
    describe_ways,
    require_one_way,
)
from cestab.vocabulary import settings
from cestab.vocabulary.kinds import Coverage, Severity

PLACES = (("t", "hex"), ("row",))
NEEDS_FIRST = Meta(
    extra_json_schema={
        "if": {"properties": {"coverage": {"const": Coverage.RECORDED.value}}},
        "then": {"properties": {"first": False}},
        "else": {"required": ["first"]},
    }
)


class Config(Wire):
    """The configuration, and its baseline."""

    file: Text
    baseline: Text | None


class Allowance(Wire):
    """An allowed finding; a filter that is null matches everything."""

    finding: Kind
    reason: Text
    formulation: Word | None
    dtype: Word | None
    pattern: Word | None
    classes: Positive | None
    target: Word | None
    from_: Size | None


class _CheckedAudit(Wire):
    name: Word
    line: Positive
    request: Wire
    allow: tuple[Allowance, ...]
    settings: tuple[SettingName, ...]


class CheckedSweep(_CheckedAudit):
    """One sweep of the configuration."""

    request: SweepRequest
    settings: Settings


class CheckedRecording(_CheckedAudit):
    """One audit of recorded logits of the configuration."""

    request: AuditRequest
    data: tuple[Fact, ...]
    settings: RowSettings


AnyAudits = Annotated[
    Any,
    Meta(
        extra_json_schema={
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in (CheckedSweep, CheckedRecording)]},
        }
    ),
]


class KnownSetting(SettingName):
    """All that names a setting; pattern and target are null for recorded logits."""

    pattern: Word | None
    target: Word | None


class First(Wire):
    """Where a finding begins: a magnitude of a sweep, or a row of recorded logits."""

    t: float | UnsetType = UNSET
    hex: Hex | UnsetType = UNSET
    row: Count | UnsetType = UNSET
    index: Annotated[tuple[Count, ...], Meta(min_length=1)] | UnsetType = UNSET
    reproduce: Text | None

    def __post_init__(self) -> None:
        require_one_way(self, PLACES)


class Problem(Wire):
    """A finding that is gated, or accepted for the reason that it says."""

    audit: Word
    setting: KnownSetting
    finding: Kind
    severity: Severity
    rule: Kind | Literal["moved-boundary", "more-cases"]
    gated: bool
    accepted: Text | None
    cases: Positive
    first: Annotated[First, describe_ways(PLACES)]
    message: Text


class Stale(Wire):
    """An allowance, or an entry of the baseline, that is not needed any more."""

    audit: Word
    source: StaleSource
    finding: Kind
    setting: KnownSetting | None
    message: Text


class CheckSummary(Summary):
    """Also numbers of findings that are gated or accepted, of what is stale, and the exit status."""

    gated: Count
    accepted: Count
    stale: Count
    status: Literal[0, 1, 3, 130]


class Check(Report, tag="cestab.check/1"):
    """The report of cestab check."""

    alternatives = (CheckedSweep, CheckedRecording)
    version: Word
    environment: Environment
    config: Config
    interrupted: Interrupted | UnsetType = UNSET
    audits: AnyAudits
    problems: tuple[Problem, ...]
    stale: tuple[Stale, ...]
    summary: CheckSummary


class KnownFinding(Wire):
    """A finding that is accepted; `first` is where it begins in a sweep, of recorded logits cases is the number of rows."""

    kind: Kind
    cases: Positive
    coverage: Coverage
    first: Magnitude | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.first is UNSET) is not (self.coverage is Coverage.RECORDED):
            raise ValueError("recorded logits have no 'first', all others have one")


class KnownFindings(Wire):
    """All that is accepted of a setting, and over which range of t it was found."""

    setting: KnownSetting
    findings: Annotated[tuple[Annotated[KnownFinding, NEEDS_FIRST], ...], Meta(min_length=1)]
    logits: Text | UnsetType = UNSET


class Baseline(Report, tag="cestab.baseline/1"):
    """The findings that cestab check accepts, by audit."""

    audits: dict[Word, tuple[KnownFindings, ...]]


def render(report: answer.CheckReport) -> str:
    """Return the report as JSON, with a newline at the end."""
    counts = report.verdict_counts()
    problems = tuple(_write_problem(c, problem) for c in report.audits for problem in (*c.gated(), *c.accepted()))
    summary = {verdict.value: count for verdict, count in counts.items() if count or verdict.is_judged}
    summary |= {
        "cases": sum(result.cases for result in report.results()),
        "escalated": sum(checked.report.escalated for checked in report.audits),
        "gated": len(report.gated()),
        "accepted": len(problems) - len(report.gated()),
        "stale": len(report.stale),
        "status": int(report.exit_status()),
    }
    return write_json(
        Check(
            version=report.version,
            environment=write_environment(report.environment),
            config=Config(file=report.config.file, baseline=report.config.baseline_name),
            interrupted=report.is_interrupted or UNSET,
            audits=tuple(_write_audit(checked) for checked in report.audits),
            problems=problems,
            stale=tuple(_write_stale(stale) for stale in report.stale),
            summary=convert(summary, CheckSummary),
        )
    )


def _write_audit(checked: answer.CheckedAudit) -> CheckedSweep | CheckedRecording:
    audit = checked.audit
    request = write_request(audit.request)
    fields: dict[str, Any] = {
        "name": audit.name,
        "line": audit.location.line,
        "request": request,
        "allow": tuple(_write_allowance(allowance) for allowance in audit.allow),
        "settings": tuple(write_result(result) for result in checked.report.settings),
    }
    if isinstance(request, SweepRequest):
        return CheckedSweep(**fields)
    return CheckedRecording(**fields, data=tuple(write_facts(checked.report.data)))


def _write_allowance(allowance: answer.Allowance) -> Allowance:
    filters = {name: getattr(allowance, name) for name in ("formulation", "dtype", "pattern", "classes", "target")}
    return Allowance(finding=allowance.finding.label, reason=allowance.reason, **filters, from_=allowance.start)


def _write_problem(checked: answer.CheckedAudit, problem: answer.CheckProblem) -> Problem:
    finding = problem.finding
    return Problem(
        audit=checked.audit.name,
        setting=write_known_setting(problem.result.setting),
        finding=finding.kind.label,
        severity=finding.kind.severity,
        rule=problem.rule,
        gated=problem.is_gated,
        accepted=problem.accepted,
        cases=finding.cases,
        first=First(**write_place(finding.first), reproduce=finding.first.reproduce),
        message=problem.message,
    )


def _write_stale(stale: answer.Stale) -> Stale:
    return Stale(
        audit=stale.audit,
        source=stale.source,
        finding=stale.kind.label,
        setting=None if stale.setting is None else write_known_setting(stale.setting),
        message=stale.message,
    )


def write_known_setting(setting: settings.Setting) -> KnownSetting:
    """Return all that names a setting."""
    return KnownSetting(**write_setting(setting, missing=None))
