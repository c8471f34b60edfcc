"""Judgement of blocks: from computed and true values to kinds of findings. Pure; no formulation is run here.

A screen of a few passes finds the suspects; only they are compared in detail. Every comparison there is made twice: what
holds for certain, whatever the truth is within its bound, and what may hold. Where the two decide differently the case is
doubtful and decided in ball arithmetic (doubtful.py).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cestab.judgement.rules import (
    CODES,
    TENTH,
    Bools,
    Codes,
    Doubles,
    Facts,
    GradientFacts,
    Limits,
    LossFacts,
    any_class,
    decide,
    every_class,
    is_overflow_result,
)
from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import SMALLEST, Truth
from cestab.vocabulary.kinds import FindingKind

Indices = npt.NDArray[Any]

# Rounding of the comparisons themselves: a few float64 operations on either side, each 2^-53, and their difference.
COMPARISON_SLACK = 2.0**-50
SCREENED_TENTH = 0.05  # of it, halves: for errors of all entries together, and for the gradient's size


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Per case: codes of the loss's and the gradient's kind (0 for none) and of their hard outcome, errors, whether in doubt.

    Ulps are NaN where a computed or true value is not finite; of a gradient, the largest over its finite entries. Relative
    errors are |L̂ − L|/max(1, |L|) and ‖ĝ − g‖₁/‖g‖₁: NaN where a value is not finite, or the format holds no gradient so small.
    """

    loss_codes: Codes
    gradient_codes: Codes
    loss_outcomes: Codes
    gradient_outcomes: Codes
    loss_ulps: Doubles
    gradient_ulps: Doubles
    loss_relative: Doubles
    gradient_relative: Doubles
    doubtful: Bools

    def adopt(self, better: "Judgement", cases: Bools) -> None:
        """Take over the codes of some cases."""
        for name in ("loss_codes", "gradient_codes", "loss_outcomes", "gradient_outcomes"):
            getattr(self, name)[cases] = getattr(better, name)


def judge_block(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block: loss (cases,), gradient (classes, cases) if there is one, numbers of the format, against their truth."""
    with np.errstate(all="ignore"):
        of_loss = _screen_losses(loss, truth, limits)
        of_gradient = _no_errors(loss) if gradient is None else _screen_gradients(gradient, truth, limits)
        judgement = _blank_judgement(of_loss, of_gradient, limits.fmt)
        if of_loss.suspects is not None:
            _judge_losses(loss, truth, limits, of_loss.suspects, judgement, hard_only=False)
        if gradient is not None and of_gradient.suspects is not None:
            _judge_gradients(gradient, truth, limits, of_gradient.suspects, judgement, hard_only=False)
    return judgement


def judge_hard_outcomes(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block for its hard outcomes alone: codes of other cases may be missing; no ulps."""
    with np.errstate(all="ignore"):
        judgement = _blank_judgement(_no_errors(loss), _no_errors(loss), limits.fmt)
        loss_suspects = ~np.isfinite(loss) | _is_largest(loss, limits.fmt) | (np.abs(loss) >= limits.largest_loss)
        _judge_losses(loss, truth, limits, loss_suspects, judgement, hard_only=True)
        if gradient is not None:
            suspects = ~every_class(np.isfinite(gradient)) | every_class(gradient == 0)
            suspects |= any_class(_is_largest(gradient, limits.fmt))
            _judge_gradients(gradient, truth, limits, suspects, judgement, hard_only=True)
    return judgement


def _is_largest(values: FloatArray, fmt: Format) -> Bools:
    """Whether values may be an overflow that became ±max, which it does without infinity."""
    largest: Bools = (np.abs(values) == fmt.max) & (not fmt.has_infinity)
    return largest


class _Screened(NamedTuple):
    """Errors of cases in binades of the truth and relative ones, and which cases might get a finding (None: none does)."""

    binades: Doubles
    relative: Doubles
    suspects: Bools | None


def _no_errors(loss: FloatArray) -> _Screened:
    unknown = np.full(loss.shape, np.nan)
    return _Screened(unknown, unknown, None)


def _blank_judgement(of_loss: _Screened, of_gradient: _Screened, fmt: Format) -> Judgement:
    """Return a judgement without findings."""
    digits = 2.0 ** (fmt.precision - 1)
    codes = np.zeros((4, *of_loss.binades.shape), dtype=np.int8)
    return Judgement(
        loss_codes=codes[0],
        gradient_codes=codes[1],
        loss_outcomes=codes[2],
        gradient_outcomes=codes[3],
        loss_ulps=of_loss.binades * digits,
        gradient_ulps=of_gradient.binades * digits,
        loss_relative=of_loss.relative,
        gradient_relative=of_gradient.relative,
        doubtful=np.zeros(of_loss.binades.shape, dtype=np.bool_),
    )


def _screen_losses(loss: FloatArray, truth: Truth, limits: Limits) -> _Screened:
    scale = None if truth.loss_scale is truth.loss else truth.loss_scale
    s = truth.gradient_scale
    floor = _least_of(limits.loss_floor(s), SCREENED_TENTH * limits.multiplier * s, limits)
    error, binades, suspects = _screen(loss, truth.loss, truth.loss_low, scale, truth, floor, limits)
    if truth.loss_vague is not None:
        binades[truth.loss_vague] = np.nan
    unusual = (loss < 0) | (np.abs(loss) >= limits.largest_loss)
    relative = np.where(np.isfinite(error), error / np.maximum(1.0, np.abs(truth.loss)), np.nan)
    return _Screened(binades, relative, _either(suspects, unusual) if unusual.any() else suspects)


def _screen_gradients(gradient: FloatArray, truth: Truth, limits: Limits) -> _Screened:
    """Return the largest error of each case in binades, and which cases might get a finding.

    Where each error is at most a twentieth of φ/classes and of the entry, all together are at most a tenth of the gradient.
    """
    scale = None if truth.scale is truth.gradient else truth.scale
    s = truth.gradient_scale
    tenth = SCREENED_TENTH / len(gradient) * limits.least_norm * limits.upstream * s
    floor = _least_of(limits.gradient_floor(s), tenth, limits)
    error, binades, suspects = _screen(gradient, truth.gradient, truth.gradient_low, scale, truth, floor, limits)
    if truth.vague is not None:
        binades[truth.vague] = np.nan
    norm, total = truth.norm, _total(error)
    is_held = np.isfinite(total) & (norm >= limits.fmt.smallest_normal)
    relative = np.where(is_held, total / norm, np.nan)
    return _Screened(np.fmax.reduce(binades, axis=0), relative, None if suspects is None else any_class(suspects))


def _least_of(floor: Doubles, tenth: Doubles, limits: Limits) -> Doubles:
    """Return the smaller one; but for a case of weight 0, whose truth is exactly 0, the smallest error there is."""
    return np.where(tenth > 0, np.minimum(floor, tenth), limits.fmt.smallest_subnormal)


def _screen(
    computed: FloatArray,
    true: Doubles,
    low: Doubles | None,
    scale: Doubles | None,
    truth: Truth,
    floor: Doubles,
    limits: Limits,
) -> tuple[Doubles, Doubles, Bools | None]:
    """Return errors, the same in binades of the truth, and which values might get a finding: a test that spares none that does.

    With |x| ≥ b, the power of two below it, |x̂ − x| ≤ floor + rtol·b, less every error bound, cannot miss. The bound is
    relative to the values themselves where `scale` is None, else to it.
    """
    fmt, bound, rtol = limits.fmt, 2 * truth.relative + COMPARISON_SLACK, min(limits.rtol, SCREENED_TENTH)
    error = find_error(computed, true, low)

    def reach() -> Doubles:
        return np.abs(true) if scale is None else np.abs(true) + 2 * truth.relative * scale

    binade = _binade(true, fmt)
    binades: Doubles = error / binade
    binade *= rtol * (1 - 2.0**-30) - 2 * bound
    binade += floor * (1 - bound) - (rtol * fmt.smallest_normal + 2 * truth.absolute)
    if scale is not None:
        binade -= 2 * truth.relative * scale
    is_fine = error < binade  # not ≤: an infinite truth has infinite ones
    suspects = None if is_fine.all() else ~is_fine
    if suspects is not None:
        binades[~np.isfinite(error)] = np.nan
    is_zero = computed == 0
    if is_zero.any():
        suspects = _either(suspects, is_zero & (reach() > fmt.smallest_normal * (1 - bound) - truth.absolute))
    if not fmt.has_infinity:
        suspects = _either(suspects, reach() >= float(limits.beyond) * (1 - bound))
    return error, binades, suspects


def _either(a: Bools | None, b: Bools) -> Bools:
    return b if a is None else a | b


def _total(x: Doubles) -> Doubles:
    """Return the sum over the classes, in an order that the number of cases does not change."""
    return sum_pairwise(x).astype(np.float64, copy=False)


def find_error(computed: FloatArray, true: Doubles, low: Doubles | None) -> Doubles:
    """Return |computed − (true + low)|."""
    difference: Doubles = computed - true
    if low is not None:
        difference -= low
    return np.abs(difference, out=difference)


def _binade(true: Doubles, fmt: Format) -> Doubles:
    """Return 2^⌊log2 |x|⌋, at least the smallest normal: ulp(x)·2^(p − 1)."""
    exponents = true.view(np.int64) & 0x7FF0000000000000
    np.maximum(exponents, np.float64(fmt.smallest_normal).view(np.int64), out=exponents)  # faster than of float64
    return exponents.view(np.float64)


def measure_ulps(error: Doubles, true: Doubles, fmt: Format) -> Doubles:
    """Return the largest error / ulp(true) over the classes, (classes, cases) → (cases,); NaN where no pair is finite.

    ulp(x) = 2^(⌊log2 |x|⌋ − p + 1), at least the smallest subnormal.
    """
    ulps = np.where(np.isfinite(error), error / _binade(true, fmt) * 2.0 ** (fmt.precision - 1), np.nan)
    worst: Doubles = np.fmax.reduce(ulps, axis=0)
    return worst


def _judge_losses(
    loss: FloatArray, truth: Truth, limits: Limits, is_suspect: Bools, judgement: Judgement, *, hard_only: bool
) -> None:
    """Fill in the kinds of the suspected losses; NaN in a format with infinity needs no comparison."""
    codes = judgement.loss_codes, judgement.loss_outcomes
    suspects = _settle_nan(np.isnan(loss), is_suspect, codes, FindingKind.NAN_LOSS, limits)
    if not suspects.size:
        return
    values = _measure(
        loss[suspects],
        truth.loss[suspects],
        None if truth.loss_low is None else truth.loss_low[suspects],
        truth.relative * truth.loss_scale[suspects] + truth.absolute,
        limits.loss_floor(truth.gradient_scale[suspects]),
        limits,
    )
    size = np.maximum(limits.multiplier * truth.gradient_scale[suspects], values.magnitude)
    masked = None if truth.masked is None else truth.masked[suspects]
    certain, possible = _loss_facts(values, size, masked, limits)
    unknown = np.isinf(values.magnitude) if masked is None else values.is_unknown & ~masked
    _fill_in(certain, possible, unknown, suspects, codes, judgement.doubtful, hard_only=hard_only)


def _judge_gradients(
    gradient: FloatArray, truth: Truth, limits: Limits, is_suspect: Bools, judgement: Judgement, *, hard_only: bool
) -> None:
    """Fill in the kinds of the suspected gradients; NaN in a format with infinity needs no comparison."""
    codes = judgement.gradient_codes, judgement.gradient_outcomes
    has_nan = any_class(np.isnan(gradient))
    suspects = _settle_nan(has_nan, is_suspect, codes, FindingKind.NAN_GRADIENT, limits)
    if not suspects.size:
        return
    values = _measure(
        gradient[:, suspects],
        truth.gradient[:, suspects],
        None if truth.gradient_low is None else truth.gradient_low[:, suspects],
        truth.relative * np.abs(truth.scale[:, suspects]) + truth.absolute,
        limits.gradient_floor(truth.gradient_scale[suspects]),
        limits,
    )
    certain, possible = _gradient_facts(values, truth.gradient_scale[suspects], limits)
    is_unknown = any_class(values.is_unknown) | np.isinf(_total(values.magnitude))
    _fill_in(certain, possible, is_unknown, suspects, codes, judgement.doubtful, hard_only=hard_only)


def _settle_nan(is_nan: Bools, is_suspect: Bools, codes: tuple[Codes, Codes], kind: FindingKind, limits: Limits) -> Indices:
    """Give NaN its kind where the format has infinity; return the suspects that are left."""
    if not limits.fmt.has_infinity:
        return np.flatnonzero(is_suspect)
    for of_kind in codes:
        of_kind[is_nan] = CODES[kind]
    return np.flatnonzero(is_suspect & ~is_nan)


def _fill_in(
    certain: Facts,
    possible: Facts,
    unknown: Bools,
    suspects: Indices,
    codes: tuple[Codes, Codes],
    doubtful: Bools,
    *,
    hard_only: bool,
) -> None:
    """Fill in what is certain, and mark as doubtful where what is possible decides otherwise."""
    decision, other = decide(certain), decide(possible)
    codes[0][suspects], codes[1][suspects] = decision
    differs = decision.outcomes != other.outcomes
    if not hard_only:
        differs |= decision.codes != other.codes
    doubtful[suspects] |= differs | unknown


class Pair(NamedTuple):
    """A comparison, made twice."""

    certain: Bools
    possible: Bools


class _Measured(NamedTuple):
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


def _measure(
    computed: FloatArray, true: Doubles, low: Doubles | None, bound: Doubles, floor: Doubles, limits: Limits
) -> _Measured:
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
    return _Measured(
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
    largest, smallest = half * _binade(farthest, fmt), half * _binade(nearest, fmt)
    if limits.flush_subnormals:
        largest = np.where(nearest < fmt.smallest_normal, fmt.smallest_normal, largest)
        smallest = np.where(farthest < fmt.smallest_normal, fmt.smallest_normal, smallest)
    return largest, smallest


def _loss_facts(values: _Measured, size: Doubles, masked: Bools | None, limits: Limits) -> tuple[LossFacts, LossFacts]:
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


def _gradient_facts(values: _Measured, gradient_scale: Doubles, limits: Limits) -> tuple[GradientFacts, GradientFacts]:
    """Return what holds for certain and what may hold."""
    computed, magnitude, bound, aside = values.computed, values.magnitude, values.bound, values.is_aside
    rounding = 1.0 + len(computed) * 2.0**-52  # of sums over the classes
    norm, least_norm = _total(magnitude), limits.least_norm * limits.upstream * gradient_scale
    slack = _total(bound) * rounding + norm * (rounding - 1.0) + 2 * SMALLEST  # either norm may underflow
    enough = _exceeds(norm, norm, float(TENTH) * least_norm, slack)
    size = float(TENTH) * np.maximum(norm, least_norm)
    wrong = _exceeds(
        _total(values.least) / rounding,
        _total(values.most) * rounding,
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
