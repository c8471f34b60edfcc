"""Judgement of blocks: from computed and true values to kinds of findings. Pure; no formulation is run here.

A screen of a few passes finds the suspects; only they are compared in detail. Every comparison is of the form q > c with
an error bound on q − c. Where the bound straddles 0 the case is doubtful and decided in ball arithmetic (doubtful.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.judgement.rules import (
    CODES,
    Bools,
    Codes,
    Limits,
    PeakFacts,
    ValueFacts,
    any_class,
    decide_gradient,
    decide_loss,
    every_class,
    is_overflow_result,
)
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import FindingKind

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[Any]

# Rounding of the comparisons themselves: three float64 operations on either side, each 2^-53, and their difference.
COMPARISON_SLACK = 2.0**-50


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Per case: codes of the loss's and the gradient's kind (0 for none), their errors in ulps, whether in doubt.

    Ulps are NaN where a computed or true value is not finite; of a gradient, the largest over its finite entries.
    """

    loss_codes: Codes
    gradient_codes: Codes
    loss_ulps: Doubles
    gradient_ulps: Doubles
    doubtful: Bools


@dataclass(kw_only=True)
class Doubt:
    """Where the truth's bound leaves open whether a value is beyond the format (hard), or a graded fact."""

    hard: Bools
    graded: Bools


def judge_block(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block: loss (cases,), gradient (classes, cases) if there is one, numbers of the format, against their truth."""
    with np.errstate(all="ignore"):
        loss_scale = None if truth.loss_scale is truth.loss else truth.loss_scale
        loss_ulps, loss_suspects = _screen(loss, truth.loss, truth.loss_low, loss_scale, truth, limits.loss_floor, limits)
        if truth.loss_vague is not None:
            loss_ulps[truth.loss_vague] = np.nan
        gradient_ulps, suspects = np.full(loss.shape, np.nan), None
        if gradient is not None:
            scale, floor = None if truth.scale is truth.gradient else truth.scale, limits.gradient_floor
            entry_ulps, suspects = _screen(gradient, truth.gradient, truth.gradient_low, scale, truth, floor, limits)
            if truth.vague is not None:
                entry_ulps[truth.vague] = np.nan
            gradient_ulps = np.fmax.reduce(entry_ulps, axis=0)
        judgement = _blank_judgement(loss_ulps, gradient_ulps, limits.fmt)
        if loss_suspects is not None:
            _judge_losses(loss, truth, limits, loss_suspects, judgement, hard_only=False)
        if gradient is not None and suspects is not None:
            _judge_gradients(gradient, truth, limits, any_class(suspects), judgement, hard_only=False)
    return judgement


def judge_hard_outcomes(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block for its hard outcomes alone: cases without one may or may not get a graded kind; no ulps."""
    with np.errstate(all="ignore"):
        unknown = np.full(loss.shape, np.nan)
        judgement = _blank_judgement(unknown, unknown, limits.fmt)
        loss_suspects = ~np.isfinite(loss) | _is_largest(loss, limits.fmt)
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


def _blank_judgement(loss_errors: Doubles, gradient_errors: Doubles, fmt: Format) -> Judgement:
    """Return a judgement without findings, from errors in binades of the truth."""
    digits = 2.0 ** (fmt.precision - 1)
    codes = np.zeros(loss_errors.shape, dtype=np.int8)
    return Judgement(
        loss_codes=codes,
        gradient_codes=codes.copy(),
        loss_ulps=loss_errors * digits,
        gradient_ulps=gradient_errors * digits,
        doubtful=np.zeros(codes.shape, dtype=np.bool_),
    )


def _screen(
    computed: FloatArray,
    true: Doubles,
    low: Doubles | None,
    scale: Doubles | None,
    truth: Truth,
    floor: float,
    limits: Limits,
) -> tuple[Doubles, Bools | None]:
    """Return errors in binades of the truth, and which values might get a finding: a test that spares none that does.

    With |x| ≥ b, the power of two below it, |x̂ − x| ≤ floor + rtol·b, less every error bound, cannot miss. The bound is
    relative to the values themselves where `scale` is None, else to it.
    """
    fmt, bound = limits.fmt, 2 * truth.relative + COMPARISON_SLACK
    error = find_error(computed, true, low)

    def reach() -> Doubles:
        return np.abs(true) if scale is None else np.abs(true) + 2 * truth.relative * scale

    binade = _binade(true, fmt)
    binades: Doubles = error / binade
    binade *= limits.rtol * (1 - 2.0**-30) - 2 * bound
    binade += floor * (1 - bound) - limits.rtol * fmt.smallest_normal - 2 * truth.absolute
    if scale is not None:
        binade -= 2 * truth.relative * scale
    is_fine = error < binade  # not ≤: an infinite truth has infinite ones
    suspects = None if is_fine.all() else ~is_fine
    if suspects is not None:
        binades[~np.isfinite(error)] = np.nan
    is_zero = computed == 0
    if is_zero.any():
        lost = min(limits.lost, limits.atol * limits.upstream) * (1 - bound) - truth.absolute
        suspects = _either(suspects, is_zero & (reach() > lost))
    if not fmt.has_infinity:
        suspects = _either(suspects, reach() >= limits.beyond * (1 - bound))
    return binades, suspects


def _either(a: Bools | None, b: Bools) -> Bools:
    return b if a is None else a | b


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
    suspects = _settle_nan(np.isnan(loss), is_suspect, judgement.loss_codes, FindingKind.NAN_LOSS, limits)
    if not suspects.size:
        return
    computed, true = loss[suspects], truth.loss[suspects]
    error = find_error(computed, true, None if truth.loss_low is None else truth.loss_low[suspects])
    bound = truth.relative * truth.loss_scale[suspects] + truth.absolute
    facts, doubt = _compare(computed, true, error, bound, limits.loss_floor, 0.1 * np.maximum(1.0, np.abs(true)), limits)
    judgement.loss_codes[suspects] = decide_loss(facts)
    judgement.doubtful[suspects] |= doubt.hard if hard_only else doubt.hard | doubt.graded


def _judge_gradients(
    gradient: FloatArray, truth: Truth, limits: Limits, is_suspect: Bools, judgement: Judgement, *, hard_only: bool
) -> None:
    """Fill in the kinds of the suspected gradients; NaN in a format with infinity needs no comparison."""
    has_nan = any_class(np.isnan(gradient))
    suspects = _settle_nan(has_nan, is_suspect, judgement.gradient_codes, FindingKind.NAN_GRADIENT, limits)
    if not suspects.size:
        return
    computed, true = gradient[:, suspects], truth.gradient[:, suspects]
    error = find_error(computed, true, None if truth.gradient_low is None else truth.gradient_low[:, suspects])
    bound = truth.relative * np.abs(truth.scale[:, suspects]) + truth.absolute
    far = np.full_like(true, 0.1 * limits.upstream)
    facts, doubt = _compare(computed, true, error, bound, limits.gradient_floor, far, limits)
    peaks, peak_doubt = _compare_peak(true, bound, limits)
    judgement.gradient_codes[suspects] = decide_gradient(facts, peaks)
    doubtful = any_class(doubt.hard) | (peak_doubt & every_class(facts.is_zero))
    judgement.doubtful[suspects] |= doubtful if hard_only else doubtful | any_class(doubt.graded)


def _settle_nan(is_nan: Bools, is_suspect: Bools, codes: Codes, kind: FindingKind, limits: Limits) -> Indices:
    """Give NaN its kind where the format has infinity; return the suspects that are left."""
    if not limits.fmt.has_infinity:
        return np.flatnonzero(is_suspect)
    codes[is_nan] = CODES[kind]
    return np.flatnonzero(is_suspect & ~is_nan)


def _exceeds(q: Doubles, c: Doubles | float, bound: Doubles) -> tuple[Bools, Bools]:
    """Return whether q > c, and whether the error bound of q − c leaves that open."""
    slack = bound + COMPARISON_SLACK * np.abs(q) + COMPARISON_SLACK * np.abs(c)  # separately, as the sum may overflow
    return q > c, np.abs(q - c) < slack


def _compare(
    computed: FloatArray, true: Doubles, error: Doubles, bound: Doubles, floor: float, far: Doubles, limits: Limits
) -> tuple[ValueFacts, Doubt]:
    """Return the facts of values (of either shape) and whether any that matters is in doubt."""
    is_finite, is_zero, magnitude = np.isfinite(computed), computed == 0, np.abs(true)
    finite_error = np.where(is_finite, error, 0.0)
    beyond, beyond_doubt = _exceeds(magnitude, limits.beyond, bound)
    missed, missed_doubt = _exceeds(finite_error, floor + limits.rtol * magnitude, bound * (1 + limits.rtol))
    is_far, far_doubt = _exceeds(finite_error, far, 1.1 * bound)
    lost, lost_doubt = _exceeds(magnitude, limits.lost, bound)
    overflow = is_overflow_result(computed, np.signbit(true), limits.fmt)
    beyond |= magnitude == limits.beyond
    facts = ValueFacts(
        is_nan=np.isnan(computed),
        is_inf=np.isinf(computed),
        is_zero=is_zero,
        is_overflow_result=overflow,
        is_beyond=beyond,
        is_missed=missed,
        is_far=is_far,
        is_lost=lost,
    )
    hard = overflow & beyond_doubt & np.isfinite(true)
    # an infinite truth against a finite value: a masked target or a truth beyond float64, which ball arithmetic distinguishes
    is_unknown = np.isinf(true) & is_finite
    return facts, Doubt(hard=hard, graded=missed_doubt | (missed & far_doubt) | (is_zero & lost_doubt) | is_unknown)


def _compare_peak(gradient: Doubles, bound: Doubles, limits: Limits) -> tuple[PeakFacts, Bools]:
    peak, slack = np.max(np.abs(gradient), axis=0), np.max(bound, axis=0)
    above_tolerance, first = _exceeds(peak, (limits.atol + limits.rtol) * limits.upstream, slack)
    above_floor, second = _exceeds(peak, limits.atol * limits.upstream, slack)
    representable, third = _exceeds(peak, limits.fmt.smallest_subnormal / 2, slack)
    return PeakFacts(
        above_tolerance=above_tolerance, above_floor=above_floor, is_representable=representable
    ), first | second | (third & above_floor)
