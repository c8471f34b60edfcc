"""Stretches: neighbouring cases of a line, one logit of which moves, that are proven by their ends.

The formulation computes every case. Neighbours whose results are one bit pattern, or whose loss is the magnitude of the
moving logit itself, form a stretch, of which both ends are judged as any case is. They settle it where

- between the ends the truth is monotone (`turns` of the objective), each entry stays in one binade and the target is one, so
  that errors are largest at an end: |x̂ − x| has no maximum inside for a constant x̂, nor has L − |z_j|, as |∂L/∂z_j| ≤ 1;
- both ends have the same findings. A row of the tables that applies at neither end applies nowhere between, one that applies
  at both everywhere, as what it compares is monotone while each true value stays on one side of the computed one. Where one
  crosses it, ends without findings settle it if their errors together are too small to be wrong: a miss is convex in x.

Every other stretch is judged case by case. So the summary is that of the plain way, but that equal largest errors may be
found at another place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.evaluation.blocks import Cases, Conditions, join_cases
from cestab.evaluation.compute import Results
from cestab.evaluation.evaluate import find_truth, settle, with_curve
from cestab.judgement.curve import number_bins
from cestab.judgement.judge import Judgement, judge_block
from cestab.judgement.rules import Bools, Doubles, any_class
from cestab.judgement.screen import find_binade
from cestab.judgement.summary import Summary, summarize
from cestab.numerics.rounding import FloatArray, IntArray, from_ordinal
from cestab.truth.objectives import TRUTHS
from cestab.truth.tiers import Truth
from cestab.vocabulary.loss_options import NO_OPTIONS

Indices = npt.NDArray[np.intp]
Numbering = Callable[[IntArray], IntArray]

LONGEST, SHORT = 2**12, 2**6  # stretches at most, and where their ends do not settle them
MOST_STRETCHES = 0.4  # per case; of more, every case is judged
MOST_WAITING, MOST_SLICES = 2**14, 16  # ends of stretches that are judged together, and slices that are kept for them
HARMLESS = 0.09  # of a loss or a gradient; a tenth is wrong
TURN_SLACK = 1e-7  # relative, of turns in float64: those of float32 weights are 0 or at least 6e-8, and off by a few 1e-16


def has_stretches(conditions: Conditions) -> bool:
    """Whether the proof holds for two classes, or one logit, one of which moves."""
    return (
        conditions.classes <= 2
        and conditions.fmt.has_infinity
        and not conditions.flush_subnormals
        and conditions.options == NO_OPTIONS
        and TRUTHS[conditions.objective].turns is not None
    )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Ascending cases of a line, and how to compute them; `moving`: the magnitude of the logit that moves.

    `breaks`: after which cases a stretch must end. `choose` returns some of the cases by their places.
    """

    cases: Cases
    moving: FloatArray
    choose: Callable[[Indices], Cases]
    breaks: Bools | None = None


@dataclass(frozen=True, kw_only=True)
class Stretches:
    """Stretches of a slice: their first places in it, from which `choose` takes cases, and how many cases each has."""

    starts: Indices
    lengths: Indices
    choose: Callable[[Indices], Cases]

    def find_ends(self) -> tuple[Indices, IntArray]:
        """Return the first and last case of every stretch, and for how many each stands: all but the last, and itself."""
        places = np.column_stack((self.starts, self.starts + self.lengths - 1)).reshape(-1)
        weights = np.column_stack((self.lengths - 1, np.ones_like(self.lengths))).reshape(-1)
        return places[weights > 0], weights[weights > 0]  # a single case is a last one

    def select(self, chosen: Indices) -> "Stretches":
        """Return some of the stretches."""
        return Stretches(starts=self.starts[chosen], lengths=self.lengths[chosen], choose=self.choose)

    def cut(self, longest: int) -> "Stretches":
        """Return the same cases in stretches of at most so many."""
        pieces = -(-self.lengths // longest)
        before = longest * (np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces))
        lengths = np.minimum(longest, np.repeat(self.lengths, pieces) - before)
        return Stretches(starts=np.repeat(self.starts, pieces) + before, lengths=lengths, choose=self.choose)


@dataclass(kw_only=True)
class LineJudge:
    """Judges the slices of a line, and sums up; some wait, so that the ends of many stretches are judged together.

    `number` turns the cases' positions into those of the summary, which then has no map.
    """

    conditions: Conditions
    compute: Callable[[Cases], Results]
    number: Numbering | None = None
    summary: Summary = field(default_factory=Summary)
    waiting: list[tuple[Stretches, Cases, Results]] = field(default_factory=list)
    count: int = 0

    def add(self, part: Slice) -> None:
        """Compute the cases of a slice and judge them, now or later."""
        results = self.compute(part.cases)
        starts = find_stretches(results, part.moving, part.breaks)
        if starts.size > max(MOST_STRETCHES * part.moving.size, MOST_WAITING // 4):
            self._judge_all(part.cases, results)
            return
        lengths = np.diff(starts, append=part.moving.size)
        stretches = Stretches(starts=starts, lengths=lengths, choose=part.choose)
        places, _ = stretches.find_ends()
        self.waiting.append((stretches, part.cases.select(places), _choose(results, places)))
        self.count += places.size
        if self.count > MOST_WAITING or len(self.waiting) == MOST_SLICES:
            self.flush()

    def flush(self) -> None:
        """Judge what waits: the ends of all stretches; of those that they do not settle of shorter ones, at last all cases."""
        if not self.waiting:
            return
        left, cases, results = zip(*self.waiting, strict=True)
        self.waiting, self.count = [], 0
        unsettled = self._judge_ends(left, join_cases(cases), _join_results(results))
        if unsettled:
            shorter = [stretches.cut(SHORT) for stretches in unsettled]
            ends = join_cases([stretches.choose(stretches.find_ends()[0]) for stretches in shorter])
            unsettled = self._judge_ends(shorter, ends, self.compute(ends))
        if unsettled:
            every = join_cases([stretches.choose(stretches.cut(1).starts) for stretches in unsettled])
            self._judge_all(every, self.compute(every))

    def _judge_all(self, cases: Cases, results: Results) -> None:
        self._sum_up(cases, self._judge(cases, results)[0], np.ones(cases.positions.size, dtype=np.int64))

    def _judge(self, cases: Cases, results: Results) -> tuple[Judgement, Truth]:
        """Return the judgement of cases, every doubt settled, and their truth."""
        truth = find_truth(self.conditions, cases, precise=True)
        judgement = judge_block(*results, truth, self.conditions.limits)
        escalated, ties = settle(self.conditions, cases, results, judgement, judge_block)
        has_gradient = results[1] is not None
        self.summary = self.summary.merge(Summary(escalated=escalated, ties=ties, has_gradient=has_gradient))
        if not ties:
            judgement.doubtful[:] = False
        return judgement, truth

    def _judge_ends(self, parts: Sequence[Stretches], cases: Cases, results: Results) -> list[Stretches]:
        """Sum up the stretches that their ends settle; return the others."""
        weights = np.concatenate([stretches.find_ends()[1] for stretches in parts])
        judgement, truth = self._judge(cases, results)
        first = np.flatnonzero(weights > 1)  # with cases between the ends
        settled = are_settled(self.conditions, cases, results, truth, judgement, first)
        is_kept = np.ones(weights.size, dtype=np.bool_)
        is_kept[first[~settled]] = is_kept[first[~settled] + 1] = False
        self._sum_up(cases.select(is_kept), judgement.select(is_kept), weights[is_kept])
        left = []
        for stretches in parts:
            long = np.flatnonzero(stretches.lengths > 2)
            own, settled = settled[: long.size], settled[long.size :]
            if not own.all():
                left.append(stretches.select(long[~own]))
        return left

    def _sum_up(self, cases: Cases, judgement: Judgement, weights: IntArray) -> None:
        is_line = self.number is None
        positions = cases.positions if self.number is None else self.number(cases.positions)
        summary = summarize(positions, judgement, undefined=0, escalated=0, ties=0, has_map=is_line, weights=weights)
        self.summary = self.summary.merge(with_curve(self.conditions, cases, judgement, summary))


def _choose(results: Results, places: Indices) -> Results:
    loss, gradient = results
    return loss[places], None if gradient is None else gradient.take(places, axis=1)


def _join_results(results: Sequence[Results]) -> Results:
    gradients = [gradient for _, gradient in results if gradient is not None]
    return np.concatenate([loss for loss, _ in results]), np.concatenate(gradients, axis=1) if gradients else None


def find_stretches(results: Results, moving: FloatArray, breaks: Bools | None) -> Indices:
    """Return the first case of each stretch: of neighbours with the same bits, or with the moving magnitude as their loss."""
    loss, gradient = results
    differs = np.zeros(max(loss.size - 1, 0), dtype=np.bool_) if breaks is None else breaks.copy()
    differs[LONGEST - 1 :: LONGEST] = True
    for entry in () if gradient is None else gradient:
        bits = _view_bits(entry)
        if not (bits == bits[0]).all():
            differs |= bits[1:] != bits[:-1]
    bits = _view_bits(loss)
    if not (bits == bits[0]).all():
        follows = loss == moving
        differs |= (bits[1:] != bits[:-1]) & ~(follows[1:] & follows[:-1])
        differs |= follows[1:] != follows[:-1]
    return np.concatenate(([0], np.flatnonzero(differs) + 1))


def _view_bits(values: FloatArray) -> npt.NDArray[Any]:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def are_settled(
    conditions: Conditions, cases: Cases, results: Results, truth: Truth, judgement: Judgement, first: Indices
) -> Bools:
    """Whether two neighbours among the cases, the `first` and the next, settle what was left out between them."""
    last = first + 1

    def agree(values: npt.NDArray[Any]) -> Bools:
        agreed: Bools = values[first] == values[last]
        return agreed

    settled = ~(judgement.doubtful[first] | judgement.doubtful[last])  # ties
    for name in ("loss_codes", "gradient_codes", "loss_outcomes", "gradient_outcomes"):
        settled &= agree(getattr(judgement, name))
    for name in ("loss_ulps", "gradient_ulps", "loss_relative", "gradient_relative"):
        settled &= agree(np.isnan(getattr(judgement, name)))
    settled &= _has_no_turn(conditions, cases, first, last)
    if conditions.curve_end and conditions.has_map:
        t = from_ordinal(cases.positions, conditions.fmt).astype(np.float64)
        settled &= agree(number_bins(t, conditions.curve_end))
    loss, gradient = results
    pairs = [(loss, truth.loss), *(() if gradient is None else zip(gradient, truth.gradient, strict=True))]
    with np.errstate(invalid="ignore"):
        sides = [np.where(np.isfinite(computed), computed - true, 0.0) for computed, true in pairs]
    crosses = np.zeros(settled.size, dtype=np.bool_)
    for side, (computed, true) in zip(sides, pairs, strict=True):
        settled &= agree(find_binade(np.ascontiguousarray(true), conditions.fmt)) | ~np.isfinite(computed[first])
        crosses |= np.signbit(side[first]) != np.signbit(side[last])
    return settled & (~crosses | _are_harmless(conditions, sides, truth, judgement, first, last))


def _has_no_turn(conditions: Conditions, cases: Cases, first: Indices, last: Indices) -> Bools:
    """Whether no turn of the objective is between two cases, or next to one."""
    ends = [cases.logits.take(places, axis=1).astype(np.float64) for places in (first, last)]
    a, b = (logits[0] - logits[1] if len(logits) > 1 else logits[0] for logits in ends)
    low, high = np.minimum(a, b), np.maximum(a, b)
    find_turns = TRUTHS[conditions.objective].turns
    assert find_turns is not None, "without them no ends settle anything"
    with np.errstate(invalid="ignore"):
        turns = find_turns(cases.target.select(first).weigh(len(cases.logits)))
        slack = TURN_SLACK * np.abs(turns)
        is_inside = (turns >= low - slack) & (turns <= high + slack) & (low < high) & np.isfinite(turns)
    return ~any_class(is_inside)


def _are_harmless(
    conditions: Conditions, sides: Sequence[Doubles], truth: Truth, judgement: Judgement, first: Indices, last: Indices
) -> Bools:
    """Whether ends without findings have errors that, added up, are far from wrong wherever they are between the ends."""
    limits, s = conditions.limits, truth.gradient_scale[first]
    has_findings = (judgement.loss_codes[first] != 0) | (judgement.gradient_codes[first] != 0)
    of_loss, *of_gradient = [np.maximum(np.abs(side[first]), np.abs(side[last])) for side in sides]
    loss = np.minimum(np.abs(truth.loss[first]), np.abs(truth.loss[last]))
    norm = np.minimum(truth.norm[first], truth.norm[last])
    is_near = of_loss < HARMLESS * np.maximum(limits.multiplier * s, loss)
    is_near &= sum(of_gradient) < HARMLESS * np.maximum(norm, limits.least_norm * limits.upstream * s)
    harmless: Bools = is_near & ~has_findings
    return harmless
