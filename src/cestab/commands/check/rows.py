"""The check as CSV (one line per setting and finding) and as Markdown for a comment or a summary."""

from collections.abc import Iterator

from cestab.commands.check.answer import CheckedAudit, CheckProblem, CheckReport
from cestab.reports.footnotes import list_unjudged
from cestab.reports.rows import Cell, escape_markdown, to_csv, to_markdown
from cestab.vocabulary.phrases import show_count

COLUMNS = (
    "audit",
    "formulation",
    "objective",
    "dtype",
    "compute",
    "summation",
    "pattern",
    "classes",
    "target",
    "loss_scale",
    "verdict",
    "finding",
    "severity",
    "rule",
    "gated",
    "accepted",
    "cases",
    "t",
    "hex",
    "batch",
    "reduction",
    "reason",
)
FINDING_COLUMNS = COLUMNS.index("batch") - COLUMNS.index("finding")
MOST_LINES = 50  # of problems in Markdown, which people read


def render_csv(report: CheckReport) -> str:
    """Return one line per setting and finding, and one, with empty cells, for every setting without findings."""
    return to_csv(COLUMNS, _lines(report))


def _lines(report: CheckReport) -> Iterator[list[Cell]]:
    for checked in report.audits:
        problems: dict[int, list[CheckProblem]] = {}
        for problem in checked.problems:
            problems.setdefault(id(problem.result), []).append(problem)
        for result in checked.report.results:
            setting = result.setting
            named = vars(setting) | {"objective": setting.objective.name}
            start: list[Cell] = [checked.audit.name, *(named[name] for name in COLUMNS[1:10]), result.verdict]
            finding_cells = [_cells(problem) for problem in problems.get(id(result), [])]
            end: list[Cell] = [setting.options.batch, setting.options.reduction, result.reason]
            yield from ([*start, *cells, *end] for cells in finding_cells or [[None] * FINDING_COLUMNS])


def _cells(problem: CheckProblem) -> list[Cell]:
    kind, first = problem.finding.kind, problem.finding.first
    is_gated = "true" if problem.is_gated else "false"
    place = (float(first.decimal), first.hexadecimal) if first.hexadecimal is not None else (None, None)
    return [kind.label, kind.severity, problem.rule, is_gated, problem.accepted, problem.finding.cases, *place]


def render_markdown(report: CheckReport) -> str:
    """Return the headline, a row per audit, what is gated, what was not judged, and what is stale."""
    gated = report.gated()
    headline = f"## `cestab check` {_describe_outcome(report)}\n"
    parts = [headline, to_markdown(OVERVIEW, (_overview(report, checked) for checked in report.audits))]
    if gated:
        rows = [(checked.audit.name, str(problem.result.setting), problem.rule, problem.message) for checked, problem in gated]
        parts.append(to_markdown(("audit", "setting", "rule", "gated"), rows[:MOST_LINES]))
        if len(rows) > MOST_LINES:
            parts.append(f"… and {len(rows) - MOST_LINES} more; `cestab check --json` has them all.\n")
    if unjudged := find_unjudged(report):
        lines = [
            f"- **{escape_markdown(audit)}**: {escape_markdown(': '.join(words))}\n" for audit, *words in unjudged[:MOST_LINES]
        ]
        parts.append("".join(["**Not judged**\n\n", *lines]))
    if report.stale:
        parts.append(to_markdown(("audit", "stale"), [(stale.audit, stale.message) for stale in report.stale[:MOST_LINES]]))
    return "\n".join(parts)


def find_unjudged(report: CheckReport) -> list[tuple[str, str, str]]:
    """Return audit, formulation and reason of what could not be judged."""
    return [(checked.audit.name, *line) for checked in report.audits for line in list_unjudged(checked.report.settings)]


def _describe_outcome(report: CheckReport) -> str:
    """Return the outcome of a check, and what limits it: an interruption, settings that were not audited or not wholly."""
    gated, crashed = len(report.gated()), sum(n for v, n in report.verdict_counts().items() if v.is_unaudited)
    partly = sum(result.verdict.is_judged and not result.is_wholly_judged for result in report.results())
    limits = ["was interrupted"] if report.is_interrupted else []
    limits += [f"could not audit {show_count(crashed, 'setting')}"] if crashed else []
    limits += [f"judged only the loss in {show_count(partly, 'setting')}"] if partly else []
    if gated:
        return ", ".join([f"fails: {show_count(gated, 'gated finding')}", *limits])
    return ", ".join(limits if report.is_interrupted or crashed else ["passes", *limits])


OVERVIEW = ("audit", "settings", "pass", "warn", "fail", "not judged", "gated", "accepted", "stale")


def _overview(report: CheckReport, checked: CheckedAudit) -> list[Cell]:
    return [checked.audit.name, *count_audit(report, checked)]


def count_audit(report: CheckReport, checked: CheckedAudit) -> list[int]:
    """Return the numbers of one audit under OVERVIEW."""
    verdicts = [result.verdict.value for result in checked.report.settings]
    judged = [verdicts.count(verdict) for verdict in ("pass", "warn", "fail")]
    stale = sum(entry.audit == checked.audit.name for entry in report.stale)
    counts = [len(checked.gated()), len(checked.accepted()), stale]
    return [len(verdicts), *judged, len(verdicts) - sum(judged), *counts]
