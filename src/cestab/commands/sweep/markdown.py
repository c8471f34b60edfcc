"""Reports of sweep and audit as Markdown for a comment or a job's summary."""

from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.file_parts import describe_arrays
from cestab.commands.sweep.overview import Overview, list_legends
from cestab.commands.sweep.table import describe_roundings, headline
from cestab.reports.footnotes import list_external, list_unjudged
from cestab.reports.rows import escape_markdown, to_markdown
from cestab.reports.troubles import show_answer


def render(report: Report) -> str:
    """Return headline, overview, why formulations fail and what to use instead."""
    parts = [f"### {escape_markdown(headline(report))}\n", _draw(Overview(request=report.request, settings=report.settings))]
    parts[1:1] = _draw_facts(report)
    parts += [f"{escape_markdown(sentence)}\n" for sentence in describe_roundings(report)]
    named = (
        ("Not judged", list_unjudged(report.settings)),
        ("Run by", list_external(report.environment)),
        ("Why they fail", [(cause.formulation, cause.sentence) for cause in report.causes]),
    )
    for title, sentences in named:
        if sentences:
            lines = [f"- **{escape_markdown(name)}**: {escape_markdown(sentence)}\n" for name, sentence in sentences]
            parts.append("".join([f"**{title}**\n\n", *lines]))
    if report.conclusions:
        lines = [f"- {c.dtype}: {escape_markdown(c.sentence)}\n" for c in report.conclusions]
        parts.append("".join(["**The answer**\n\n", *lines]))
    elif report.recommendations:
        advised = [(a.dtype, a.formulation or "none", a.why) for a in report.recommendations]
        lines = [f"- {dtype}: **{escape_markdown(name)}**, {escape_markdown(why)}\n" for dtype, name, why in advised]
        parts.append("".join(["**Use instead**\n\n", *lines]))
    return "\n".join(parts)


def _draw_facts(report: Report) -> list[str]:
    """Return what the file is, and a table of its facts, if it has any."""
    if report.portrait is None:
        return []
    facts = [
        [finding.kind.label, f"{finding.cases:,}", str(finding.first), result.setting.dtype]
        for result in report.data
        for finding in result.findings
    ]
    table = [f"{to_markdown(['the file', 'rows', 'first', 'dtype'], facts)}\n"] if facts else []
    return [f"{escape_markdown(describe_arrays(report.portrait))}\n", *table]


def _draw(overview: Overview) -> str:
    """Return a table with a row per formulation and dtype, and what its numbers mean."""
    more = overview.classes[1:]
    heads = ["formulation", "dtype", "verdict", *(trouble.title for trouble in overview.troubles)]
    heads += [f"{', '.join(map(str, more))} classes"] if more else []
    rows = []
    for name in overview.request.formulations:
        for dtype in overview.dtypes:
            words, _ = show_answer(overview.answer(name, dtype))
            cells = [overview.cell(name, dtype, trouble) for trouble in overview.troubles]
            many = overview.many(name, dtype)
            last = [f"{many[0].head} {many[1]}" if many else ""] if more else []
            rows.append([name, dtype, words, *cells, *last])
    legend = " · ".join(list_legends(overview))
    few = f", with {overview.classes[0]} classes" if more else ""
    numbers = f"the |t| from which it happens{few}" if overview.is_sweep else "rows"
    return f"{to_markdown(heads, rows)}\nNumbers: {escape_markdown(numbers)}{f' · {legend}' if legend else ''}\n"
