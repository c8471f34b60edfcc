"""The table for people: 80 columns, one row per formulation, or with detail one per setting."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.file_parts import draw_conclusions, draw_file, draw_reach, group_names
from cestab.commands.sweep.overview import Overview, draw
from cestab.commands.sweep.plot import draw_strips
from cestab.reports.footnotes import shorten
from cestab.reports.tables import STYLES, describe_external, describe_limits, show_start
from cestab.reports.text import Name, find_width, new_table, to_text
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Finding, find_worst


def render(report: Report, stream: TextIO, *, detail: bool = False, plot: bool = False) -> str:
    """Return the report as it is to be written to the stream."""
    return to_text(stream, *_parts(report, find_width(stream), detail=detail, plot=plot))


def _parts(report: Report, width: int, *, detail: bool, plot: bool) -> Iterator[RenderableType]:
    overview = Overview(request=report.request, settings=report.settings, causes=report.causes)
    yield Text(headline(report))
    yield from draw_file(report)
    if detail:
        yield _detail(report)
    else:
        yield from draw(overview, width)
    if plot:
        yield from draw_strips(overview, width)
    if report.portrait is not None:
        yield from draw_reach(report.settings, list(dict.fromkeys(result.setting.dtype for result in report.settings)))
    yield from (Text(sentence) for sentence in describe_roundings(report))
    yield from _describe_certificates(report, detail=detail)
    yield from describe_external(report.settings, report.environment)
    is_one_dtype = len({result.setting.dtype for result in report.settings}) == 1
    if report.causes and (detail or is_one_dtype):
        yield Text("Why they fail", style="bold")
        for said, names in group_names((cause.sentence, cause.formulation) for cause in report.causes).items():
            yield Padding(Text.assemble((", ".join(names), "bold"), f": {said}"), (0, 0, 0, 2))
    if report.conclusions:
        yield from draw_conclusions(report.conclusions, width)
        return
    yield from _advise(report, is_short=not detail and not is_one_dtype)


def _describe_certificates(report: Report, *, detail: bool) -> Iterator[RenderableType]:
    """Yield how much was decided again in ball arithmetic, and with detail between which numbers the largest errors are."""
    certified = [(result, result.certificate) for result in report.settings if result.certificate is not None]
    if not certified:
        return
    figures = sum(certificate.figures for _, certificate in certified)
    settings = show_count(len(certified), "setting")
    yield Text(f"certified: {show_count(figures, 'figure')} of {settings} decided again in ball arithmetic, all confirmed")
    for result, certificate in certified if detail else ():
        ends = [("loss", certificate.loss_ulps), ("gradient", certificate.gradient_ulps)]
        shown = [f"{part} {_show_enclosure(*own)}" for part, own in ends if own is not None]
        yield Padding(Text(f"{result.setting}: largest errors {', '.join(shown)}"), (0, 0, 0, 2))


def _show_enclosure(low: float, high: float) -> str:
    """Return an enclosure as its middle and half its width, e.g. `1.497321 ± 2e-12 ulps`."""
    middle, half = (low + high) / 2, (high - low) / 2
    return f"{middle:.10g} ± {half:.0e} ulps"


def _advise(report: Report, *, is_short: bool) -> Iterator[RenderableType]:
    """Yield what to use in which dtypes, and why; short, in one line where there is something to use everywhere."""
    title = ("Use instead", "bold")
    if is_short and all(advice.formulation in report.request.formulations for advice in report.recommendations):
        grouped = group_names((advice.formulation or "", advice.dtype) for advice in report.recommendations)
        parts = [Text(name, style="bold") + Text(f" ({', '.join(dtypes)})") for name, dtypes in grouped.items()]
        if parts:
            is_kept = {*grouped} == {*report.request.formulations}
            yield Text.assemble(("Keep", "bold") if is_kept else title, "  ", Text("; ").join(parts))
        return
    if report.recommendations:
        yield Text.assemble(title)
        advised = (((advice.formulation or "none", advice.why), advice.dtype) for advice in report.recommendations)
        for (chosen, why), dtypes in group_names(advised).items():
            yield Padding(Text.assemble(f"{', '.join(dtypes)}: ", (chosen, "bold"), f", {why}"), (0, 0, 0, 2))


def describe_roundings(report: Report) -> Iterator[str]:
    """Yield what rounding recorded logits to a dtype changes in the loss."""
    costs: dict[str, float] = {}
    for result in report.settings:
        if result.rounding_cost is not None:
            dtype, change = result.setting.dtype, result.rounding_cost.loss_change
            costs[dtype] = max(change, costs.get(dtype, 0.0))
    if any(costs.values()):
        listed = ", ".join(f"{change:.2g} in {dtype}" for dtype, change in costs.items())
        yield f"Rounding the logits alone changes a loss by up to {listed}"


def headline(report: Report) -> str:
    """Return the line over a report: what was asked and how much was tried."""
    request = report.request
    cases = sum(result.cases for result in report.settings)
    parts = [str(request.objective), f"{show_count(len(report.settings), 'setting')}, {show_count(cases, 'case')}"]
    if not isinstance(request, SweepRequest):
        sampled = [] if request.sample is None else [f"sample of {request.sample:,}, seed {request.seed}"]
        parts[1:] = [request.file, ", ".join(_count_rows(report)), *sampled]
    return " · ".join(
        [f"cestab {report.version}", *parts, *describe_limits([request.arithmetics], is_interrupted=report.is_interrupted)]
    )


def _count_rows(report: Report) -> Iterator[str]:
    """Yield how many rows there are, how many were ignored, and how many have no truth in some dtype."""
    yield show_count(report.rows, "row")
    if report.ignored_rows:
        yield f"{report.ignored_rows:,} ignored"
    undefined = max((result.undefined for result in report.settings), default=0)
    if undefined:
        yield f"up to {undefined:,} not judged"


def _extent(finding: Finding | None, *, is_sweep: bool) -> str:
    if finding is None:
        return ""
    return show_start(finding) if is_sweep else str(finding.cases)


def _detail(report: Report) -> Table:
    is_sweep = isinstance(report.request, SweepRequest)
    columns = ("formulation", "dtype", "case" if is_sweep else "classes", "verdict", "worst finding")
    table = new_table((*columns, "from |t|" if is_sweep else "rows"), gap=1)
    for result in report.settings:
        setting, worst = result.setting, find_worst([result])
        case = f"{setting.pattern} {setting.classes} {setting.target}" if is_sweep else str(setting.classes)
        case = ", ".join([case, *setting.unusual()])
        kind = worst.kind.label if worst else ""
        verdict = Text(result.verdict, style=STYLES.get(result.verdict, "magenta"))
        name, extent = Name(name=shorten(setting.formulation)), Text(_extent(worst, is_sweep=is_sweep))
        table.add_row(name, Text(setting.dtype), Text(case), verdict, Name(name=kind), extent)
    return table
