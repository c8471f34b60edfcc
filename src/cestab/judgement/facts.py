"""What holds of computed values beside their truth: every comparison made twice, for certain and possibly.

A truth is known within a bound. What holds for certain holds wherever it lies in it; what may hold holds somewhere.
"""

from typing import NamedTuple

import numpy as np

from cestab.judgement.rules import (
    TENTH,
    Bools,
    Doubles,
    GradientFacts,
    Limits,
    LossFacts,
    any_class,
    every_class,
    is_overflow_result,
)
from cestab.judgement.screen import COMPARISON_SLACK, add_classes, find_binade, find_error
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import SMALLEST


class Pair(NamedTuple):
    """A comparison, made twice."""

    certain: Bools
    possible: Bools


class Measured(NamedTuple):
    """Computed values beside their truth, of either shape; the excess lies between `least` and `most`."""

    computed: FloatArray
    magnitude: Doubles
    bound: Doubles
    is_unknown: Bools  # a truth beyond float64 beside a finite value
    is_aside: Pair
    is_missed: Pair
    least: Doubles
    most: Doubles


def _exceeds(least: Doubles, most: Doubles, c: Doubles | float, bound: Doubles) -> Pair:
    """Whether a number from least to most exceeds c; the difference is off by `bound` and its own rounding."""
    slack = bound + COMPARISON_SLACK * np.abs(most) + COMPARISON_SLACK * np.abs(c)  # separately, as the sum may overflow
    return Pair(least - c > slack, most - c > -slack)


def measure(
    computed: FloatArray, true: Doubles, low: Doubles | None, bound: Doubles, floor: Doubles, limits: Limits
) -> Measured:
    """Compare values with their truth, of which is known that it is within `bound`."""
    is_finite, magnitude = np.isfinite(computed), np.abs(true)
    is_known = np.isfinite(true)
    error = np.where(is_finite & is_known, find_error(computed, true, low), 0.0)
    overflow = is_overflow_result(computed, np.signbit(true), limits.fmt)
    aside = Pair(*(overflow & (beyond | ~is_known) for beyond in _exceeds_format(computed, magnitude, bound, limits)))
    missed = _exceeds(error, error, floor + limits.rtol * magnitude, bound * (1 + limits.rtol))
    slack = bound + COMPARISON_SLACK * (error + magnitude)
    largest, smallest = _half_ulps(magnitude, bound, limits)
    least, most = np.maximum(error - slack - largest, 0.0), np.maximum(error + slack - smallest, 0.0)
    return Measured(
        computed=computed,
        magnitude=magnitude,
        bound=bound,
        is_unknown=is_finite & ~is_known,
        is_aside=aside,
        is_missed=Pair(missed.certain & is_finite & ~aside.possible, missed.possible & is_finite & ~aside.certain),
        least=np.where(is_finite & ~aside.possible, least, 0.0),
        most=np.where(is_finite & ~aside.certain, most, 0.0),
    )


def _exceeds_format(computed: FloatArray, magnitude: Doubles, bound: Doubles, limits: Limits) -> Pair:
    """Whether the truth is beyond the format; a computed inf or NaN is spared a little below its end."""
    beyond = _exceeds(magnitude, magnitude, float(limits.beyond), bound)
    if limits.fmt.has_infinity:
        return beyond
    rounded = _exceeds(magnitude, magnitude, float(limits.fmt.overflow_threshold), bound)
    return Pair(*(np.where(np.isfinite(computed), r, b) for r, b in zip(rounded, beyond, strict=True)))


def _half_ulps(magnitude: Doubles, bound: Doubles, limits: Limits) -> tuple[Doubles, Doubles]:
    """Return the largest and the smallest error that rounding the truth to the format may make."""
    fmt, half = limits.fmt, 2.0**-limits.fmt.precision
    nearest, farthest = np.maximum(np.nextafter(magnitude, 0.0) - bound, 0.0), magnitude + bound
    largest, smallest = half * find_binade(farthest, fmt), half * find_binade(nearest, fmt)
    if limits.flush_subnormals:
        largest = np.where(nearest < fmt.smallest_normal, fmt.smallest_normal, largest)
        smallest = np.where(farthest < fmt.smallest_normal, fmt.smallest_normal, smallest)
    return largest, smallest


def find_loss_facts(values: Measured, size: Doubles, masked: Bools | None, limits: Limits) -> tuple[LossFacts, LossFacts]:
    """Return what holds for certain and what may hold; `size` is max(s, |L|).

    A loss that is exactly infinite, as its target is masked, is right as +inf and wrong as a number.
    """
    computed, aside = values.computed, values.is_aside
    masked = np.zeros(computed.shape, dtype=np.bool_) if masked is None else masked
    is_finite, is_judged = np.isfinite(computed), ~masked
    wrong = _exceeds(values.least, values.most, float(TENTH) * size, float(TENTH) * values.bound + SMALLEST)
    zeroed = _exceeds(values.magnitude, values.magnitude, limits.fmt.smallest_normal, values.bound)
    too_large = is_finite & (np.abs(computed) >= limits.largest_loss)

    def facts(view: int) -> LossFacts:
        own = is_judged & ~aside[1 - view]
        return LossFacts(
            is_nan=np.isnan(computed) & (own | masked),
            is_inf=np.isinf(computed) & np.where(masked, computed < 0, own),
            is_wrong=np.where(masked, is_finite, wrong[view]),
            is_aside=(aside[view] & is_judged) | too_large,
            is_negative=is_finite & (computed < 0) & own,
            is_missed=values.is_missed[view] & is_judged,
            is_zeroed=(computed == 0) & zeroed[view] & is_judged,
        )

    return facts(0), facts(1)


def find_gradient_facts(values: Measured, gradient_scale: Doubles, limits: Limits) -> tuple[GradientFacts, GradientFacts]:
    """Return what holds for certain and what may hold."""
    computed, magnitude, bound, aside = values.computed, values.magnitude, values.bound, values.is_aside
    rounding = 1.0 + len(computed) * 2.0**-52  # of sums over the classes
    norm, least_norm = add_classes(magnitude), limits.least_norm * limits.upstream * gradient_scale
    slack = add_classes(bound) * rounding + norm * (rounding - 1.0) + 2 * SMALLEST  # either norm may underflow
    enough = _exceeds(norm, norm, float(TENTH) * least_norm, slack)
    size = float(TENTH) * np.maximum(norm, least_norm)
    wrong = _exceeds(
        add_classes(values.least) / rounding,
        add_classes(values.most) * rounding,
        size,
        float(TENTH) * slack + len(computed) * SMALLEST,
    )
    peak, peak_bound = np.max(magnitude, axis=0), np.max(bound, axis=0)
    smallest = _exceeds(peak, peak, limits.smallest, peak_bound)
    is_small = Pair(~smallest.possible, ~smallest.certain)
    roundoff = limits.fmt.unit_roundoff
    zeroed = _exceeds(
        magnitude, magnitude, np.maximum(roundoff * peak, limits.fmt.smallest_normal), bound + roundoff * peak_bound
    )
    is_zero = computed == 0
    is_all_zero = every_class(is_zero)

    def facts(view: int) -> GradientFacts:
        own = ~aside[1 - view]
        return GradientFacts(
            has_nan=any_class(np.isnan(computed) & own),
            has_inf=any_class(np.isinf(computed) & own),
            is_vanishing=is_all_zero & enough[view] & smallest[view],
            is_wrong=~is_all_zero & wrong[view],
            has_aside=any_class(aside[view]),
            is_underflowing=is_all_zero & enough[view] & is_small[view],
            is_missed=any_class(values.is_missed[view]),
            is_zeroed=any_class(is_zero & zeroed[view]),
        )

    return facts(0), facts(1)
