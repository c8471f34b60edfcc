"""The first screen of a sweep or audit: which formulations are sound, and where each trouble begins, by dtype."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cestab.cases.ranges import resolve_range
from cestab.commands.sweep.answer import Cause
from cestab.numerics.formats import find_format
from cestab.numerics.rounding import from_ordinal
from cestab.reports.footnotes import shorten
from cestab.reports.text import Name, measure_width, new_table
from cestab.reports.troubles import Answer, Trouble, find_first, judge_in_words, list_troubles, show_answer, show_onset
from cestab.vocabulary.kinds import Severity, Verdict
from cestab.vocabulary.requests import PAIRS, AuditRequest, SweepRequest
from cestab.vocabulary.settings import SettingResult, find_worst

MANIFOLD = 2.0  # how many times nearer to 0 a failure of many classes begins to be named
LEGENDS = {
    "margin": "margin: one logit is t, the rest 0",
    "offset": "offset: t is added to all",
    PAIRS: "pairs: |t| is the larger magnitude of the two logits",
}
FAILURES = (Answer.BREAKS, Answer.BREAKS_SILENTLY)
NOTHING = Text("·", style="dim")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The results of a request, by formulation and dtype, those of the fewest classes apart from the others."""

    request: SweepRequest | AuditRequest
    settings: Sequence[SettingResult]
    causes: Sequence[Cause] = ()

    @property
    def is_sweep(self) -> bool:
        return isinstance(self.request, SweepRequest)

    @cached_property
    def dtypes(self) -> list[str]:
        return list(dict.fromkeys(result.setting.dtype for result in self.settings))

    @cached_property
    def classes(self) -> list[int]:
        return sorted({result.setting.classes for result in self.settings})

    @cached_property
    def troubles(self) -> list[Trouble]:
        return list_troubles(self.settings)

    @cached_property
    def ends(self) -> dict[str, tuple[float, float]]:
        """The smallest and the largest t that was swept in each dtype."""
        assert isinstance(self.request, SweepRequest), "rows have no t"
        formats = {dtype: find_format(dtype) for dtype in self.dtypes}
        ends = {name: from_ordinal(np.array(resolve_range(self.request.logits, fmt)), fmt) for name, fmt in formats.items()}
        return {name: (float(low), float(high)) for name, (low, high) in ends.items()}

    def largest(self, dtype: str) -> float:
        """Return the largest |t| that was swept in a dtype, where the last bin of its curves ends."""
        return max(map(abs, self.ends[dtype]))

    def results(self, name: str, dtype: str, classes: Iterable[int] | None = None) -> list[SettingResult]:
        """Return the results of a formulation in a dtype, with some numbers of classes or with any."""
        chosen = self.classes if classes is None else list(classes)
        return [
            r
            for r in self.settings
            if (r.setting.formulation, r.setting.dtype) == (name, dtype) and r.setting.classes in chosen
        ]

    def answer(self, name: str, dtype: str) -> Answer | Verdict | None:
        """Return the verdict in words; None where an interrupted sweep has none."""
        results = self.results(name, dtype)
        return judge_in_words(results) if results else None

    def cell(self, name: str, dtype: str, trouble: Trouble) -> str:
        """Return where a trouble begins with the fewest classes, or in how many rows it is; empty where it was not seen."""
        results = self.results(name, dtype, self.classes[:1])
        first = find_first(results, trouble)
        if first is None:
            return ""
        return show_onset(first) if self.is_sweep else f"{max(_count_rows(results, trouble)):,}"

    def number(self, name: str, dtype: str, trouble: Trouble) -> float | None:
        """Return what the cell says as a number, by which rows are sorted; None where it is empty."""
        results = self.results(name, dtype, self.classes[:1])
        first = find_first(results, trouble)
        if first is None:
            return None
        return abs(first.first.value) if self.is_sweep else max(_count_rows(results, trouble))

    def curves(self, dtype: str) -> dict[str, list[SettingResult]]:
        """Return the results with curves in a dtype, with the fewest classes, by formulation."""
        shown = {name: self.results(name, dtype, self.classes[:1]) for name in self.request.formulations}
        return {name: own for name, own in shown.items() if any(result.curve for result in own)}

    def planes(self, dtype: str) -> dict[str, tuple[str, ...]]:
        """Return the cells of pairs in a dtype, by formulation and target."""
        own = [r for name in self.request.formulations for r in self.results(name, dtype) if r.cells]
        return {f"{shorten(r.setting.formulation)}, {r.setting.target}": r.cells for r in own}

    def many(self, name: str, dtype: str) -> tuple[Trouble, str] | None:
        """Return what fails first with more classes, and from where on, if that is much nearer to 0 than with the fewest."""
        few, more = (
            find_worst(self.results(name, dtype, self.classes[:1])),
            find_worst(self.results(name, dtype, self.classes[1:])),
        )
        if more is None or more.kind.severity is not Severity.FAIL:
            return None
        is_alike = few is not None and few.kind.severity is Severity.FAIL
        if is_alike and few is not None and abs(more.first.value) * MANIFOLD >= abs(few.first.value):
            return None
        return Trouble.of(more.kind), show_onset(more)


def _count_rows(results: Sequence[SettingResult], trouble: Trouble) -> Iterator[int]:
    return (f.cases for result in results for f in result.findings if Trouble.of(f.kind) is trouble)


def draw(overview: Overview, width: int) -> Iterator[RenderableType]:
    """Yield the verdicts in words, then where troubles begin: of one dtype in one table, else as many as fit side by side."""
    if not overview.settings:
        return
    if len(overview.dtypes) == 1:
        yield _draw_dtype(overview, overview.dtypes[0])
    else:
        yield _draw_answers(overview)
        yield from _draw_blocks(overview, width)
    yield from _draw_many(overview)
    if overview.is_sweep:
        yield Text(" · ".join(list_legends(overview)), style="dim")


def _draw_answers(overview: Overview) -> Table:
    """Return a row per formulation: its verdicts in words, the worst first, with their dtypes and what goes wrong first."""
    table = new_table(("", ""), gap=1)
    table.show_header = False
    for name in overview.request.formulations:
        table.add_row(Name(name=shorten(name)), Text("; ").join(_describe(overview, name)))
    return table


def _describe(overview: Overview, name: str) -> Iterator[Text]:
    """Yield the failures of a formulation with their causes, then what it does at worst elsewhere, or all if it never fails."""
    found = [(dtype, overview.answer(name, dtype)) for dtype in overview.dtypes]
    order = [answer for answer in (*Answer, *Verdict) if any(own is answer for _, own in found)]
    milder = [answer for answer in order if isinstance(answer, Answer) and answer not in FAILURES]
    merged = milder[1:] if order[:1] and order[0] in FAILURES else []  # of an interrupted sweep there may be none
    shown = [answer for answer in order if answer not in merged]
    for answer in shown:
        dtypes = [d for d, own in found if own is answer or (own in merged and answer is milder[0])]
        words, style = show_answer(answer)
        is_rest = answer is shown[-1] and len(shown) > 1
        place = "" if len(dtypes) == len(overview.dtypes) or is_rest else f" in {', '.join(dtypes)}"
        causes = _list_causes(overview.causes, name, dtypes)
        yield Text.assemble("else " if is_rest else "", (words, style), place, f": {causes}" if causes else "")


def _list_causes(causes: Sequence[Cause], name: str, dtypes: Sequence[str]) -> str:
    """Return what goes wrong first in some dtypes: what does in most of them, then the others with their dtypes."""
    found: dict[str, list[str]] = {}
    for cause in causes:
        own = [dtype for dtype in cause.dtypes if dtype in dtypes]
        if cause.formulation == name and own:
            found.setdefault(cause.operation, []).extend(own)
    ordered = sorted(found.items(), key=lambda pair: -len(pair[1]))
    return ", ".join(operation + (f" ({', '.join(own)})" if rank else "") for rank, (operation, own) in enumerate(ordered))


def _list_names(overview: Overview, found: dict[str, tuple[str, ...]]) -> str:
    grouped: dict[tuple[str, ...], list[str]] = {}
    for name, dtypes in found.items():
        grouped.setdefault(dtypes, []).append(shorten(name))
    every = tuple(overview.dtypes)
    parts = [
        ", ".join(names) + ("" if dtypes == every else f" ({', '.join(dtypes)})")
        for dtypes, names in sorted(grouped.items(), key=lambda group: group[0] != every)
    ]
    return "; ".join(parts)


def _draw_blocks(overview: Overview, width: int) -> Iterator[RenderableType]:
    """Yield tables of as many dtypes as fit beside each other, at least one."""
    left = overview.dtypes
    while left:
        count = next((n for n in range(len(left), 1, -1) if measure_width(_draw_block(overview, left[:n])) <= width), 1)
        yield _draw_block(overview, left[:count])
        left = left[count:]


def _draw_block(overview: Overview, dtypes: Sequence[str]) -> Table:
    table = _draw_heads(overview, dtypes)
    for name in overview.request.formulations:
        cells = [text for dtype in dtypes for text in _draw_cells(overview, name, dtype)]
        table.add_row(Name(name=shorten(name)), *cells)
    return table


def _draw_heads(overview: Overview, dtypes: Sequence[str]) -> Table:
    """Return a table without rows, whose columns are the troubles of each dtype."""
    table = new_table((_head(overview),), gap=1)
    for dtype in dtypes:
        for position, trouble in enumerate(overview.troubles):
            over = Text(dtype if not position else "", style="bold cyan", no_wrap=True)
            table.add_column(Text.assemble(over, "\n", (trouble.head, "bold")), no_wrap=True)
    return table


def _draw_cells(overview: Overview, name: str, dtype: str) -> list[Text]:
    """Return a cell per trouble; where nothing was judged, the verdict in the first."""
    answer = overview.answer(name, dtype)
    if not isinstance(answer, Answer):
        return [Text(str(answer or ""), style="magenta"), *(Text("") for _ in overview.troubles[1:])]
    return [
        Text(text, style=trouble.style) if (text := overview.cell(name, dtype, trouble)) else NOTHING
        for trouble in overview.troubles
    ]


def _draw_dtype(overview: Overview, dtype: str) -> Table:
    """Return the table of one dtype, which has a column for more classes and one for the verdict in words."""
    table = _draw_heads(overview, [dtype])
    more = ", ".join(map(str, overview.classes[1:]))
    if more:
        table.add_column(f"{more}\nclasses", no_wrap=True)
    table.add_column("\nverdict", no_wrap=True)
    for name in overview.request.formulations:
        answer = overview.answer(name, dtype)
        words, style = show_answer(answer)
        many = [_draw_manifold(overview, name, dtype)] if more else []
        cells = _draw_cells(overview, name, dtype) if isinstance(answer, Answer) else [Text("")] * len(overview.troubles)
        table.add_row(Name(name=shorten(name)), *cells, *many, Text(words, style=style))
    return table


def _draw_manifold(overview: Overview, name: str, dtype: str) -> Text:
    many = overview.many(name, dtype)
    return NOTHING if many is None else Text(f"{many[0].head} {many[1]}", style=many[0].style)


def _draw_many(overview: Overview) -> Iterator[RenderableType]:
    """Yield what fails much earlier with more classes, where the table does not say so."""
    if len(overview.dtypes) == 1 or len(overview.classes) == 1:
        return
    found: dict[tuple[Trouble, str], dict[str, tuple[str, ...]]] = {}
    for name in overview.request.formulations:
        for dtype in overview.dtypes:
            if (many := overview.many(name, dtype)) is not None:
                names = found.setdefault(many, {})
                names[name] = (*names.get(name, ()), dtype)
    if found:
        more = ", ".join(map(str, overview.classes[1:]))
        parts = [f"{trouble.head} from {onset}: {_list_names(overview, names)}" for (trouble, onset), names in found.items()]
        yield Text.assemble((f"{more} classes: ", "bold"), "; ".join(parts))


def _head(overview: Overview) -> str:
    if not overview.is_sweep:
        return "\nrows"
    return f"{overview.classes[0]} classes:\nfrom |t|" if len(overview.classes) > 1 else "\nfrom |t|"


def list_legends(overview: Overview) -> Iterator[str]:
    """Yield what t is in the patterns that were tried, and what a mark means."""
    request = overview.request
    if not isinstance(request, SweepRequest):
        return
    yield from (LEGENDS[pattern] for pattern in request.patterns if pattern in LEGENDS)
    if any(finding.is_at_most for result in overview.settings for finding in result.findings):
        yield "≤: at most"
