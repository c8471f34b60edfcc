"""A report of sweep or audit as the flat gate that JUnit, SARIF and GitHub annotations are written from."""

from cestab.commands.sweep.answer import Report, show_gated
from cestab.commands.sweep.table import headline
from cestab.errors import ExitStatus, UsageError
from cestab.reports.gate import GateCase, GateReport, Level, Problem
from cestab.vocabulary.kinds import Severity, Verdict
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult, explain_unjudged

LEVELS = {Severity.FAIL: Level.ERROR, Severity.WARN: Level.WARNING}
NOT_JUDGED = (Verdict.UNDEFINED, Verdict.UNSUPPORTED)


def to_gate(report: Report) -> GateReport:
    """Return one case per setting with a problem per finding; gated are those that `Report.gated` names."""
    gated = {(id(result), id(finding)) for result, finding in report.gated()}
    return GateReport(
        command="sweep" if isinstance(report.request, SweepRequest) else "audit",
        version=report.version,
        headline=headline(report),
        cases=tuple(
            _case(result, [(finding, (id(result), id(finding)) in gated) for finding in result.findings])
            for result in report.results
        ),
        status=report.exit_status(),
    )


def describe_finding(finding: Finding, cases: int) -> str:
    """Return the sentence of a finding: what it is, where it begins, in how many cases."""
    first = finding.first
    where = str(first) if first.hexadecimal is None else f"|t| {finding.relation} {first.decimal.lstrip('-')}"
    return f"{finding.kind.summary}: first at {where}, in {finding.cases:,} of {show_count(cases, 'case')}"


def describe_gate(report: Report) -> str | None:
    """Return the line on standard error: what the gate found, or that there was none."""
    gated = report.gated()
    if not report.request.fail_on and not report.is_interrupted:
        return "nothing was gated; --fail-on names the findings that make the exit status 1"
    if not gated:
        return None
    places = show_gated((("", result) for result, _ in gated), len(report.settings))
    kinds = ", ".join(dict.fromkeys(finding.kind.label for _, finding in gated))
    return f"gate failed in {places}: {kinds}"


def refuse_unjudged(report: Report) -> None:
    """Raise where the status is 2: a request of which nothing could be judged is an error, no result."""
    if report.exit_status() is ExitStatus.USAGE:
        raise UsageError(f"nothing could be judged: {explain_unjudged(report.settings)}")


def _case(result: SettingResult, findings: list[tuple[Finding, bool]]) -> GateCase:
    return GateCase(
        group=result.setting.formulation,
        name=result.setting.describe(),
        problems=tuple(_problem(finding, result.cases, is_gated=is_gated) for finding, is_gated in findings),
        skipped=(result.reason or "no case has a true value") if result.verdict in NOT_JUDGED else None,
        error=(result.reason or "it could not be audited") if result.verdict.is_unaudited else None,
        partly=result.reason if result.verdict.is_judged else None,
    )


def _problem(finding: Finding, cases: int, *, is_gated: bool) -> Problem:
    return Problem(
        rule=finding.kind.label,
        level=LEVELS[finding.kind.severity],
        message=describe_finding(finding, cases),
        is_gated=is_gated,
        reproduce=finding.first.reproduce,
    )
