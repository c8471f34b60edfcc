"""Judgement: from computed and true values to kinds of findings (DESIGN section 6). Pure; no formulation is run here.

Every comparison is of the form q > c with an error bound on q − c. Where the bound straddles 0 the case is doubtful and
decided in ball arithmetic (exact.py), by the same tables.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.numerics.truth import Truth
from cestab.results import FindingKind

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

K = FindingKind
KINDS = tuple(FindingKind)
CODES: Mapping[FindingKind, int] = {kind: code for code, kind in enumerate(KINDS, start=1)}
NO_FINDING = 0
# Rounding of the comparisons themselves: three float64 operations on either side, each 2^-53, and their difference.
COMPARISON_SLACK = 2.0**-50


@dataclass(frozen=True)
class Limits:
    """The constants of the decision table for one format, tolerance, upstream factor and number of classes."""

    fmt: Format
    rtol: float
    atol: float
    upstream: float
    classes: int

    @cached_property
    def beyond(self) -> float:
        """Magnitudes from which (1 + rtol)·|x| overflows the format."""
        try:
            return float(self.fmt.overflow_threshold / (1 + Fraction(self.rtol)))
        except OverflowError:  # float64 with rtol 0
            return math.inf

    @property
    def loss_floor(self) -> float:
        return max(self.atol, self.fmt.smallest_subnormal)

    @property
    def gradient_floor(self) -> float:
        return max(self.atol * self.upstream, self.fmt.smallest_subnormal)

    @property
    def lost(self) -> float:
        """Magnitudes above which a computed 0 is zeroed."""
        return self.classes * self.fmt.smallest_subnormal


@dataclass(frozen=True)
class Judgement:
    """Per case: codes of the loss's and the gradient's kind (0 for none), their errors in ulps, whether in doubt.

    Ulps are NaN where a computed or true value is not finite; of a gradient, the largest over its finite entries.
    """

    loss_codes: Codes
    gradient_codes: Codes
    loss_ulps: Doubles
    gradient_ulps: Doubles
    doubtful: Bools


@dataclass(frozen=True)
class ValueFacts:
    """What the tables ask of values, (cases,) for losses and (classes, cases) for gradient entries."""

    is_nan: Bools
    is_inf: Bools
    is_zero: Bools
    is_overflow_result: Bools
    is_beyond: Bools
    is_missed: Bools
    is_far: Bools
    is_lost: Bools


@dataclass
class Doubt:
    """Where the truth's bound leaves open whether a value is beyond the format (hard), or a graded fact."""

    hard: Bools
    graded: Bools


@dataclass(frozen=True)
class PeakFacts:
    """What the tables ask of max_j |g_j|, per case: above (atol + rtol)·U, above atol·U, not rounding to 0."""

    above_tolerance: Bools
    above_floor: Bools
    is_representable: Bools


def judge_block(loss: FloatArray, gradient: FloatArray, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block: loss (cases,), gradient (classes, cases), numbers of the format, against their truth."""
    with np.errstate(all="ignore"):
        loss_error = _error(loss, truth.loss, truth.loss_low)
        gradient_error = _error(gradient, truth.gradient, truth.gradient_low)
        judgement = Judgement(
            np.zeros(loss.shape, dtype=np.int8),
            np.zeros(loss.shape, dtype=np.int8),
            _to_ulps(loss_error, truth.loss, limits.fmt),
            measure_ulps(gradient_error, truth.gradient, limits.fmt),
            np.zeros(loss.shape, dtype=np.bool_),
        )
        suspects = np.flatnonzero(
            _is_suspect(loss, truth.loss, loss_error, truth, limits.loss_floor, limits)
            | _any_class(_is_suspect(gradient, truth.gradient, gradient_error, truth, limits.gradient_floor, limits))
        )
        if suspects.size:
            _decide_suspects(loss, gradient, truth, limits, suspects, judgement, hard_only=False)
    return judgement


def judge_hard_outcomes(loss: FloatArray, gradient: FloatArray, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block for its hard outcomes alone: cases without one may or may not get a graded kind; no ulps."""
    with np.errstate(all="ignore"):
        is_suspect = ~np.isfinite(loss) | ~_every_class(np.isfinite(gradient)) | _every_class(gradient == 0)
        if not limits.fmt.has_infinity:
            is_suspect |= (np.abs(loss) == limits.fmt.max) | _any_class(np.abs(gradient) == limits.fmt.max)
        codes, unknown = np.zeros(loss.shape, dtype=np.int8), np.full(loss.shape, np.nan)
        judgement = Judgement(codes, codes.copy(), unknown, unknown, np.zeros(loss.shape, dtype=np.bool_))
        suspects = np.flatnonzero(is_suspect)
        if suspects.size:
            _decide_suspects(loss, gradient, truth, limits, suspects, judgement, hard_only=True)
    return judgement


def _error(computed: FloatArray, true: Doubles, low: Doubles | None) -> Doubles:
    difference: Doubles = computed - true
    if low is not None:
        difference = difference - low
    return np.abs(difference, out=difference)


def _to_ulps(error: Doubles, true: Doubles, fmt: Format) -> Doubles:
    """Error / ulp(true), ulp(x) = 2^(⌊log2 |x|⌋ − p + 1), at least the smallest subnormal; NaN where not finite.

    A finite pair whose quotient is beyond float64 gives inf.
    """
    binade = (true.view(np.int64) & 0x7FF0000000000000).view(np.float64)
    np.maximum(binade, fmt.smallest_normal, out=binade)
    ulps: Doubles = error / binade
    ulps *= 2.0 ** (fmt.precision - 1)
    is_infinite = ~(ulps < np.inf)
    if is_infinite.any():
        ulps[is_infinite & ~(np.isfinite(error) & np.isfinite(true))] = np.nan
    return ulps


def measure_ulps(error: Doubles, true: Doubles, fmt: Format) -> Doubles:
    """Return the largest error / ulp(true) over the classes, (classes, cases) → (cases,); NaN where no pair is finite."""
    worst: Doubles = np.fmax.reduce(_to_ulps(error, true, fmt), axis=0)
    return worst


def _any_class(flags: Bools) -> Bools:
    any_class: Bools = np.logical_or.reduce(flags, axis=0)
    return any_class


def _every_class(flags: Bools) -> Bools:
    every_class: Bools = np.logical_and.reduce(flags, axis=0)
    return every_class


def _is_suspect(computed: FloatArray, true: Doubles, error: Doubles, truth: Truth, floor: float, limits: Limits) -> Bools:
    """Whether a value might get a finding: a fast test that never spares one that does."""
    fmt = limits.fmt
    magnitude = np.abs(true)
    bound = 2 * truth.relative + COMPARISON_SLACK
    # the bound on a gradient entry is relative to at most 2·U plus the entry (dense weights sum to about 1)
    spared = floor * (1 - bound) - 4 * truth.relative * limits.upstream - 2 * truth.absolute
    suspect: Bools = ~(error <= magnitude * (limits.rtol * (1 - 2.0**-30) - 2 * bound) + spared)
    lost = min(limits.lost, limits.atol * limits.upstream) * (1 - bound) - truth.absolute
    suspect |= (computed == 0) & (magnitude > lost)
    if not fmt.has_infinity:
        suspect |= magnitude >= limits.beyond * (1 - bound)
    return suspect


def _decide_suspects(
    loss: FloatArray,
    gradient: FloatArray,
    truth: Truth,
    limits: Limits,
    suspects: npt.NDArray[Any],
    judgement: Judgement,
    *,
    hard_only: bool,
) -> None:
    """Fill in the kinds of the suspected cases."""
    truth, loss, gradient = truth.select(suspects), loss[suspects], gradient[:, suspects]
    loss_bound = truth.relative * np.abs(truth.loss) + truth.absolute
    gradient_bound = truth.relative * np.abs(truth.scale) + truth.absolute
    far_loss = 0.1 * np.maximum(1.0, np.abs(truth.loss))
    loss_error = _error(loss, truth.loss, truth.loss_low)
    loss_facts, loss_doubt = _compare(loss, truth.loss, loss_error, loss_bound, limits.loss_floor, far_loss, limits)
    # an infinite truth against a finite loss: a masked target or a loss beyond float64, told apart by ball arithmetic
    loss_doubt.graded |= np.isinf(truth.loss) & np.isfinite(loss)
    gradient_error = _error(gradient, truth.gradient, truth.gradient_low)
    far_gradient = np.full_like(truth.gradient, 0.1 * limits.upstream)
    facts, doubt = _compare(
        gradient, truth.gradient, gradient_error, gradient_bound, limits.gradient_floor, far_gradient, limits
    )
    peaks, peak_doubt = _compare_peak(truth.gradient, gradient_bound, limits)
    judgement.loss_codes[suspects] = decide_loss(loss_facts)
    judgement.gradient_codes[suspects] = decide_gradient(facts, peaks)
    doubtful = loss_doubt.hard | _any_class(doubt.hard) | (peak_doubt & _every_class(facts.is_zero))
    judgement.doubtful[suspects] = doubtful if hard_only else doubtful | loss_doubt.graded | _any_class(doubt.graded)


def _exceeds(q: Doubles, c: Doubles | float, bound: Doubles) -> tuple[Bools, Bools]:
    """Return whether q > c, and whether the error bound of q − c leaves that open."""
    slack = bound + COMPARISON_SLACK * np.abs(q) + COMPARISON_SLACK * np.abs(c)  # apart, as the sum may overflow
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
    facts = ValueFacts(np.isnan(computed), np.isinf(computed), is_zero, overflow, beyond, missed, is_far, lost)
    hard = overflow & beyond_doubt & np.isfinite(true)
    return facts, Doubt(hard, missed_doubt | (missed & far_doubt) | (is_zero & lost_doubt))


def _compare_peak(gradient: Doubles, bound: Doubles, limits: Limits) -> tuple[PeakFacts, Bools]:
    peak, slack = np.max(np.abs(gradient), axis=0), np.max(bound, axis=0)
    above_tolerance, first = _exceeds(peak, (limits.atol + limits.rtol) * limits.upstream, slack)
    above_floor, second = _exceeds(peak, limits.atol * limits.upstream, slack)
    representable, third = _exceeds(peak, limits.fmt.smallest_subnormal / 2, slack)
    return PeakFacts(above_tolerance, above_floor, representable), first | second | (third & above_floor)


def is_overflow_result(computed: FloatArray, is_negative: Bools, fmt: Format) -> Bools:
    """Whether values are what overflow gives: inf of the truth's sign; without inf in the format also NaN or ±max."""
    same_sign = np.signbit(computed) == is_negative
    result: Bools = np.isinf(computed) & same_sign
    if not fmt.has_infinity:
        result |= np.isnan(computed) | ((np.abs(computed) == fmt.max) & same_sign)
    return result


def decide_loss(facts: ValueFacts) -> Codes:
    """The first row of the table that applies to each loss."""
    return _first_that_applies(
        (facts.is_overflow_result & facts.is_beyond, K.OVERFLOWING_LOSS),
        (facts.is_nan, K.NAN_LOSS),
        (facts.is_inf, K.INF_LOSS),
        (facts.is_missed & facts.is_far, K.WRONG_LOSS),
        (facts.is_missed, K.INACCURATE_LOSS),
        (facts.is_zero & facts.is_lost, K.ZEROED_LOSS),
    )


def decide_gradient(facts: ValueFacts, peaks: PeakFacts) -> Codes:
    """The first row of the table that applies to each gradient.

    Entries that hold the overflow result of a truth beyond the format are set aside; the case is overflowing when no
    other entry is NaN or infinite.
    """
    aside = facts.is_overflow_result & facts.is_beyond
    judged = ~aside
    has_nan, has_inf = _any_class(facts.is_nan & judged), _any_class(facts.is_inf & judged)
    is_all_zero = _every_class(facts.is_zero)
    return _first_that_applies(
        (_any_class(aside) & ~has_nan & ~has_inf, K.OVERFLOWING_GRADIENT),
        (has_nan, K.NAN_GRADIENT),
        (has_inf, K.INF_GRADIENT),
        (is_all_zero & peaks.above_tolerance & peaks.is_representable, K.VANISHING_GRADIENT),
        (is_all_zero & peaks.above_floor & ~peaks.is_representable, K.UNDERFLOWING_GRADIENT),
        (_any_class(facts.is_missed & facts.is_far & judged), K.WRONG_GRADIENT),
        (_any_class(facts.is_missed & judged), K.INACCURATE_GRADIENT),
        (_any_class(facts.is_zero & facts.is_lost & judged), K.ZEROED_GRADIENT),
    )


def _first_that_applies(*rows: tuple[Bools, FindingKind]) -> Codes:
    codes = np.zeros(rows[0][0].shape, dtype=np.int8)
    for applies, kind in reversed(rows):
        codes[applies] = CODES[kind]
    return codes
