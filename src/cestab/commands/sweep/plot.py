"""`--plot`: a strip per formulation and dtype in the terminal, what is wrong along |t|."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cestab.commands.sweep.overview import Overview
from cestab.reports.footnotes import shorten
from cestab.reports.strips import Axis, choose_axis, pair_sides
from cestab.reports.text import Name, new_table
from cestab.reports.troubles import Answer, show_short
from cestab.vocabulary.marks import Mark

NARROWEST = 16  # steps
MOST_STEPS = 100
LONGEST_NAME = 20  # of a formulation, beyond which it is broken


def draw_strips(overview: Overview, width: int) -> Iterator[RenderableType]:
    """Yield for each dtype the strips of the formulations with the fewest classes, below them the axis; then the letters."""
    results = [result for result in overview.settings if result.setting.classes == overview.classes[0]]
    names = list(dict.fromkeys(result.setting.formulation for result in results))
    column = max(map(len, [*overview.dtypes, *(shorten(name)[:LONGEST_NAME] for name in names)]), default=0)
    axis = choose_axis(results, overview.ends, max(NARROWEST, min(MOST_STEPS, width - column - 4)))
    if axis is None:
        return
    seen: set[Mark] = set()
    for dtype in overview.dtypes:
        table = _draw_dtype(overview, dtype, axis, seen)
        table.columns[0].min_width = column
        yield table
    classes = "" if overview.request.objective.is_binary else f", with {overview.classes[0]} classes"
    yield Text.assemble(*_list_letters(seen), f": the worst in each step of |t|{classes}")


def _draw_dtype(overview: Overview, dtype: str, axis: Axis, seen: set[Mark]) -> Table:
    table = new_table((Text(dtype, style="bold cyan"), "", ""), gap=1)
    for name in overview.request.formulations:
        results = overview.results(name, dtype, overview.classes[:1])
        if not isinstance(overview.answer(name, dtype), Answer):
            table.add_row(Name(name=shorten(name)), "", Text(str(overview.answer(name, dtype) or ""), style="magenta"))
            continue
        results = [result for result in results if result.interval_count]
        for row, (sign, marks) in enumerate(pair_sides(results, overview.ends, axis) if results else ()):
            seen.update(marks)
            table.add_row(Name(name="" if row else shorten(name)), Text(sign), _draw_strip(marks))
    table.add_row("", "", Text(label_axis(axis), style="dim", no_wrap=True))
    return table


def _draw_strip(marks: Sequence[Mark]) -> Text:
    return Text.assemble(*((mark.letter, mark.style) for mark in marks), no_wrap=True)


def label_axis(axis: Axis) -> str:
    """Return the powers of ten under their steps, as many as fit."""
    line = ""
    for step, power in axis.decades():
        label = show_short(power)
        if step >= len(line) + bool(line) and step + len(label) <= axis.steps + 1:
            line = line.ljust(step) + label
    return line


def _list_letters(seen: set[Mark]) -> Iterator[str | tuple[str, str]]:
    for number, mark in enumerate(mark for mark in Mark if mark in seen - {Mark.OUTSIDE}):
        yield ", " if number else ""
        yield mark.letter, mark.style
        yield f" {mark.words}"
