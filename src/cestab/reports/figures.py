"""Figures with matplotlib, which is imported here alone: what a page holds and what `cestab plot` writes.

Lines and marks differ in shape and in a palette that is safe for the colour-blind, so that they are read in grey, too.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cestab.reports.footnotes import shorten
from cestab.reports.strips import Axis, list_spans
from cestab.vocabulary.curves import BINS, DECADES, find_bin
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.settings import SettingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID = "#111213", "#d1d2d3"  # which a page's style replaces by its own
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A")  # Okabe and Ito's, black as grey
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2, 2, 2)))
MARKERS = "osD^vPX"
COLUMN_INCHES = 3.4  # of a paper in two columns
PARTS = ("loss_relative", "gradient_relative")
TITLES = {"loss_relative": "error of the loss", "gradient_relative": "error of the gradient"}
HIGHEST = 10.0
FILLS = {  # colour and hatch of a mark: darker is worse
    Mark.NAN: ("#3B0F70", ""),
    Mark.INF: ("#8C2981", "...."),
    Mark.ZERO: ("#B63679", "////"),
    Mark.OFF: ("#E65164", "\\\\\\\\"),
    Mark.DIGITS: ("#FDC48A", "----"),
    Mark.ZEROED: ("#FDE3B8", "oo"),
    Mark.BEYOND: ("#C6DBEF", "++"),
    Mark.FINE: ("#FFFFFF", ""),
    Mark.OUTSIDE: ("none", ""),
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cestab",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@contextmanager
def _drawing(width: float, height: float) -> "Iterator[Figure]":
    """Yield an empty figure in cestab's style, whatever the user's own is."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield Figure(figsize=(width, height), layout="constrained")


def write_figure(figure: "Figure", form: str) -> bytes:
    """Return a figure as svg, pdf or png; the same figure gives the same bytes."""
    stream = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}.get(form, {})
    figure.savefig(stream, format=form, metadata=metadata, transparent=form == "svg", dpi=300)
    return stream.getvalue()


def to_inline(drawing: bytes) -> str:
    """Return an SVG without what only a file of its own needs."""
    text = drawing.decode("utf-8")
    return text[text.index("<svg") :]


def draw_curves(results: Mapping[str, Sequence[SettingResult]], end: float, roundoff: float, form: str = "svg") -> bytes:
    """Return error against |t|, log-log, of loss and gradient: a line per name, the worst of its results in each bin.

    `end` is the largest |t| of the range. Errors below a sixteenth of the unit roundoff, smaller than what rounding the result
    makes, and above HIGHEST are drawn there; where something is NaN or inf, the line has a gap.
    """
    floor = roundoff / 16
    with _drawing(10.0, 3.2) as figure:
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for part, ax in zip(PARTS, axes, strict=True):
            for number, (name, own) in enumerate(results.items()):
                points = _find_worst(own, part, end)
                ys = [math.nan if error is None else min(max(error, floor), HIGHEST) for error in points.values()]
                style = {"color": PALETTE[number % len(PALETTE)], "linestyle": DASHES[number % len(DASHES)]}
                marker = {"marker": MARKERS[number % len(MARKERS)], "markersize": 3.5, "markevery": (number % 4, 4)}
                ax.plot(list(points), ys, label=shorten(name), linewidth=1.2, **style, **marker)
            ax.set(xscale="log", yscale="log", xlabel="|t|", title=TITLES[part], ylim=(floor / 2, 2 * HIGHEST))
            _label_ticks(ax, vertical="{x:.0e}")
            ax.grid(visible=True)
        axes[0].set_ylabel("relative error, none where NaN or inf")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
        return write_figure(figure, form)


def _label_ticks(ax: "Axes", vertical: str | None = None) -> None:
    """Label the ticks in plain numbers, of a range of less than a decade the minor ones, too."""
    from matplotlib.ticker import NullFormatter

    low, high = ax.get_xlim()
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("{x:g}" if high < 10 * low else NullFormatter())
    if vertical is not None:
        ax.yaxis.set_major_formatter(vertical)
        ax.yaxis.set_minor_formatter(NullFormatter())


def _find_worst(results: Sequence[SettingResult], part: str, end: float) -> dict[float, float | None]:
    """Return the largest error of each bin of a curve by |t| in its middle; None where something is NaN or inf."""
    worst: dict[int, float | None] = {}
    for point in (point for result in results for point in result.curve):
        number, error = find_bin(point.place.value, end), getattr(point, part)
        worst[number] = max((e for e in (worst.get(number), error) if e is not None), default=None)
    worst |= dict.fromkeys(_find_broken(results, end))
    return {end * 10 ** (((number + 0.5) / BINS - 1) * DECADES): worst[number] for number in sorted(worst)}


def _find_broken(results: Sequence[SettingResult], end: float) -> Iterator[int]:
    """Yield the bins in which something is NaN or inf."""
    for is_negative in (False, True):
        for kind, near, far in list_spans(results, is_negative=is_negative):
            if Mark.of(kind) in (Mark.NAN, Mark.INF):
                yield from range(find_bin(near, end), find_bin(far, end) + 1)


def draw_planes(planes: Mapping[str, Sequence[str]], end: float, form: str = "svg") -> bytes:
    """Return a heat map per title: what is wrong with pairs of logits, the first upwards, the second to the right.

    Each row of a plane has a letter for each bin of the second logit; the axes are logarithmic on either side of 0.
    """
    marks = {mark.letter: mark for mark in Mark}
    order: list[Mark] = [mark for mark in Mark if mark is not Mark.OUTSIDE]
    with _drawing(COLUMN_INCHES * min(len(planes), 3), 0.6 + 2.9 * math.ceil(len(planes) / 3)) as figure:
        from matplotlib.colors import ListedColormap

        axes = figure.subplots(math.ceil(len(planes) / 3), min(len(planes), 3), squeeze=False, sharex=True, sharey=True)
        colours = ListedColormap([FILLS[mark][0] for mark in order])
        for ax, (title, rows) in zip(axes.flat, planes.items(), strict=False):
            numbers = [[order.index(marks[letter]) for letter in row] for row in rows]
            ax.pcolormesh(numbers, cmap=colours, vmin=-0.5, vmax=len(order) - 0.5, rasterized=True)
            ax.set_title(title, fontsize=8, pad=3)
            ticks = _find_ticks(end)
            ax.set(xlabel="second logit", ylabel="first logit", aspect="equal")
            ax.set_xticks(list(ticks), [f"{z:g}" for z in ticks.values()], fontsize=6, rotation=90)
            ax.set_yticks(list(ticks), [f"{z:g}" for z in ticks.values()], fontsize=6)
        for ax in list(axes.flat)[len(planes) :]:
            ax.set_visible(False)
        seen = {marks[letter] for rows in planes.values() for row in rows for letter in row} - {Mark.FINE}
        _add_legend(figure, [mark for mark in order if mark in seen], has_hatches=False)
        return write_figure(figure, form)


def _find_ticks(end: float) -> dict[float, float]:
    """Return places on an axis of bins, and the logits there: 0, and powers of ten on either side."""
    first = math.ceil(math.log10(end) - DECADES + 0.5)
    powers = [10.0**power for power in range(first, math.floor(math.log10(end)) + 1)]
    places = {BINS + BINS * ((math.log10(z) - math.log10(end)) / DECADES + 1): z for z in powers}
    return {BINS: 0.0} | places | {2 * BINS - place: -z for place, z in places.items()}


Strips = Mapping[str, Sequence[Mark]]


def draw_map(panels: Mapping[str, Strips], axis: Axis, form: str) -> bytes:
    """Return the failure map: per dtype a bar for each formulation along |t|, filled by what is wrong there."""
    rows = sum(len(strips) + 1.6 for strips in panels.values())
    with _drawing(COLUMN_INCHES, 0.8 + 0.17 * rows) as figure:
        ratios = [len(strips) for strips in panels.values()]
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        for ax, (dtype, strips) in zip(axes, panels.items(), strict=True):
            _fill_panel(ax, dtype, strips, axis)
        axes[-1].set(xscale="log", xlim=(axis.low, axis.high), xlabel="|t|")
        _label_ticks(axes[-1])
        seen = {mark for strips in panels.values() for marks in strips.values() for mark in marks} - {Mark.FINE, Mark.OUTSIDE}
        _add_legend(figure, [mark for mark in Mark if mark in seen])
        return write_figure(figure, form)


def _fill_panel(ax: "Axes", dtype: str, strips: Strips, axis: Axis) -> None:
    edges = [axis.low * (axis.high / axis.low) ** (step / axis.steps) for step in range(axis.steps + 1)]
    for row, marks in enumerate(strips.values()):
        for mark, start, stop in _find_runs(marks):
            colour, hatch = FILLS[mark]
            span = [(edges[start], edges[stop] - edges[start])]
            width = 0.0 if mark is Mark.OUTSIDE else 0.3
            ax.broken_barh(span, (row - 0.4, 0.8), facecolor=colour, hatch=hatch, edgecolor=INK, linewidth=width)
    ax.set_yticks(range(len(strips)), [shorten(name) for name in strips], fontsize=7)
    ax.set_title(dtype, loc="left", fontsize=8, pad=2)
    ax.set_ylim(len(strips) - 0.4, -0.6)


def _find_runs(marks: Sequence[Mark]) -> Iterator[tuple[Mark, int, int]]:
    """Yield each run of equal marks with the steps where it begins and ends."""
    start = 0
    for step in range(1, len(marks) + 1):
        if step == len(marks) or marks[step] is not marks[start]:
            yield marks[start], start, step
            start = step


def _add_legend(figure: "Figure", marks: Sequence[Mark], *, has_hatches: bool = True) -> None:
    from matplotlib.patches import Patch

    hatches = [FILLS[mark][1] if has_hatches else "" for mark in marks]
    style: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.3}
    handles = [Patch(facecolor=FILLS[m][0], hatch=h, label=m.words, **style) for m, h in zip(marks, hatches, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=7)
