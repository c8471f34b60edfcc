"""The check as a GateReport, from which the forms of CI systems are written."""

from collections.abc import Sequence

from cestab.commands.check.answer import CheckedAudit, CheckProblem, CheckReport, Stale
from cestab.reports.gate import GateCase, GateReport, Level, Location, Problem
from cestab.vocabulary.kinds import Severity, Verdict
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import SettingResult

LEVELS = {Severity.FAIL: Level.ERROR, Severity.WARN: Level.WARNING}
SKIPPED = (Verdict.UNDEFINED, Verdict.UNSUPPORTED)


def to_gate(report: CheckReport) -> GateReport:
    """Return one case per setting, at the line of its audit, and one per audit that has something stale."""
    cases = [_case(checked, result) for checked in report.audits for result in checked.report.results]
    locations = {checked.audit.name: checked.audit.location for checked in report.audits}
    stale = {name: [each for each in report.stale if each.audit == name] for name in (each.audit for each in report.stale)}
    cases += [_stale_case(name, own, locations.get(name)) for name, own in stale.items()]
    gated = len(report.gated())
    verdict = (
        f"{show_count(gated, 'gated finding')} in {report.show_gated()}"
        if gated
        else f"nothing is gated in {show_count(sum(1 for _ in report.results()), 'setting')}"
    )
    headline = f"{report.config.file}: {verdict}"
    return GateReport(
        command="check", version=report.version, headline=headline, cases=tuple(cases), status=report.exit_status()
    )


def _case(checked: CheckedAudit, result: SettingResult) -> GateCase:
    problems = tuple(_problem(problem) for problem in checked.problems if problem.result is result)
    reason = result.reason or f"the verdict is {result.verdict}"
    return GateCase(
        group=checked.audit.name,
        name=str(result.setting),
        problems=problems,
        skipped=reason if result.verdict in SKIPPED else None,
        error=reason if result.verdict.is_unaudited else None,
        location=checked.audit.location,
        partly=result.reason if result.verdict.is_judged else None,
    )


def _problem(problem: CheckProblem) -> Problem:
    kind = problem.finding.kind
    level = Level.ERROR if problem.is_gated else LEVELS[kind.severity]
    message = problem.message
    if problem.rule == kind.label:  # every form shows the rule: say what it means instead
        message = f"{kind.summary}, {message.removeprefix(kind.label).strip()}"
    return Problem(
        rule=problem.rule,
        level=level,
        message=message,
        is_gated=problem.is_gated,
        reproduce=problem.finding.first.reproduce,
        accepted=problem.accepted,
    )


def _stale_case(audit: str, stale: Sequence[Stale], location: Location | None) -> GateCase:
    problems = tuple(
        Problem(rule=f"stale-{each.source}", level=Level.WARNING, message=each.message, is_gated=False) for each in stale
    )
    return GateCase(group=audit, name="stale entries", problems=problems, location=location)
