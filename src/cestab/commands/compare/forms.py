"""How a comparison is shown, and what is said of its gate."""

from functools import partial

from cestab.commands.compare import table, wire
from cestab.commands.compare.answer import Comparison
from cestab.errors import ExitStatus, UsageError
from cestab.reports.forms import Forms
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import explain_unjudged


def make_forms(*, detail: bool, plot: bool = False) -> Forms[Comparison]:
    """Return the forms; `detail` adds to the table what only one formulation has, and boundaries; `plot` adds strips."""
    return Forms(
        table=partial(table.render, detail=detail, plot=plot),
        json=wire.render,
        csv=table.render_csv,
        markdown=table.render_markdown,
        html=_render_html,
        refuse=_refuse_uncompared,
        describe_gate=_describe_gate,
    )


def _refuse_uncompared(comparison: Comparison) -> None:
    if comparison.exit_status() is ExitStatus.USAGE:
        reasons = explain_unjudged(setting.other for setting in comparison.settings)
        raise UsageError(f"nothing could be compared: {reasons}")


def _describe_gate(comparison: Comparison) -> str | None:
    """Return the line on standard error: what is worse, or that nothing was gated."""
    worse = comparison.worse()
    if not comparison.fails_on_worse and not comparison.is_interrupted:
        return "nothing was gated; --fail-on-worse makes the exit status 1 if an OTHER is worse"
    if not worse:
        return None
    names = ", ".join(dict.fromkeys(setting.other.setting.formulation for setting in worse))
    found = f"worse than {comparison.reference} in {len(worse)} of {show_count(len(comparison.settings), 'setting')}"
    return f"{names}: {found}, e.g. {worse[0].worse[0]}"


def _render_html(comparison: Comparison) -> str:
    from cestab.commands.compare.page import to_page
    from cestab.reports.page.render import render_page

    return render_page(to_page(comparison))
