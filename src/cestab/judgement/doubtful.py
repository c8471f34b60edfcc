"""Doubtful cases decided in ball arithmetic by the tables of rules.py: no verdict rests on an unproven digit.

As in judge.py every comparison is made twice: what holds for certain, and what may hold.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import arb

from cestab.judgement.rules import TENTH, Bools, Facts, GradientFacts, Limits, LossFacts, decide, is_overflow_result
from cestab.numerics.rounding import FloatArray
from cestab.truth.balls import Ball, ExactCase, refine


@dataclass(frozen=True, kw_only=True)
class ExactDecision:
    """Codes and hard outcomes of one case, and whether one stayed a tie (which raises no finding)."""

    loss_code: int
    gradient_code: int
    loss_outcome: int
    gradient_outcome: int
    is_tie: bool


def decide_exactly(
    case: ExactCase, loss: float, gradient: FloatArray | None, gradient_scale: float, limits: Limits
) -> ExactDecision:
    """Decide one case: computed loss and gradient (classes,), if there is one, in the format's storage type."""
    codes = [(0, 0), (0, 0)]

    def decide_one(place: int, facts: tuple[Facts, Facts]) -> bool:
        certain, possible = (tuple(int(code[0]) for code in decide(view)) for view in facts)
        codes[place] = certain[0], certain[1]
        return certain == possible

    def decide_both(ball: Ball) -> bool:
        is_decided = decide_one(0, _loss_facts(loss, ball, gradient_scale, limits))
        if gradient is None:
            return is_decided
        return decide_one(1, _gradient_facts(gradient, ball.gradient, gradient_scale, limits)) and is_decided

    is_decided = refine(case, decide_both)
    (loss_code, loss_outcome), (gradient_code, gradient_outcome) = codes
    return ExactDecision(
        loss_code=loss_code,
        gradient_code=gradient_code,
        loss_outcome=loss_outcome,
        gradient_outcome=gradient_outcome,
        is_tie=not is_decided,
    )


class _Pair(NamedTuple):
    certain: bool
    possible: bool


NO = _Pair(certain=False, possible=False)


class _Value(NamedTuple):
    """A computed value beside its truth: of the balls only what the tables ask for."""

    computed: float
    magnitude: arb
    is_aside: _Pair
    is_missed: _Pair
    least: arb
    most: arb


def _exceeds(q: arb, c: arb) -> _Pair:
    return _Pair(certain=bool(q > c), possible=not q <= c)


def _reaches(q: arb, c: arb) -> _Pair:
    return _Pair(certain=bool(q >= c), possible=not q < c)


def _exactly(x: Fraction) -> arb:
    return arb(x.numerator) / arb(x.denominator)


def _measure(computed: float, true: arb, floor: float, limits: Limits) -> _Value:
    magnitude, is_finite = abs(true), math.isfinite(computed)
    aside = _is_aside(computed, true, magnitude, limits)
    error = abs(arb(computed) - true) if is_finite else arb(0)
    missed = _exceeds(error, arb(floor) + arb(limits.rtol) * magnitude) if is_finite else NO
    largest, smallest = _half_ulps(magnitude, limits)
    zero = arb(0)
    return _Value(
        computed=computed,
        magnitude=magnitude,
        is_aside=aside,
        is_missed=_Pair(missed.certain and not aside.possible, missed.possible and not aside.certain),
        least=zero.max((error - largest).lower()) if is_finite and not aside.possible else zero,
        most=zero.max((error - smallest).upper()) if is_finite and not aside.certain else zero,
    )


def _is_aside(computed: float, true: arb, magnitude: arb, limits: Limits) -> _Pair:
    """Whether the value is the overflow result of a truth beyond the format."""
    is_negative = bool(true < 0)
    if not is_overflow_result(np.array(computed), np.array(is_negative), limits.fmt):
        return NO
    return _reaches(magnitude, _exactly(limits.fmt.overflow_threshold if math.isfinite(computed) else limits.beyond))


def _half_ulps(magnitude: arb, limits: Limits) -> tuple[arb, arb]:
    """Return the largest and the smallest error that rounding the truth to the format may make."""
    fmt = limits.fmt

    def half_ulp(x: arb) -> arb:
        if x < fmt.smallest_normal:
            return arb(limits.smallest) / (1 if limits.flush_subnormals else 2)
        mantissa, exponent = x.mid().man_exp()
        binade = int(exponent) + int(mantissa).bit_length() - 1
        return arb(2) ** (binade - fmt.precision)

    ends = [half_ulp(magnitude.abs_upper()), half_ulp(magnitude.abs_lower())]
    return (ends[0], ends[1]) if ends[0] >= ends[1] else (ends[1], ends[0])


def _loss_facts(loss: float, ball: Ball, gradient_scale: float, limits: Limits) -> tuple[LossFacts, LossFacts]:
    if ball.loss is None:
        facts_of_masked = LossFacts(*_flags(math.isnan(loss), loss == -math.inf, math.isfinite(loss), *([False] * 4)))
        return facts_of_masked, facts_of_masked
    value = _measure(loss, ball.loss, float(limits.loss_floor(gradient_scale)), limits)
    size = value.magnitude.max(arb(limits.multiplier * gradient_scale)) * _exactly(TENTH)
    wrong = _Pair(bool(value.least > size), not value.most <= size)
    zeroed = _exceeds(value.magnitude, arb(limits.fmt.smallest_normal)) if loss == 0 else NO
    is_too_large = math.isfinite(loss) and abs(loss) >= limits.largest_loss

    def facts(view: int) -> LossFacts:
        own = not value.is_aside[1 - view]
        return LossFacts(
            *_flags(
                math.isnan(loss) and own,
                math.isinf(loss) and own,
                wrong[view],
                value.is_aside[view] or is_too_large,
                math.isfinite(loss) and loss < 0 and own,
                value.is_missed[view],
                zeroed[view],
            )
        )

    return facts(0), facts(1)


def _gradient_facts(
    gradient: FloatArray, true: Sequence[arb], gradient_scale: float, limits: Limits
) -> tuple[GradientFacts, GradientFacts]:
    floor = float(limits.gradient_floor(gradient_scale))
    entries = count_entries(gradient, true)
    values = [_measure(x_hat, x, floor, limits) for x_hat, x, _ in entries]
    counts = [count for _, _, count in entries]
    is_all_zero = all(value.computed == 0 for value in values)
    norm, peak = _total((value.magnitude for value in values), counts), values[0].magnitude
    for value in values[1:]:
        peak = peak.max(value.magnitude)
    least_norm = arb(limits.least_norm) * arb(limits.upstream) * arb(gradient_scale)
    enough, smallest = _exceeds(norm, least_norm * _exactly(TENTH)), _reaches(peak, arb(limits.smallest))
    is_small = _Pair(not smallest.possible, not smallest.certain)
    size = norm.max(least_norm) * _exactly(TENTH)
    least, most = _total((value.least for value in values), counts), _total((value.most for value in values), counts)
    wrong = _Pair(bool(least > size), not most <= size)
    zero_bar = (arb(limits.fmt.unit_roundoff) * peak).max(arb(limits.fmt.smallest_normal))
    zeroed = [_exceeds(value.magnitude, zero_bar) if value.computed == 0 else NO for value in values]

    def facts(view: int) -> GradientFacts:
        judged = [value.computed for value in values if not value.is_aside[1 - view]]
        return GradientFacts(
            *_flags(
                any(math.isnan(x) for x in judged),
                any(math.isinf(x) for x in judged),
                is_all_zero and enough[view] and smallest[view],
                not is_all_zero and wrong[view],
                any(value.is_aside[view] for value in values),
                is_all_zero and enough[view] and is_small[view],
                any(value.is_missed[view] for value in values),
                any(lost[view] for lost in zeroed),
            )
        )

    return facts(0), facts(1)


def count_entries(gradient: FloatArray, true: Sequence[arb]) -> list[tuple[float, arb, int]]:
    """Return the different pairs of a computed entry and its ball, and how often each is there: most classes are alike."""
    counted: dict[object, tuple[float, arb, int]] = {}
    for computed, x in zip(gradient.tolist(), true, strict=True):
        key = (computed, x.mid().man_exp(), x.rad().man_exp()) if x.is_finite() else id(x)
        counted[key] = computed, x, counted[key][2] + 1 if key in counted else 1
    return list(counted.values())


def _total(values: Iterable[arb], counts: Iterable[int]) -> arb:
    return sum((value * count for value, count in zip(values, counts, strict=True)), start=arb(0))


def _flags(*flags: bool) -> Iterator[Bools]:
    return (np.array([flag]) for flag in flags)
