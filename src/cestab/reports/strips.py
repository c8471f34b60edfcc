"""Strips: along a logarithmic axis of |t|, the worst that was seen in each step, one letter per step."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.settings import Finding, SettingResult

Ends = Mapping[str, tuple[float, float]]  # of the range that was swept, by dtype

FEWEST_DECADES = 3  # of an axis without a finding
MOST_DECADES = 8  # of an axis: below its first step nothing is drawn apart
ROOM = 0.5  # decades nearer to 0 than all findings, in which an axis begins at least


@dataclass(frozen=True, kw_only=True)
class Axis:
    """|t| in `steps` steps of equal ratio; the first one holds all that is nearer to 0, the last one all beyond."""

    low: float
    high: float
    steps: int

    def step(self, magnitude: float) -> int:
        """Return the number of the step that holds a magnitude."""
        if magnitude <= self.low:
            return 0
        share = math.log(magnitude / self.low) / math.log(self.high / self.low)
        return min(self.steps - 1, int(share * self.steps))

    def decades(self) -> Iterator[tuple[int, float]]:
        """Yield the powers of ten with their steps."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        for power in range(first, last + 1):
            yield self.step(10.0**power), 10.0**power


def choose_axis(results: Iterable[SettingResult], ends: Ends, steps: int) -> Axis | None:
    """Return the axis on which all findings have their places; None where nothing but t = 0, or next to it, was swept."""
    mapped = [result for result in results if result.interval_count]
    high = max((abs(end) for result in mapped for end in ends[result.setting.dtype]), default=0.0)
    if high == 0:
        return None
    firsts = [abs(p.value) for r in mapped for f in r.findings for p in (f.first_positive, f.first_negative) if p and p.value]
    end = math.log10(high)
    power = math.floor(min([*map(math.log10, firsts), end - FEWEST_DECADES]) - ROOM)
    low = max(10.0 ** max(power, math.ceil(end) - MOST_DECADES), math.ulp(0.0))
    return Axis(low=low, high=high, steps=steps) if low < high else None


def mark_steps(results: Iterable[SettingResult], ends: Ends, axis: Axis, *, is_negative: bool) -> tuple[Mark, ...]:
    """Return the worst mark of each step on one side of 0."""
    mapped, order = [result for result in results if result.interval_count], list(Mark)
    marks = [Mark.OUTSIDE] * axis.steps
    spans = [(Mark.of(kind), near, far) for kind, near, far in list_spans(mapped, is_negative=is_negative)]
    swept = [_clip(*ends[result.setting.dtype], is_negative=is_negative) for result in mapped]
    for mark, near, far in [*((Mark.FINE, *span) for span in swept if span is not None), *spans]:
        for step in range(axis.step(near), axis.step(far) + 1):
            marks[step] = min(mark, marks[step], key=order.index)
    return tuple(marks)


def _clip(start: float, stop: float, *, is_negative: bool) -> tuple[float, float] | None:
    """Return the smallest and largest |t| of a range of t on one side of 0, which counts as positive."""
    near, far = (-stop, -start) if is_negative else (start, stop)
    return (max(near, 0.0), far) if far > 0 or (far == 0 and not is_negative) else None


def list_spans(results: Iterable[SettingResult], *, is_negative: bool) -> Iterator[tuple[FindingKind, float, float]]:
    """Yield kinds of findings with the smallest and largest |t| between which each one is, on one side of 0.

    One with boundaries is where its intervals are; beyond the intervals that a report keeps it is, as a graded one, from its
    first to its last t on that side.
    """
    for result in results:
        for interval in result.intervals:
            ends = _clip(interval.start.value, interval.stop.value, is_negative=is_negative)
            if ends is not None:
                yield from ((kind, *ends) for kind in (interval.loss, interval.gradient) if kind is not None)
        kept = result.intervals[-1].stop.value if result.intervals else 0.0
        beyond = None if len(result.intervals) == result.interval_count else _clip(kept, math.inf, is_negative=is_negative)
        for finding in result.findings:
            span = _find_span(finding, is_negative=is_negative)
            if span is None:
                continue
            if not finding.kind.is_hard:
                yield finding.kind, *span
            elif beyond is not None and max(span[0], beyond[0]) <= min(span[1], beyond[1]):
                yield finding.kind, max(span[0], beyond[0]), min(span[1], beyond[1])


def _find_span(finding: Finding, *, is_negative: bool) -> tuple[float, float] | None:
    first = finding.first_negative if is_negative else finding.first_positive
    last = finding.lowest if is_negative else finding.highest
    return None if first is None else (abs(first.value), abs(last.value))


def pair_sides(results: Sequence[SettingResult], ends: Ends, axis: Axis) -> list[tuple[str, tuple[Mark, ...]]]:
    """Return a strip for each side of 0 with its sign; one without a sign where the sides are equal, or nothing is below 0."""
    positive, negative = (mark_steps(results, ends, axis, is_negative=is_negative) for is_negative in (False, True))
    low = min(ends[result.setting.dtype][0] for result in results)
    high = max(ends[result.setting.dtype][1] for result in results)
    if high <= 0:
        return [("−", negative)]
    return [("", positive)] if positive == negative or low >= 0 else [("+", positive), ("−", negative)]
