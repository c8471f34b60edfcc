"""How a report of sweep or audit is shown."""

from functools import partial

from cestab.commands.sweep import markdown, rows, table, wire
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.gate import describe_gate, refuse_unjudged, to_gate
from cestab.reports.forms import Forms


def make_forms(*, detail: bool, plot: bool = False) -> Forms[Report]:
    """Return the forms; `detail` is the table's of one row per setting, `plot` adds strips to it."""
    return Forms(
        table=partial(table.render, detail=detail, plot=plot),
        json=wire.render,
        csv=rows.render,
        markdown=markdown.render,
        html=_render_html,
        gate=to_gate,
        refuse=refuse_unjudged,
        describe_gate=describe_gate,
    )


def _render_html(report: Report) -> str:
    from cestab.commands.sweep.page import to_page
    from cestab.reports.page.render import render_page

    return render_page(to_page(report))
