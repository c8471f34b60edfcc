"""Summaries of judged cases, and how they merge: associative, whatever the order of the blocks.

A position is a case's place in its order: the ordinal of t in its format, or the row of a file.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cestab.judgement.cells import Cells, merge_cells
from cestab.judgement.curve import Curve, merge_curves
from cestab.judgement.judge import Judgement
from cestab.judgement.rules import KINDS, Codes, Doubles
from cestab.numerics.rounding import IntArray
from cestab.vocabulary.kinds import FindingKind


class Error(NamedTuple):
    """An error in ulps (−1 where there is none) and its position; the larger one wins, then the one nearer 0."""

    ulps: float
    position: int

    def is_worse_than(self, other: "Error") -> bool:
        if self.ulps != other.ulps:
            return self.ulps > other.ulps
        return nearness(self.position) < nearness(other.position)


NO_ERROR = Error(-2.0, 0)  # neutral: every error of a case is worse, even one that does not exist (−1)


def nearness(position: int) -> tuple[int, bool]:
    """Sort key: nearest to 0 first, of two the positive one."""
    return abs(position), position < 0


def _nearer(a: int | None, b: int | None) -> int | None:
    return min((p for p in (a, b) if p is not None), key=nearness, default=None)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """All cases of one kind: how many, the nearest to 0 on either side of it, the extremes, the worst.

    0 counts as positive.
    """

    cases: int
    first_positive: int | None
    first_negative: int | None
    lowest: int
    highest: int
    worst: Error

    @property
    def first(self) -> int:
        """The nearest to 0, of two the positive one."""
        return min((p for p in (self.first_positive, self.first_negative) if p is not None), key=nearness)

    def merge(self, other: "Tally") -> "Tally":
        return Tally(
            cases=self.cases + other.cases,
            first_positive=_nearer(self.first_positive, other.first_positive),
            first_negative=_nearer(self.first_negative, other.first_negative),
            lowest=min(self.lowest, other.lowest),
            highest=max(self.highest, other.highest),
            worst=other.worst if other.worst.is_worse_than(self.worst) else self.worst,
        )


class Run(NamedTuple):
    """Neighbouring tried positions with one hard outcome; both ends belong to it."""

    start: int
    stop: int
    outcome: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The counts, runs and largest errors of judged cases."""

    cases: int = 0
    undefined: int = 0
    escalated: int = 0
    ties: int = 0
    tallies: dict[FindingKind, Tally] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    loss_error: Error = NO_ERROR
    gradient_error: Error = NO_ERROR
    loss_relative: float | None = None
    gradient_relative: float | None = None
    has_gradient: bool = True
    curve: Curve = field(default_factory=dict)
    cells: Cells = field(default_factory=dict)

    def merge(self, other: "Summary") -> "Summary":
        tallies = dict(self.tallies)
        for kind, tally in other.tallies.items():
            tallies[kind] = tallies[kind].merge(tally) if kind in tallies else tally
        return Summary(
            cases=self.cases + other.cases,
            undefined=self.undefined + other.undefined,
            escalated=self.escalated + other.escalated,
            ties=self.ties + other.ties,
            tallies=tallies,
            runs=self.runs + other.runs,
            loss_error=other.loss_error if other.loss_error.is_worse_than(self.loss_error) else self.loss_error,
            gradient_error=other.gradient_error
            if other.gradient_error.is_worse_than(self.gradient_error)
            else self.gradient_error,
            loss_relative=_larger(self.loss_relative, other.loss_relative),
            gradient_relative=_larger(self.gradient_relative, other.gradient_relative),
            has_gradient=self.has_gradient and other.has_gradient,
            curve=merge_curves(self.curve, other.curve),
            cells=merge_cells(self.cells, other.cells),
        )


_BASE = len(KINDS) + 1


def hard_outcomes(judgement: Judgement) -> IntArray:
    """Return one number per case for the pair of hard kinds of loss and gradient; 0 for none."""
    outcomes: IntArray = judgement.loss_outcomes.astype(np.int16) * _BASE + judgement.gradient_outcomes
    return outcomes


def outcome_kinds(outcome: int) -> tuple[FindingKind | None, FindingKind | None]:
    """Return the kinds of loss and gradient that a hard outcome stands for."""
    loss, gradient = divmod(outcome, _BASE)
    return KINDS[loss - 1] if loss else None, KINDS[gradient - 1] if gradient else None


def find_runs(positions: IntArray, outcomes: IntArray, weights: IntArray | None = None) -> tuple[Run, ...]:
    """Return the runs of equal outcome over ascending positions; with weights, a run ends where positions were left out."""
    if not positions.size:
        return ()
    differs = outcomes[1:] != outcomes[:-1]
    if weights is not None:
        differs |= positions[1:] - positions[:-1] != weights[:-1]
    breaks = np.flatnonzero(differs)
    starts, stops = np.concatenate(([0], breaks + 1)), np.concatenate((breaks, [positions.size - 1]))
    return tuple(
        Run(start=start, stop=stop, outcome=outcome)
        for start, stop, outcome in zip(
            positions[starts].tolist(), positions[stops].tolist(), outcomes[starts].tolist(), strict=True
        )
    )


def join_runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return disjoint runs in ascending order, neighbours of equal outcome joined."""
    joined: list[Run] = []
    for run in sorted(runs):
        if joined and joined[-1].outcome == run.outcome:
            joined[-1] = Run(start=joined[-1].start, stop=run.stop, outcome=run.outcome)
        else:
            joined.append(run)
    return tuple(joined)


def summarize(
    positions: IntArray,
    judgement: Judgement,
    *,
    undefined: int,
    escalated: int,
    ties: int,
    has_map: bool,
    has_gradient: bool = True,
    weights: IntArray | None = None,
) -> Summary:
    """Sum up judged cases at ascending positions; `has_map` keeps the runs of hard outcomes.

    `weights`: how many neighbouring positions from its own on each case stands for; without them, for itself.
    """
    tallies = _tally(positions, judgement.loss_codes, judgement.loss_ulps, weights)
    tallies |= _tally(positions, judgement.gradient_codes, judgement.gradient_ulps, weights)
    runs: tuple[Run, ...] = ()
    if has_map and positions.size:
        is_soft = weights is None and not (judgement.loss_outcomes.any() or judgement.gradient_outcomes.any())
        runs = (
            (Run(start=int(positions[0]), stop=int(positions[-1]), outcome=0),)
            if is_soft
            else find_runs(positions, hard_outcomes(judgement), weights)
        )
    return Summary(
        cases=positions.size if weights is None else int(weights.sum()),
        undefined=undefined,
        escalated=escalated,
        ties=ties,
        tallies=tallies,
        runs=runs,
        loss_error=largest_error(positions, judgement.loss_ulps),
        gradient_error=largest_error(positions, judgement.gradient_ulps),
        loss_relative=_largest(judgement.loss_relative),
        gradient_relative=_largest(judgement.gradient_relative),
        has_gradient=has_gradient,
    )


def _tally(positions: IntArray, codes: Codes, ulps: Doubles, weights: IntArray | None) -> dict[FindingKind, Tally]:
    tallies = {}
    counts = np.bincount(codes) if codes.any() else np.zeros(0)
    for code in np.flatnonzero(counts[1:]) + 1:
        chosen = np.flatnonzero(codes == code)
        places = positions[chosen]
        positive, negative = places[places >= 0], places[places < 0]
        tallies[KINDS[code - 1]] = Tally(
            cases=chosen.size if weights is None else int(weights[chosen].sum()),
            first_positive=int(positive.min()) if positive.size else None,
            first_negative=int(negative.max()) if negative.size else None,
            lowest=int(places.min()),
            highest=int(places.max()),
            worst=largest_error(places, ulps[chosen]),
        )
    return tallies


def _larger(a: float | None, b: float | None) -> float | None:
    return max((x for x in (a, b) if x is not None), default=None)


def _largest(relative: Doubles) -> float | None:
    """Return the largest relative error; None where there is none."""
    largest = float(np.fmax.reduce(relative, initial=np.nan))
    return None if np.isnan(largest) else largest


def largest_error(positions: IntArray, ulps: Doubles) -> Error:
    """Return the largest error; where none exists, none at the position nearest to 0."""
    if not positions.size:
        return NO_ERROR
    peak = np.fmax.reduce(ulps)
    if np.isnan(peak):
        return Error(-1.0, _nearest(positions))
    return Error(float(peak), _nearest(positions[np.flatnonzero(ulps == peak)]))


def _nearest(places: IntArray) -> int:
    """Return the one of the places that is nearest to 0, of two the positive one."""
    distance = int(np.abs(places).min())
    return distance if (places == distance).any() else -distance
