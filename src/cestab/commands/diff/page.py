"""A difference as a page: what became worse first, then the strips of both reports over each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from cestab.commands.diff import wire
from cestab.commands.diff.answer import Difference
from cestab.commands.diff.sentences import describe_change, describe_environment, headline
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.page_parts import draw_errors, draw_matrix, draw_strip_tables, list_environment
from cestab.reports.page.model import Block, Cell, Number, Page, Paragraph, Section, Table
from cestab.vocabulary.settings import SettingResult


def to_page(difference: Difference, reports: tuple[Report, Report]) -> Page:
    """Return the page of the difference between two reports."""
    both = overlay(reports, (difference.old, difference.new))
    worse, changes = len(difference.worse()), len(difference.changes())
    environment = describe_environment(difference)
    notes: list[Block] = [] if environment is None else [Paragraph(text=environment, style="digits")]
    return Page(
        title=f"cestab diff: {difference.old} and {difference.new}",
        headline=f"cestab {difference.version} · {headline(difference)}",
        numbers=(
            Number(value=f"{worse:,}", label="changes for the worse", style="off" if worse else "fine"),
            Number(value=f"{changes - worse:,}", label="other changes"),
            Number(value=f"{len(difference.settings):,}", label="settings"),
        ),
        sections=(
            Section(title="Changes", blocks=(*notes, *_list_changes(difference))),
            Section(title="Both reports", blocks=(draw_matrix(both),)),
            Section(title="Where it breaks", blocks=tuple(draw_strip_tables(both))),
            Section(title="Errors against t", blocks=tuple(draw_errors(both))),
            Section(title="Environment of the new report", blocks=tuple(list_environment(reports[1].environment))),
        ),
        report=wire.render(difference),
    )


def overlay(reports: tuple[Report, Report], names: Sequence[str]) -> Overview:
    """Return the results of two reports as one, each formulation twice in a row with the name of its report."""
    settings: list[SettingResult] = []
    names = _strip_common(names)
    shown = dict.fromkeys(name for report in reports for name in report.request.formulations)
    for report, source in zip(reports, names, strict=True):
        settings += [_rename(result, f"{result.setting.formulation} ({source})") for result in report.settings]
    formulations = tuple(f"{name} ({source})" for name in shown for source in names)
    present = {result.setting.formulation for result in settings}
    request = replace(reports[1].request, formulations=tuple(name for name in formulations if name in present))
    return Overview(request=request, settings=settings)


def _strip_common(files: Sequence[str]) -> list[str]:
    """Return the names of files from the first folder on in which they differ."""
    parts = [Path(file).parts for file in files]
    common = sum(1 for _ in takewhile(lambda own: len(set(own)) == 1, zip(*parts, strict=False)))
    return [str(Path(*own[min(common, len(own) - 1) :])) for own in parts]


def _rename(result: SettingResult, name: str) -> SettingResult:
    return replace(result, setting=replace(result.setting, formulation=name))


def _list_changes(difference: Difference) -> Iterator[Block]:
    changes = sorted(difference.changes(), key=lambda pair: not pair[1].is_worse)
    if not changes:
        yield Paragraph(text="None.")
        return
    rows = [
        [
            Cell(text="worse" if change.is_worse else "", style="off"),
            Cell(text=setting.formulation),
            Cell(text=setting.describe()),
            Cell(text=describe_change(change, difference.schema)),
            Cell(command=change.reproduce),
        ]
        for setting, change in changes
    ]
    heads = ("worse?", "formulation", "setting", "change", "reproduce")
    yield Table(caption="Every change, those for the worse first", heads=heads, rows=rows, is_long=True)
