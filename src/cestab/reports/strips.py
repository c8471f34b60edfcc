"""Strips: along a logarithmic axis of |t|, the worst that was seen in each step, one letter per step."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.settings import Finding, Interval, SettingResult

FEWEST_DECADES = 3  # of an axis without a finding
MOST_DECADES = 8  # of an axis: below its first step nothing is drawn apart
ROOM = 0.5  # decades nearer to 0 than all findings, in which an axis begins at least


class Mark(Enum):
    """What a step shows, the worst first: its letter, its words, its style, and how the labels of its kinds begin."""

    NAN = ("N", "NaN", "bold red reverse", ("nan",))
    INF = ("I", "inf", "red reverse", ("inf",))
    ZERO = ("0", "gradient 0", "magenta reverse", ("vanishing",))
    OFF = ("W", "off by > 10%", "red", ("wrong",))
    DIGITS = ("d", "digits lost", "yellow", ("inaccurate", "negative"))
    ZEROED = ("z", "small values lost", "yellow", ("zeroed",))
    BEYOND = ("b", "beyond the format", "blue", ("overflowing", "underflowing"))
    FINE = ("·", "nothing found", "green", ())
    OUTSIDE = (" ", "outside of the range", "", ())

    def __init__(self, letter: str, words: str, style: str, beginnings: tuple[str, ...]) -> None:
        self.letter = letter
        self.words = words
        self.style = style
        self.beginnings = beginnings

    @classmethod
    def of(cls, kind: FindingKind) -> "Mark":
        """Return the mark of a kind of finding."""
        return next(mark for mark in cls if mark.beginnings and kind.label.startswith(mark.beginnings))


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


def choose_axis(results: Iterable[SettingResult], steps: int) -> Axis | None:
    """Return the axis on which all findings have their places; None where nothing but t = 0, or next to it, was swept."""
    results = list(results)
    ends = [abs(end.value) for result in results for i in result.intervals for end in (i.start, i.stop)]
    high = max(ends, default=0.0)
    if high == 0:
        return None
    firsts = [abs(p.value) for r in results for f in r.findings for p in (f.first_positive, f.first_negative) if p and p.value]
    end = math.log10(high)
    power = math.floor(min([*map(math.log10, firsts), end - FEWEST_DECADES]) - ROOM)
    low = max(10.0 ** max(power, math.ceil(end) - MOST_DECADES), math.ulp(0.0))
    return Axis(low=low, high=high, steps=steps) if low < high else None


def mark_steps(results: Iterable[SettingResult], axis: Axis, *, is_negative: bool) -> tuple[Mark, ...]:
    """Return the worst mark of each step on one side of 0.

    A finding with boundaries is where its intervals are; a graded one, from its first to its last t on that side.
    """
    results, order = list(results), list(Mark)
    marks = [Mark.OUTSIDE] * axis.steps
    spans = [(Mark.of(kind), near, far) for kind, near, far in list_spans(results, is_negative=is_negative)]
    swept = [(Mark.FINE, *ends) for r in results for i in r.intervals if (ends := _find_ends(i, is_negative=is_negative))]
    for mark, near, far in [*swept, *spans]:
        for step in range(axis.step(near), axis.step(far) + 1):
            marks[step] = min(mark, marks[step], key=order.index)
    return tuple(marks)


def _find_ends(interval: Interval, *, is_negative: bool) -> tuple[float, float] | None:
    """Return the smallest and largest |t| of an interval on one side of 0, which counts as positive."""
    start, stop = interval.start.value, interval.stop.value
    near, far = (-stop, -start) if is_negative else (start, stop)
    return (max(near, 0.0), far) if far > 0 or (far == 0 and not is_negative) else None


def list_spans(results: Iterable[SettingResult], *, is_negative: bool) -> Iterator[tuple[FindingKind, float, float]]:
    """Yield kinds of findings with the smallest and largest |t| between which each one is, on one side of 0."""
    for result in results:
        for interval in result.intervals:
            ends = _find_ends(interval, is_negative=is_negative)
            if ends is not None:
                yield from ((kind, *ends) for kind in (interval.loss, interval.gradient) if kind is not None)
        for finding in result.findings:
            if not finding.kind.is_hard and (span := _find_span(finding, is_negative=is_negative)) is not None:
                yield finding.kind, *span


def _find_span(finding: Finding, *, is_negative: bool) -> tuple[float, float] | None:
    first = finding.first_negative if is_negative else finding.first_positive
    last = finding.lowest if is_negative else finding.highest
    return None if first is None else (abs(first.value), abs(last.value))


def pair_sides(results: Sequence[SettingResult], axis: Axis) -> list[tuple[str, tuple[Mark, ...]]]:
    """Return a strip for each side of 0 with its sign; one without a sign where the sides are equal, or nothing is below 0."""
    positive, negative = (mark_steps(results, axis, is_negative=is_negative) for is_negative in (False, True))
    has_negative = any(interval.start.value < 0 for result in results for interval in result.intervals)
    has_positive = any(interval.stop.value > 0 for result in results for interval in result.intervals)
    if not has_positive:
        return [("−", negative)]
    return [("", positive)] if positive == negative or not has_negative else [("+", positive), ("−", negative)]
