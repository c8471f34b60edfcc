"""The table for people: 80 columns, one row per formulation, or with detail one per setting."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cestab.commands.sweep.answer import Report
from cestab.reports.footnotes import shorten
from cestab.reports.tables import STYLES, describe_external, describe_limits, show_start
from cestab.reports.text import Name, new_table, to_text
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult, find_worst

RANKS = (
    Verdict.PASS,
    Verdict.UNDEFINED,
    Verdict.UNSUPPORTED,
    Verdict.WARN,
    Verdict.ERROR,
    Verdict.OTHER_OBJECTIVE,
    Verdict.FAIL,
)


def render(report: Report, stream: TextIO, *, detail: bool = False) -> str:
    """Return the report as it is to be written to the stream."""
    return to_text(stream, *_parts(report, detail=detail))


def _parts(report: Report, *, detail: bool) -> Iterator[RenderableType]:
    yield Text(headline(report))
    yield _detail(report) if detail else _overview(report)
    yield from describe_external(report.settings, report.environment)
    if report.causes:
        yield Text("Why they fail", style="bold")
        for sentence, names in group_names((sentence, name) for name, sentence in report.causes).items():
            yield Padding(Text.assemble((", ".join(names), "bold"), f": {sentence}"), (0, 0, 0, 2))
    if report.recommendations:
        yield Text("Use instead", style="bold")
        advised = (((advice.formulation or "none", advice.why), advice.dtype) for advice in report.recommendations)
        for (chosen, why), dtypes in group_names(advised).items():
            yield Padding(Text.assemble(f"{', '.join(dtypes)}: ", (chosen, "bold"), f", {why}"), (0, 0, 0, 2))


Key = TypeVar("Key")


def group_names(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Return what is said, once each, with the names of which it is said."""
    grouped: dict[Key, list[str]] = {}
    for said, name in pairs:
        grouped.setdefault(said, []).append(name)
    return grouped


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
        yield f"up to {undefined:,} undefined"


def _overview(report: Report) -> Table:
    dtypes = list(dict.fromkeys(result.setting.dtype for result in report.settings))
    is_sweep = isinstance(report.request, SweepRequest)
    table = new_table(("from |t|" if is_sweep else "rows", *dtypes))
    for name in report.request.formulations:
        results = [result for result in report.settings if result.setting.formulation == name]
        table.add_row(
            Name(name=shorten(name)),
            *(cell([r for r in results if r.setting.dtype == dtype], is_sweep=is_sweep) for dtype in dtypes),
        )
    costs = [rounding_cell(report, dtype) for dtype in dtypes]
    if any(costs):
        table.add_row(Text("(rounding z)"), *costs)
    return table


def cell(results: Sequence[SettingResult], *, is_sweep: bool) -> Text:
    """The worst verdict, and the smallest |t| (the number of rows) of its worst finding."""
    if not results:  # of an interrupted sweep
        return Text("")
    verdict = max((result.verdict for result in results), key=RANKS.index)
    return Text(f"{verdict} {_extent(find_worst(results), is_sweep=is_sweep)}".rstrip(), style=STYLES.get(verdict, "magenta"))


def _extent(finding: Finding | None, *, is_sweep: bool) -> str:
    if finding is None:
        return ""
    return show_start(finding) if is_sweep else str(finding.cases)


def rounding_cell(report: Report, dtype: str) -> Text:
    """What rounding the logits to the dtype changes in the loss."""
    costs = [r.rounding_cost for r in report.settings if r.setting.dtype == dtype and r.rounding_cost is not None]
    return Text(f"loss ±{max(cost.loss_change for cost in costs):.2g}" if costs else "")


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
