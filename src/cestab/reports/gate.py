"""The flat form of a sweep or an audit that junit, sarif and github are written from: a case per setting."""

from cestab.results import (
    Finding,
    GateCase,
    GateReport,
    Level,
    Problem,
    Report,
    Setting,
    SettingResult,
    Severity,
    SweepRequest,
    Verdict,
)

LEVELS = {Severity.FAIL: Level.ERROR, Severity.WARN: Level.WARNING, Severity.NOTE: Level.NOTE}


def to_gate(report: Report) -> GateReport:
    """Return the flat form of a report; what it gates is what `--fail-on` names."""
    gated = {(id(result), finding.kind) for result, finding in report.gated()}
    cases = tuple(
        make_case(result, tuple(make_problem(f, is_gated=(id(result), f.kind) in gated) for f in result.findings))
        for result in report.settings
    )
    command = "sweep" if isinstance(report.request, SweepRequest) else "audit"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.verdict_counts().items() if count)
    headline = f"cestab {command}: {len(report.settings)} settings: {counts}"
    return GateReport(command, report.version, headline, cases, report.exit_status())


def make_case(result: SettingResult, problems: tuple[Problem, ...]) -> GateCase:
    """Return a setting as a case with its problems; one that was not judged says why."""
    reason = result.reason or "no case has a true value"
    is_skipped = result.verdict in (Verdict.UNDEFINED, Verdict.UNSUPPORTED)
    return GateCase(
        result.setting.formulation,
        name_setting(result.setting),
        problems,
        skipped=f"{result.verdict}: {reason}" if is_skipped else None,
        error=reason if result.verdict is Verdict.ERROR else None,
    )


def name_setting(setting: Setting) -> str:
    """Return all of a setting but the formulation in words, what is as by default left out."""
    words = [setting.dtype]
    if setting.compute != setting.dtype:
        words.append(f"in {setting.compute}")
    words += [word for word in (setting.pattern, f"{setting.classes} classes", setting.target) if word]
    if setting.summation != "wide":
        words.append(setting.summation)
    if setting.loss_scale != 1:
        words.append(f"loss scale {setting.loss_scale:g}")
    return " ".join(words)


def make_problem(finding: Finding, *, is_gated: bool) -> Problem:
    """Return a finding as a problem."""
    first = finding.first
    start = f"|t| = {first.decimal.removeprefix('-')}" if first.hexadecimal is not None else f"row {first.decimal}"
    cases = "1 case" if finding.cases == 1 else f"{finding.cases} cases"
    message = f"{finding.kind.summary}: from {start}, in {cases}"
    return Problem(finding.kind.label, LEVELS[finding.kind.severity], message, is_gated, first.reproduce)
