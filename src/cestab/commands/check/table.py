"""The check for people: 80 columns, a row per audit, then what is gated and what is stale."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cestab.commands.check.answer import CheckProblem, CheckReport
from cestab.commands.check.rows import OVERVIEW, count_audit, find_unjudged
from cestab.reports.footnotes import list_external
from cestab.reports.tables import describe_limits
from cestab.reports.text import to_text
from cestab.vocabulary.phrases import show_count

MOST_LINES = 20  # of one list; the JSON has all
GATED = OVERVIEW.index("gated") - 1


def render(report: CheckReport, stream: TextIO) -> str:
    """Return the report as it is to be written to the stream."""
    return to_text(stream, *_parts(report))


def _parts(report: CheckReport) -> Iterator[RenderableType]:
    results = list(report.results())
    cases = sum(result.cases for result in results)
    baseline = "" if report.config.baseline_name is None else f" · baseline {report.config.baseline_name}"
    limits = describe_limits(
        (audit.request.arithmetics for audit in report.config.audits), is_interrupted=report.is_interrupted
    )
    parts = [
        f"cestab {report.version}",
        f"{report.config.file}{baseline}",
        f"{show_count(len(results), 'setting')}, {show_count(cases, 'case')}",
        *limits,
    ]
    yield Text(" · ".join(parts))
    yield _overview(report)
    yield from _list("Gated", "red", (_line(checked.audit.name, *_describe(problem)) for checked, problem in report.gated()))
    yield from _list("Not judged", "magenta", (_line(*line) for line in find_unjudged(report)))
    yield from _list("Stale", "yellow", (_line(stale.audit, stale.message) for stale in report.stale))
    yield from _list("Run by", "default", (_line(*line) for line in list_external(report.environment)))


def _overview(report: CheckReport) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in OVERVIEW:
        table.add_column(column, overflow="fold", justify="left" if column == OVERVIEW[0] else "right")
    for checked in report.audits:
        counts = count_audit(report, checked)
        style = "red" if counts[GATED] else "green"
        table.add_row(Text(checked.audit.name, style=style), *(Text(str(count)) for count in counts))
    return table


def _describe(problem: CheckProblem) -> tuple[str, ...]:
    """Return the setting, the rule if it is not the kind of finding, and the message."""
    is_finding = problem.rule == problem.finding.kind.label
    return (str(problem.result.setting), *(() if is_finding else (problem.rule,)), problem.message)


def _line(start: str, *rest: str) -> Text:
    return Text.assemble((start, "bold"), f": {': '.join(rest)}")


def _list(title: str, style: str, lines: Iterable[Text]) -> Iterator[RenderableType]:
    """Yield a titled list, cut where it is too long to read; nothing if it is empty."""
    shown: Sequence[Text] = list(lines)
    if not shown:
        return
    yield Text(title, style=f"bold {style}")
    for line in shown[:MOST_LINES]:
        yield Padding(line, (0, 0, 0, 2))
    if len(shown) > MOST_LINES:
        yield Padding(Text(f"… and {len(shown) - MOST_LINES} more; --json has them all"), (0, 0, 0, 2))
