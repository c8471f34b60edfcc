"""A comparison for people: a sentence per dtype, where troubles begin, with detail a row per setting; as Markdown and CSV."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cestab.commands.compare.answer import Agreement, Comparison, SettingComparison
from cestab.commands.sweep.overview import Overview, draw
from cestab.commands.sweep.plot import draw_strips
from cestab.reports.rows import Cell, to_csv, to_markdown
from cestab.reports.tables import STYLES, describe_external, describe_limits, name_columns, show_start
from cestab.reports.text import find_width, new_table, to_text
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import Finding, Place, SettingResult, find_worst

LEGEND = "equal: equal losses, gradients; nearer: gradients nearer the truth; apart: largest distance in ulps"
BEFORE, AFTER = ("dtype", "case"), ("equal", "nearer", "apart")  # columns before and after those of the two formulations
CSV_COLUMNS = (
    *("other", "dtype", "compute", "summation", "loss_scale", "pattern", "classes", "target"),
    *("reference_verdict", "other_verdict", "cases"),
    *(f"{part}_{what}" for part in ("loss", "gradient") for what in ("equal", "nearer_reference", "nearer_other")),
    *("loss_distance_ulps", "loss_distance_at", "gradient_distance_ulps", "gradient_distance_at"),
    *("only_reference", "only_other", "worse"),
)


def render(comparison: Comparison, stream: TextIO, *, detail: bool = False, plot: bool = False) -> str:
    """Return the comparison as it is to be written to the stream; `detail` adds a row per setting, and what only one has."""
    return to_text(stream, *_parts(comparison, find_width(stream), detail=detail, plot=plot))


def render_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown: the sentences, then a table per other formulation."""
    lines = [f"# {headline(comparison)}", "", f"{LEGEND}.", "", *(f"- {dtype.sentence}" for dtype in comparison.dtypes), ""]
    tables = (
        to_markdown(
            (*BEFORE, comparison.reference, other, *AFTER),
            (describe_setting(setting) for setting in _settings_of(comparison, other)),
        )
        for other in _compared(comparison)
    )
    return "\n".join(lines) + "\n" + "\n".join(tables)


def render_csv(comparison: Comparison) -> str:
    """Return a line for each setting and other formulation."""
    return to_csv(CSV_COLUMNS, (_record(setting) for setting in comparison.settings))


def _parts(comparison: Comparison, width: int, *, detail: bool, plot: bool) -> Iterator[RenderableType]:
    yield Text(headline(comparison))
    for dtype in comparison.dtypes:
        name, _, words = dtype.sentence.partition(": ")
        yield Text.assemble((name, "bold"), f": {words}")
    overview = Overview(request=comparison.request, settings=comparison.results())
    yield from draw(overview, width)
    if plot:
        yield from draw_strips(overview, width)
    for other in _compared(comparison) if detail else ():
        yield Text(LEGEND)
        settings = _settings_of(comparison, other)
        table = new_table((*BEFORE, *name_columns((comparison.reference, other)), *AFTER), gap=1)
        for setting in settings:
            _add(table, setting)
        yield table
        yield from (Padding(Text(line), (0, 0, 0, 2)) for setting in settings for line in _details(comparison, setting))
    yield from describe_external(comparison.results(), comparison.environment)


def headline(comparison: Comparison) -> str:
    """Return the line over a comparison."""
    cases = sum(setting.loss.cases for setting in comparison.settings if setting.loss is not None)
    others = ", ".join(comparison.others)
    parts = [
        f"cestab {comparison.version}",
        f"{comparison.reference} compared with {others}",
        show_count(cases, "case") if cases else "no case was compared",
    ]
    return " · ".join([*parts, *describe_limits([comparison.request.arithmetics], is_interrupted=comparison.is_interrupted)])


def _compared(comparison: Comparison) -> list[str]:
    """Return the other formulations with a finished setting; after Ctrl-C some may have none."""
    return [other for other in comparison.others if _settings_of(comparison, other)]


def _settings_of(comparison: Comparison, other: str) -> list[SettingComparison]:
    return [setting for setting in comparison.settings if setting.other.setting.formulation == other]


def describe_setting(setting: SettingComparison) -> tuple[str, ...]:
    """Return dtype, case, verdicts, shares of equal losses and gradients, of gradients nearer the truth, largest distance."""
    other = setting.other.setting
    case = ", ".join([f"{other.pattern} {other.classes} {other.target}", *other.unusual()])
    before = (other.dtype, case, _verdict(setting.reference), _verdict(setting.other))
    if setting.loss is None:
        return (*before, "", "", "")
    equal, nearer = _percent(setting.loss.equal, setting.loss), ""
    if setting.gradient is not None:
        equal += f" {_percent(setting.gradient.equal, setting.gradient)}"
        nearer = f"{_percent(setting.gradient.nearer_reference, setting.gradient)}:"
        nearer += _percent(setting.gradient.nearer_other, setting.gradient)
    distances = [a.distance.ulps for a in (setting.loss, setting.gradient) if a and a.distance and a.distance.ulps is not None]
    return (*before, equal, nearer, f"{max(distances):.2g}" if distances else "")


def _verdict(result: SettingResult) -> str:
    worst = find_worst([result])
    return f"{result.verdict} {show_start(worst)}" if worst else str(result.verdict)


def _percent(count: int, agreement: Agreement) -> str:
    """Return a share in per cent; 0 and 100 only where they are exact."""
    share = 100 * count / agreement.cases
    return f"{share:.0f}%" if share in (0, 100) or 1 <= share <= 99 else "<1%" if share < 1 else ">99%"


def _add(table: Table, setting: SettingComparison) -> None:
    styles = ("", "", STYLES.get(setting.reference.verdict, ""), STYLES.get(setting.other.verdict, ""), "", "", "")
    table.add_row(*(Text(cell, style=style) for cell, style in zip(describe_setting(setting), styles, strict=True)))


def _details(comparison: Comparison, setting: SettingComparison) -> Iterator[str]:
    other = setting.other.setting
    names = comparison.reference, other.formulation
    case = other.describe()
    for name, findings in zip(names, (setting.only_reference, setting.only_other), strict=True):
        for finding in findings:
            reach = f"t from {finding.lowest.decimal} to {finding.highest.decimal}"
            yield f"{case}: only {name} has {finding.kind.label}, in {finding.cases} cases, {reach}"
    for pair in setting.boundaries:
        starts = (f"{name} {_start(place)}" for name, place in zip(names, (pair.reference, pair.other), strict=True))
        yield f"{case}: {pair.kind.label} begins at |t| = {', '.join(starts)}"


def _start(place: Place | None) -> str:
    return "nowhere" if place is None else place.decimal.removeprefix("-")


def _record(setting: SettingComparison) -> tuple[Cell, ...]:
    other = setting.other.setting
    named = (
        other.formulation,
        other.dtype,
        other.compute,
        str(other.summation),
        other.loss_scale,
        other.pattern,
        other.classes,
        other.target,
    )
    verdicts = (str(setting.reference.verdict), str(setting.other.verdict))
    pair = (setting.loss, setting.gradient)
    counts = [cell for a in pair for cell in ((None,) * 3 if a is None else (a.equal, a.nearer_reference, a.nearer_other))]
    places = [None if a is None else a.distance for a in pair]
    apart = [cell for place in places for cell in ((None, None) if place is None else (place.ulps, float(place.decimal)))]
    cases = None if setting.loss is None else setting.loss.cases
    kinds = (_kinds(setting.only_reference), _kinds(setting.only_other), "; ".join(setting.worse))
    return (*named, *verdicts, cases, *counts, *apart, *kinds)


def _kinds(findings: tuple[Finding, ...]) -> str:
    return " ".join(finding.kind.label for finding in findings)
