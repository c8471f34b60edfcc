"""A comparison as a page: the sentence per dtype, where troubles begin, strips, settings with the worse first, errors."""

from collections.abc import Iterator

from cestab.commands.compare import wire
from cestab.commands.compare.answer import Comparison
from cestab.commands.compare.table import AFTER, BEFORE, LEGEND, describe_setting, headline
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.page_parts import draw_errors, draw_matrix, draw_strip_tables, list_environment
from cestab.reports.footnotes import list_unjudged
from cestab.reports.page.model import Block, Cell, Number, Page, Paragraph, Section, Table


def to_page(comparison: Comparison) -> Page:
    """Return the page."""
    overview = Overview(request=comparison.request, settings=comparison.results())
    sentences: list[Block] = [Paragraph(text=dtype.sentence) for dtype in comparison.dtypes]
    unjudged: list[Block] = [Paragraph(text=f"{name}: {reason}.") for name, reason in list_unjudged(comparison.results())]
    return Page(
        title=f"cestab compare: {', '.join(comparison.others)} with {comparison.reference}",
        headline=headline(comparison),
        numbers=tuple(_count(comparison)),
        sections=(
            Section(title="The answer", blocks=(*sentences, draw_matrix(overview))),
            Section(title="Where it breaks", blocks=tuple(draw_strip_tables(overview))),
            Section(title="Setting by setting", blocks=tuple(_list_settings(comparison))),
            Section(title="Errors against t", blocks=tuple(draw_errors(overview))),
            Section(title="What was not checked", blocks=unjudged),
            Section(title="Environment", blocks=tuple(list_environment(comparison.environment))),
        ),
        report=wire.render(comparison),
    )


def _count(comparison: Comparison) -> Iterator[Number]:
    worse, better = len(comparison.worse()), sum(bool(setting.better) for setting in comparison.settings)
    yield Number(value=f"{worse:,}", label="settings worse", style="off" if worse else "")
    yield Number(value=f"{better:,}", label="settings better", style="fine" if better else "")
    yield Number(value=f"{len(comparison.settings):,}", label="settings compared")


def _list_settings(comparison: Comparison) -> Iterator[Block]:
    """Yield a table for each other formulation, what is worse in it first."""
    for other in comparison.others:
        settings = [setting for setting in comparison.settings if setting.other.setting.formulation == other]
        rows = []
        for setting in sorted(settings, key=lambda each: not each.worse):
            cells = [Cell(text=text) for text in describe_setting(setting)]
            worse = Cell(text="; ".join(setting.worse), style="off")
            rows.append([*cells, worse, Cell(text="; ".join(setting.better), style="fine")])
        heads = (*BEFORE, comparison.reference, other, *AFTER, "worse", "better")
        yield Table(caption=f"{other} beside {comparison.reference}. {LEGEND}", heads=heads, rows=rows, is_long=True)
