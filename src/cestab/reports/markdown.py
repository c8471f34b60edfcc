"""A sweep or an audit as Markdown, for a comment or a job's page: the table, why, what to use instead."""

from cestab.reports.rows import to_markdown
from cestab.reports.table import make_headline, overview_rows
from cestab.results import Report


def render(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    columns, *rows = ([cell.plain for cell in row] for row in overview_rows(report))
    parts = [f"# {make_headline(report)}", to_markdown(columns, rows).rstrip()]
    if report.causes:
        parts.append("## Why they fail\n\n" + "\n".join(f"- `{name}`: {sentence}" for name, sentence in report.causes))
    if report.recommendations:
        advice = (
            f"- {a.dtype}: `{a.formulation}`, {a.why}" if a.formulation else f"- {a.dtype}: none, {a.why}"
            for a in report.recommendations
        )
        parts.append("## Use instead\n\n" + "\n".join(advice))
    return "\n\n".join(parts) + "\n"
