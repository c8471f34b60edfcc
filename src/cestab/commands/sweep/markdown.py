"""Reports as Markdown for a comment or a job's summary: of sweep and audit, and of any gate."""

from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.table import cell, headline, rounding_cell
from cestab.reports.footnotes import list_external, list_unjudged
from cestab.reports.rows import escape_markdown, to_markdown
from cestab.vocabulary.requests import SweepRequest


def render(report: Report) -> str:
    """Return headline, overview, why formulations fail and what to use instead."""
    parts = [f"### {escape_markdown(headline(report))}\n", _overview(report)]
    named = (
        ("Not judged", list_unjudged(report.settings)),
        ("Run by", list_external(report.environment)),
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
