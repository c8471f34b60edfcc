"""How a check is shown, and what is said of its gate."""

from cestab.commands.check import rows, table, wire
from cestab.commands.check.answer import CheckReport
from cestab.commands.check.gate import to_gate
from cestab.errors import ExitStatus, UsageError
from cestab.reports.forms import Forms
from cestab.vocabulary.settings import explain_unjudged


def refuse_unjudged(report: CheckReport) -> None:
    """Raise where the status is 2: an audit of which nothing could be judged is an error, no result."""
    if report.exit_status() is ExitStatus.USAGE:
        checked = report.unjudged()[0]
        raise UsageError(f"nothing of '{checked.audit.name}' could be judged: {explain_unjudged(checked.report.settings)}")


def _describe_gate(report: CheckReport) -> str | None:
    """Return the line on standard error: what the gate found."""
    if report.exit_status() is not ExitStatus.GATE_FAILED:
        return None
    rules = ", ".join(dict.fromkeys(problem.rule for _, problem in report.gated()))
    return f"gate failed in {report.show_gated()}: {rules}"


def _render_html(report: CheckReport) -> str:
    from cestab.commands.check.page import to_page
    from cestab.reports.page.render import render_page

    return render_page(to_page(report))


FORMS = Forms(
    table=table.render,
    json=wire.render,
    csv=rows.render_csv,
    markdown=rows.render_markdown,
    html=_render_html,
    gate=to_gate,
    refuse=refuse_unjudged,
    describe_gate=_describe_gate,
)
