"""The parts of an audit's table that only a file has: its facts, what its logits are like, headroom, effect, the answer."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cestab.commands.sweep.answer import Report
from cestab.reports.footnotes import shorten
from cestab.reports.tables import STYLES
from cestab.reports.text import Hanging, Name, fold_command, new_table
from cestab.reports.troubles import show_short
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.recorded import QUANTILES, Conclusion, Effect, Headroom, Portrait, Quantity, Safety
from cestab.vocabulary.settings import SettingResult

SAFETY_STYLES = {Safety.SAFE: "green", Safety.SAFE_WITH: "yellow", Safety.NOT_SAFE: "bold red"}
VISIBLE = 1e-3  # relative errors of a mean loss or a gradient that are worth a line
INDENT = "  "
NOTHING = Text("·", style="dim")
Key = TypeVar("Key")


def group_names(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Return what is said, once each, with the names of which it is said."""
    grouped: dict[Key, list[str]] = {}
    for said, name in pairs:
        grouped.setdefault(said, []).append(name)
    return grouped


def draw_file(report: Report) -> Iterator[RenderableType]:
    """Yield what the logits of a file are like, and its facts."""
    if report.portrait is None:
        return
    yield Text(describe_arrays(report.portrait))
    if report.portrait.rows:
        yield _draw_portrait(report.portrait)
    if report.portrait.rows and report.portrait.probability_rows == report.portrait.rows:
        yield Text("Every row looks like probabilities (none negative, sum 1): what is wanted are logits.", style="bold yellow")
    if any(result.findings for result in report.data):
        yield draw_facts(report.data)


def describe_arrays(portrait: Portrait) -> str:
    """Return which arrays were read, e.g. `logits 'outputs' 4 × 128 × 32000 float32, labels 'y', classes on axis 2`."""
    keys = {"logits": portrait.logits_key, "labels": portrait.labels_key}
    logits, labels = ("" if key in ("", usual) else f" '{key}'" for usual, key in keys.items())
    shape = " × ".join(map(str, portrait.shape))
    axis = f", classes on axis {portrait.class_axis}" if len(portrait.shape) > 2 and portrait.class_axis is not None else ""
    return f"logits{logits} {shape} {portrait.dtype}, labels{labels}{axis}"


def _draw_portrait(portrait: Portrait) -> Table:
    """Return quantiles of logits and margins, beside the largest values of the rows."""
    heads = [f"{share:.0%}" for share in QUANTILES]
    table = new_table(("", *("smallest", *heads[1:-1], "largest"), ""))
    shown = [quantity for quantity in (Quantity.SPREAD, Quantity.OFFSET) if quantity in portrait.extremes]
    largest = ", ".join(f"{quantity} {_show(portrait.extremes[quantity])}" for quantity in shown)
    table.add_row("logits", *map(_show, portrait.logits), largest if portrait.classes > 1 else "")
    table.add_row("margins", *map(_show, portrait.margins), "true class minus best other" if portrait.classes > 1 else "")
    return table


def _show(number: float) -> str:
    return f"{number:.3g}"


def draw_facts(data: Iterable[SettingResult]) -> Table:
    """Return a table of the facts of a file: a row for each, of the dtypes in which it is so in the same rows."""
    table = new_table(("the file", "rows", "first", "in"))
    found = [(result.setting.dtype, finding) for result in data for finding in result.findings]
    grouped = group_names(((f.kind, f.cases, str(f.first)), dtype) for dtype, f in found)
    for (kind, rows, first), dtypes in grouped.items():
        style = STYLES[Verdict.of([kind.severity])]
        table.add_row(Text(kind.label, style=style), Text(f"{rows:,}"), Text(first), Text(", ".join(dtypes)))
    return table


def draw_reach(settings: Sequence[SettingResult], dtypes: Sequence[str]) -> Iterator[RenderableType]:
    """Yield where the formulations break that do by the size of logits, and what errors do to mean loss and gradient."""
    by_name: dict[str, dict[str, SettingResult]] = {}
    for result in settings:
        by_name.setdefault(result.setting.formulation, {}).setdefault(result.setting.dtype, result)
    headroom = {name: {d: r.headroom for d, r in own.items() if r.headroom} for name, own in by_name.items()}
    if any(headroom.values()):
        is_binary = settings[0].setting.objective.is_binary
        yield _draw_headroom({name: own for name, own in headroom.items() if own}, dtypes, is_binary=is_binary)
    effects = {name: {d: r.effect for d, r in own.items() if r.effect} for name, own in by_name.items()}
    yield from _draw_effects(effects, dtypes)


def _draw_headroom(headroom: Mapping[str, Mapping[str, Headroom]], dtypes: Sequence[str], *, is_binary: bool) -> Table:
    table = new_table(("breaks at", "which is here", *dtypes))
    for name, own in headroom.items():
        first = next(iter(own.values()))
        cells = [_show_break(own[dtype]) if dtype in own else NOTHING for dtype in dtypes]
        quantity = "|x|" if is_binary else str(first.quantity)
        table.add_row(Name(name=shorten(name)), Text(f"{quantity} {_show(first.recorded)}"), *cells)
    return table


def _show_break(headroom: Headroom) -> Text:
    if headroom.breaks_at is None:
        return NOTHING
    style = "red" if headroom.recorded >= headroom.breaks_at else "green"
    return Text(("≤" if headroom.is_at_most else "") + show_short(headroom.breaks_at), style=style)


def _draw_effects(effects: Mapping[str, Mapping[str, Effect]], dtypes: Sequence[str]) -> Iterator[RenderableType]:
    """Yield relative errors of the mean loss and of the whole gradient, of formulations where they can be seen."""
    table = new_table(("training sees", *dtypes))
    unseen = []
    for name, own in effects.items():
        if not any(_is_visible(effect) for effect in own.values()):
            unseen.append(shorten(name))
            continue
        table.add_row(Name(name=shorten(name)), *(_show_effect(own[d]) if d in own else NOTHING for d in dtypes))
    if table.row_count:
        yield table
        others = ", others < 0.1 %" if unseen else ""
        yield Text(f"relative error of the mean loss / of the gradient of all rows{others}", style="dim")
    elif unseen:
        yield Text("Mean loss and gradient of all rows are off by less than 0.1 %.", style="dim")


def _is_visible(effect: Effect) -> bool:
    errors = (effect.loss_error, effect.gradient_error)
    return any(error is not None and not error <= VISIBLE for error in errors)


def _show_effect(effect: Effect) -> Text:
    if not _is_visible(effect):
        return NOTHING
    return Text(f"{_show_error(effect.loss_error)} / {_show_error(effect.gradient_error)}")


def _show_error(error: float | None) -> str:
    if error is None:
        return "?"
    if not math.isfinite(error):
        return "NaN" if math.isnan(error) else "inf"
    if error < VISIBLE:
        return "< 0.1 %"
    return f"{100 * error:,.0f} %" if error >= 0.1 else f"{100 * error:.2g} %"


def draw_conclusions(conclusions: Sequence[Conclusion], width: int) -> Iterator[RenderableType]:
    """Yield the answer per format, those that are the same together, and the command for the worst case."""
    yield Text("The answer", style="bold")
    grouped = group_names(((c.safety, c.sentence), c.dtype) for c in conclusions)
    for (safety, sentence), dtypes in grouped.items():
        words = f"{', '.join(dtypes)}: {sentence}"
        yield Hanging(text=f"  {words}", indent=4, style=SAFETY_STYLES[safety])
    shown = next((c.reproduce for c in conclusions if c.reproduce), None)
    if shown:
        yield Text(f"{INDENT}The worst row:")
        yield Text(fold_command(shown, width, INDENT))
