"""Reports as Markdown for a comment or a job's summary: of sweep and audit, and of any gate."""

from cestab.reports.external import list_targets, list_unjudged
from cestab.reports.rows import escape_markdown, to_markdown
from cestab.reports.table import cell, headline, rounding_cell
from cestab.results.gate import GateReport
from cestab.results.report import Report
from cestab.results.requests import SweepRequest
from cestab.results.words import show_count

MOST_PROBLEMS = 200  # a job's summary may have 1 MiB; what is gated comes first


def render(report: Report) -> str:
    """Return headline, overview, why formulations fail and what to use instead."""
    parts = [f"### {escape_markdown(headline(report))}\n", _overview(report)]
    named = (
        ("Not judged", list_unjudged(report.settings)),
        ("Run by", list_targets(report.environment)),
        ("Why they fail", report.causes),
    )
    for title, sentences in named:
        if sentences:
            lines = [f"- **{escape_markdown(name)}**: {escape_markdown(sentence)}\n" for name, sentence in sentences]
            parts.append("".join([f"**{title}**\n\n", *lines]))
    if report.recommendations:
        advised = [(a.dtype, a.formulation or "none", a.why) for a in report.recommendations]
        lines = [f"- {dtype}: **{escape_markdown(name)}**, {escape_markdown(why)}\n" for dtype, name, why in advised]
        parts.append("".join(["**Use instead**\n\n", *lines]))
    return "\n".join(parts)


def _overview(report: Report) -> str:
    is_sweep = isinstance(report.request, SweepRequest)
    dtypes = list(dict.fromkeys(result.setting.dtype for result in report.settings))
    rows = []
    for name in report.request.formulations:
        own = [result for result in report.settings if result.setting.formulation == name]
        cells = [cell([r for r in own if r.setting.dtype == dtype], is_sweep=is_sweep) for dtype in dtypes]
        rows.append([name, *(text.plain for text in cells)])
    costs = [rounding_cell(report, dtype).plain for dtype in dtypes]
    if any(costs):
        rows.append(["(rounding z)", *costs])
    return to_markdown(["from |t|" if is_sweep else "rows", *dtypes], rows)


def render_gate(gate: GateReport) -> str:
    """Return a gate's headline, its outcome, and a table of its problems, gated ones first."""
    found = [(case, problem) for case in gate.cases for problem in case.problems]
    found.sort(key=lambda pair: not pair[1].is_gated)
    rows = [
        [
            "gated" if problem.is_gated else "accepted" if problem.accepted is not None else str(problem.level),
            f"{case.group}, {case.name}",
            problem.rule,
            problem.message if problem.accepted is None else f"{problem.message} (accepted: {problem.accepted})",
        ]
        for case, problem in found
    ]
    rows += [["error", f"{c.group}, {c.name}", "not audited", c.error] for c in gate.cases if c.error is not None]
    rows += [["warning", f"{c.group}, {c.name}", "partly judged", c.partly] for c in gate.cases if c.partly is not None]
    rows += [["skipped", f"{c.group}, {c.name}", "", c.skipped] for c in gate.cases if c.skipped is not None]
    outcome = f"{len(gate.gated())} gated, in {show_count(len(gate.cases), 'setting')}; exit status {int(gate.status)}"
    parts = [f"### {escape_markdown(gate.headline)}\n", f"cestab {gate.command}: {outcome}\n"]
    if rows:
        parts.append(to_markdown(["", "setting", "rule", "what"], rows[:MOST_PROBLEMS]))
    if len(rows) > MOST_PROBLEMS:
        parts.append(f"and {len(rows) - MOST_PROBLEMS} more\n")
    return "\n".join(parts)
