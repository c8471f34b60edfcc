"""Boundaries that moved: the floats on which a hard finding holds now and did not before, and the other way round."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from cestab.commands.diff.answer import Change, ChangeRule
from cestab.evaluation.assemble import place_float
from cestab.numerics.formats import find_format
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.settings import Finding, Place, SettingResult

Run = tuple[int, int]  # ordinals of the first and the last float


def find_movements(old: SettingResult, new: SettingResult, before: Finding, after: Finding) -> list[Change]:
    """Return a change for each run of floats that the kind gained, then for each that it left.

    The maps decide; beyond the intervals that both reports list, the ends of the findings do.
    """
    is_cut = any(len(result.intervals) < result.interval_count for result in (old, new))
    end = min((result.intervals[-1].stop.position for result in (old, new) if result.intervals), default=0) if is_cut else None
    was, now = (_find_runs(result, after.kind, end) for result in (old, new))
    moved = [*_compare_runs(was, now, new, after, is_gain=True), *_compare_runs(now, was, new, after, is_gain=False)]
    return [*moved, *_compare_ends(before, after)] if is_cut or not moved else moved


def _find_runs(result: SettingResult, kind: FindingKind, end: int | None) -> list[Run]:
    """Return the runs of floats up to `end` that have the kind."""
    runs: list[Run] = []
    is_open = False
    for interval in result.intervals:
        start, stop = interval.start.position, interval.stop.position
        stop = stop if end is None else min(stop, end)
        has_kind = kind in (interval.loss, interval.gradient) and start <= stop
        if has_kind and is_open:
            runs[-1] = (runs[-1][0], stop)
        elif has_kind:
            runs.append((start, stop))
        is_open = has_kind
    return runs


def _compare_runs(
    fewer: Sequence[Run], more: Sequence[Run], new: SettingResult, after: Finding, *, is_gain: bool
) -> Iterator[Change]:
    """Yield a change for each run of `more` that is not in `fewer`: how many floats, and which boundary moved."""
    fmt = find_format(new.setting.dtype)
    starts, stops = {start for start, _ in fewer}, {stop for _, stop in fewer}
    for piece in [piece for run in more for piece in _subtract(run, fewer)]:
        ends = _find_edges(piece, starts, stops)
        near, far = (None if ordinal is None else float(place_float(ordinal, fmt).decimal) for ordinal in ends)
        yield Change(
            rule=ChangeRule.MOVED_BOUNDARY,
            is_worse=is_gain,
            subject=after.kind.label,
            old=near if is_gain else far,
            new=far if is_gain else near,
            floats=piece[1] - piece[0] + 1,
            reproduce=after.first.reproduce,
        )


def _subtract(run: Run, others: Sequence[Run]) -> Iterator[Run]:
    """Yield the parts of a run that no other run covers; the others ascend."""
    start, stop = run
    for number in range(bisect_left(others, start, key=lambda other: other[1]), len(others)):
        first, last = others[number]
        if first > stop:
            break
        if first > start:
            yield start, first - 1
        start = last + 1
    if start <= stop:
        yield start, stop


def _find_edges(piece: Run, starts: set[int], stops: set[int]) -> tuple[int | None, int]:
    """Return the end of the run that a piece adjoins (None if there is none), and the piece's end far from it."""
    start, stop = piece
    if stop + 1 in starts:
        return stop + 1, start
    if start - 1 in stops:
        return start - 1, stop
    return None, min(start, stop, key=abs)


def _compare_ends(before: Finding, after: Finding) -> Iterator[Change]:
    """Yield at most one gain and one loss of the place nearest to 0, the lowest and the highest."""
    ends: list[tuple[int, Place, Place]] = [
        (abs(before.first.position) - abs(after.first.position), before.first, after.first),
        (before.lowest.position - after.lowest.position, before.lowest, after.lowest),
        (after.highest.position - before.highest.position, before.highest, after.highest),
    ]
    for is_gain in (True, False):
        for floats, old, new in [end for end in ends if (end[0] > 0 if is_gain else end[0] < 0)][:1]:
            yield Change(
                rule=ChangeRule.MOVED_BOUNDARY,
                is_worse=is_gain,
                subject=after.kind.label,
                old=float(old.decimal),
                new=float(new.decimal),
                floats=abs(floats),
                reproduce=after.first.reproduce,
            )
