"""How a difference is shown, and what is said of it as a gate."""

from cestab.commands.diff import table, wire
from cestab.commands.diff.answer import Difference
from cestab.commands.diff.sentences import render_csv, render_markdown, to_gate
from cestab.commands.sweep.answer import Report
from cestab.reports.forms import Forms
from cestab.vocabulary.phrases import show_count


def _describe_gate(difference: Difference) -> str | None:
    """Return the line on standard error: what became worse."""
    worse = difference.worse()
    if not worse:
        return None
    settings = len({setting for setting, _ in worse})
    rules = ", ".join(dict.fromkeys(change.rule.label for _, change in worse))
    return f"worse in {settings} of {show_count(len(difference.settings), 'setting')}: {rules}"


def make_forms(reports: tuple[Report, Report]) -> Forms[Difference]:
    """Return the forms of the difference between two reports, which its page shows over each other."""

    def render_html(difference: Difference) -> str:
        from cestab.commands.diff.page import to_page
        from cestab.reports.page.render import render_page

        return render_page(to_page(difference, reports))

    return Forms(
        table=table.render,
        json=wire.render,
        csv=render_csv,
        markdown=render_markdown,
        html=render_html,
        gate=to_gate,
        describe_gate=_describe_gate,
    )
