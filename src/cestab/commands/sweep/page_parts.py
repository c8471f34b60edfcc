"""Parts of pages that sweep, audit, compare, check and diff share: the matrix of verdicts, strips, curves, the environment."""

from collections.abc import Iterator, Sequence

from cestab.commands.sweep.overview import Overview, list_legends
from cestab.commands.sweep.plot import label_axis
from cestab.numerics.formats import find_format
from cestab.reports.figures import draw_curves, draw_planes, to_inline
from cestab.reports.footnotes import list_external
from cestab.reports.page.model import Block, Cell, Figure, Paragraph, Run, Table
from cestab.reports.strips import Axis, choose_axis, pair_sides
from cestab.reports.troubles import Answer, Trouble, show_answer
from cestab.vocabulary.kinds import Severity
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.phrases import show_classes
from cestab.vocabulary.settings import Environment, Finding, Place

STEPS = 60  # of a strip
MOST_CURVES = 12  # formulations in one figure, beyond which lines cannot be told apart
STYLES = {Severity.FAIL: "off", Severity.WARN: "digits"}
ANSWERS = {
    Answer.BREAKS: "nan",
    Answer.BREAKS_SILENTLY: "off",
    Answer.LOSES_DIGITS: "digits",
    Answer.SMALL_VALUES: "digits",
    Answer.BEYOND: "beyond",
    Answer.SOUND: "fine",
}


def draw_matrix(overview: Overview) -> Table:
    """Return the verdicts of the first screen: a row per formulation and dtype, with where each trouble begins."""
    more = overview.classes[1:]
    heads = ["formulation", "dtype", "verdict", *(trouble.title for trouble in overview.troubles)]
    heads += [f"{', '.join(map(str, more))} classes"] if more else []
    few = _with_classes(overview) if more else ""
    legend = " · ".join(list_legends(overview))
    numbers = f"the |t| from which it happens{few}" if overview.is_sweep else "rows"
    return Table(
        caption=f"What each formulation does. Numbers: {numbers}{f' · {legend}' if legend else ''}",
        heads=heads,
        rows=[
            _draw_matrix_row(overview, name, dtype, has_more=bool(more))
            for name in overview.request.formulations
            for dtype in overview.dtypes
        ],
        is_long=True,
    )


def _draw_matrix_row(overview: Overview, name: str, dtype: str, *, has_more: bool) -> list[Cell]:
    answer = overview.answer(name, dtype)
    words, _ = show_answer(answer)
    style = ANSWERS.get(answer, "off") if isinstance(answer, Answer) else "off"
    cells = [_draw_onset(overview, name, dtype, trouble) for trouble in overview.troubles]
    many = overview.many(name, dtype)
    last = [Cell(text=f"{many[0].title} from {many[1]}" if many else "·", style=_style(many[0]) if many else "dim")]
    return [Cell(text=name), Cell(text=dtype), Cell(text=words, style=style), *cells, *(last if has_more else [])]


def _draw_onset(overview: Overview, name: str, dtype: str, trouble: Trouble) -> Cell:
    text = overview.cell(name, dtype, trouble)
    number = overview.number(name, dtype, trouble)
    return Cell(text=text or "·", style=_style(trouble) if text else "dim", sort=number)


def _style(trouble: Trouble) -> str:
    return trouble.name.lower()


def draw_strip_tables(overview: Overview) -> Iterator[Block]:
    """Yield a table per dtype: for each formulation a strip along |t|, and exactly where its first failure begins.

    Of pairs, a figure per dtype: what is wrong with which two logits.
    """
    for dtype in overview.dtypes:
        if planes := overview.planes(dtype):
            svg = to_inline(draw_planes(planes, overview.largest(dtype)))
            yield Figure(svg=svg, caption=f"{dtype}: what is wrong with which two logits, by formulation and target")
    results = [result for result in overview.settings if result.setting.classes in overview.classes[:1]]
    axis = choose_axis(results, overview.ends, STEPS) if overview.is_sweep else None
    if axis is None:
        return
    letters = ", ".join(f"{mark.letter} {mark.words}" for mark in Mark if mark is not Mark.OUTSIDE)
    yield Paragraph(
        text=f"Each letter is the worst in a step of |t| from {axis.low:g} (and nearer to 0) to {axis.high:g}, on a "
        f"logarithmic axis{_with_classes(overview)}: {letters}.",
        style="dim",
    )
    for dtype in overview.dtypes:
        ticks = Cell(strip=(Run(letters=label_axis(axis), style="dim"),), label="powers of ten")
        rows = [[Cell(), Cell(), ticks, *[Cell()] * 4]]
        rows += [row for name in overview.request.formulations for row in _draw_strips_of(overview, name, dtype, axis)]
        heads = ("formulation", "sign of t", "along |t|", "first failure", "from |t|", "exactly", "reproduce")
        yield Table(caption=dtype, heads=heads, rows=rows)


def _draw_strips_of(overview: Overview, name: str, dtype: str, axis: Axis) -> Iterator[list[Cell]]:
    """Yield a strip for each side of 0 that differs, with the failure that begins nearest to 0 on that side."""
    if not isinstance(overview.answer(name, dtype), Answer):
        return
    own = [result for result in overview.results(name, dtype, overview.classes[:1]) if result.interval_count]
    if not own:  # another number of classes, or pairs
        return
    for number, (sign, marks) in enumerate(pair_sides(own, overview.ends, axis)):
        failures = [
            (f, place) for r in own for f in r.findings if f.kind.severity is Severity.FAIL for place in _sides(f, sign)
        ]
        first = min(failures, key=lambda pair: abs(pair[1].value), default=None)
        cells = [Cell(text="none", style="fine"), *[Cell()] * 3] if first is None else show_place(*first)
        yield [Cell(text="" if number else name), Cell(text=sign), draw_strip(marks), *cells]


def _sides(finding: Finding, sign: str) -> list[Place]:
    """Return where a finding begins on the side of a strip; one without a sign is of both."""
    if not sign:
        return [finding.first]
    place = finding.first_negative if sign == "−" else finding.first_positive
    return [] if place is None else [place]


def draw_strip(marks: Sequence[Mark]) -> Cell:
    """Return a strip with its runs of equal marks, which the label names in order."""
    runs: list[tuple[Mark, int]] = []
    for mark in marks:
        runs[-1:] = [(mark, runs[-1][1] + 1)] if runs and runs[-1][0] is mark else [*runs[-1:], (mark, 1)]
    shown = tuple(Run(letters=mark.letter * count, style=mark.name.lower()) for mark, count in runs)
    return Cell(strip=shown, label=", then ".join(mark.words for mark, _ in runs))


def show_place(finding: Finding, place: Place) -> list[Cell]:
    """Return what a finding is, from where on in decimal and in hexadecimal, and its command."""
    where, exactly = str(place), ""
    if place.hexadecimal is not None:
        where, exactly = f"{'≤ ' if finding.is_at_most else ''}{place.decimal.lstrip('-')}", place.hexadecimal.lstrip("-")
    kind = Cell(text=finding.kind.label, style=STYLES[finding.kind.severity])
    return [kind, Cell(text=where, sort=abs(place.value)), Cell(text=exactly), Cell(command=place.reproduce)]


def draw_errors(overview: Overview) -> Iterator[Block]:
    """Yield per dtype a figure of the errors of loss and gradient, where the report has curves."""
    for dtype in overview.dtypes:
        curves = overview.curves(dtype)
        few = dict(list(curves.items())[:MOST_CURVES])
        if few:
            svg = to_inline(draw_curves(few, overview.largest(dtype), find_format(dtype).unit_roundoff))
            left = f"; {len(curves) - len(few)} more formulations are left out" if len(curves) > len(few) else ""
            caption = f"{dtype}: relative error of loss and gradient against |t|{_with_classes(overview)}{left}"
            yield Figure(svg=svg, caption=caption)


def _with_classes(overview: Overview) -> str:
    return "" if overview.request.objective.is_binary else f", with {show_classes(overview.classes[0])}"


def list_environment(environment: Environment) -> Iterator[Block]:
    """Yield what the numbers depend on."""
    env = environment
    words = {
        "Python": env.python,
        "NumPy": env.numpy,
        "platform": env.platform,
        "processor": env.cpu,
        "SIMD": ", ".join(env.simd),
    }
    rows = [(Cell(text=name), Cell(text=value)) for name, value in words.items() if value]
    rows += [(Cell(text=name), Cell(text=value)) for name, value in list_external(env)]
    yield Table(caption="What the numbers depend on", heads=("what", "which"), rows=rows)
