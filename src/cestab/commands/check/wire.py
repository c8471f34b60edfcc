"""The JSON report cestab.check/1: the audits as in cestab.sweep/1 and cestab.audit/1, and what their findings are taken for."""

from cestab.commands.check.answer import Allowance, CheckedAudit, CheckProblem, CheckReport, Stale
from cestab.commands.sweep.wire import show_request, show_setting
from cestab.reports.json import Json, show_environment, show_place, write_json


def render(report: CheckReport) -> str:
    """Return the report as JSON, with a newline at the end."""
    counts = report.verdict_counts()
    summary: Json = {verdict.value: count for verdict, count in counts.items() if count or verdict.is_judged}
    results = list(report.results())
    problems = [_problem(checked, each) for checked in report.audits for each in (*checked.gated(), *checked.accepted())]
    summary |= {
        "cases": sum(result.cases for result in results),
        "escalated": sum(checked.report.escalated for checked in report.audits),
        "gated": len(report.gated()),
        "accepted": len(problems) - len(report.gated()),
        "stale": len(report.stale),
        "status": int(report.exit_status()),
    }
    return write_json(
        {
            "schema": "cestab.check/1",
            "version": report.version,
            "environment": show_environment(report.environment),
            "config": {"file": report.config.file, "baseline": report.config.baseline_name},
            **({"interrupted": True} if report.is_interrupted else {}),
            "audits": [_audit(checked) for checked in report.audits],
            "problems": problems,
            "stale": [_stale(stale) for stale in report.stale],
            "summary": summary,
        }
    )


def _audit(checked: CheckedAudit) -> Json:
    audit = checked.audit
    return {
        "name": audit.name,
        "line": audit.location.line,
        "request": show_request(audit.request),
        "allow": [_allowance(allowance) for allowance in audit.allow],
        "settings": [show_setting(result) for result in checked.report.settings],
    }


def _allowance(allowance: Allowance) -> Json:
    return {
        "finding": allowance.finding.label,
        "reason": allowance.reason,
        "formulation": allowance.formulation,
        "dtype": allowance.dtype,
        "pattern": allowance.pattern,
        "classes": allowance.classes,
        "target": allowance.target,
        "from": allowance.start,
    }


def _problem(checked: CheckedAudit, problem: CheckProblem) -> Json:
    finding = problem.finding
    return {
        "audit": checked.audit.name,
        "setting": problem.result.setting.show(),
        "finding": finding.kind.label,
        "severity": finding.kind.severity,
        "rule": problem.rule,
        "gated": problem.is_gated,
        "accepted": problem.accepted,
        "cases": finding.cases,
        "first": show_place(finding.first) | {"reproduce": finding.first.reproduce},
        "message": problem.message,
    }


def _stale(stale: Stale) -> Json:
    return {
        "audit": stale.audit,
        "source": stale.source,
        "finding": stale.kind.label,
        "setting": None if stale.setting is None else stale.setting.show(),
        "message": stale.message,
    }
