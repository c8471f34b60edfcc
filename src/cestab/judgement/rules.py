"""The rules of judgement: limits, the facts that the tables ask for, and the tables themselves.

Facts are found for whole blocks in judge.py and for single doubtful cases, in ball arithmetic, in doubtful.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.vocabulary.kinds import FindingKind

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]

K = FindingKind
KINDS = tuple(FindingKind)
CODES: Mapping[FindingKind, int] = {kind: code for code, kind in enumerate(KINDS, start=1)}


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class ValueFacts:
    """What the tables ask about values, (cases,) for losses and (classes, cases) for gradient entries."""

    is_nan: Bools
    is_inf: Bools
    is_zero: Bools
    is_overflow_result: Bools
    is_beyond: Bools
    is_missed: Bools
    is_far: Bools
    is_lost: Bools


@dataclass(frozen=True, kw_only=True)
class PeakFacts:
    """What the tables ask about max_j |g_j|, per case: above (atol + rtol)·U, above atol·U, not rounding to 0."""

    above_tolerance: Bools
    above_floor: Bools
    is_representable: Bools


def any_class(flags: Bools) -> Bools:
    """Whether any entry of a case is flagged: (classes, cases) → (cases,)."""
    result: Bools = np.logical_or.reduce(flags, axis=0)
    return result


def every_class(flags: Bools) -> Bools:
    """Whether every entry of a case is flagged: (classes, cases) → (cases,)."""
    result: Bools = np.logical_and.reduce(flags, axis=0)
    return result


def is_overflow_result(computed: FloatArray, is_negative: Bools, fmt: Format) -> Bools:
    """Whether values are what overflow gives: inf of the truth's sign; without inf in the format also NaN or ±max."""
    same_sign = np.signbit(computed) == is_negative
    result: Bools = np.isinf(computed) & same_sign
    if not fmt.has_infinity:
        result |= np.isnan(computed) | ((np.abs(computed) == fmt.max) & same_sign)
    return result


def decide_loss(facts: ValueFacts) -> Codes:
    """Return the code of the first row of the table that applies to each loss."""
    return _first_that_applies(
        (facts.is_overflow_result & facts.is_beyond, K.OVERFLOWING_LOSS),
        (facts.is_nan, K.NAN_LOSS),
        (facts.is_inf, K.INF_LOSS),
        (facts.is_missed & facts.is_far, K.WRONG_LOSS),
        (facts.is_missed, K.INACCURATE_LOSS),
        (facts.is_zero & facts.is_lost, K.ZEROED_LOSS),
    )


def decide_gradient(facts: ValueFacts, peaks: PeakFacts) -> Codes:
    """Return the code of the first row of the table that applies to each gradient.

    Entries that hold the overflow result of a truth beyond the format are set aside; the case is overflowing when no
    other entry is NaN or infinite.
    """
    aside = facts.is_overflow_result & facts.is_beyond
    judged = ~aside
    has_nan, has_inf = any_class(facts.is_nan & judged), any_class(facts.is_inf & judged)
    is_all_zero = every_class(facts.is_zero)
    return _first_that_applies(
        (any_class(aside) & ~has_nan & ~has_inf, K.OVERFLOWING_GRADIENT),
        (has_nan, K.NAN_GRADIENT),
        (has_inf, K.INF_GRADIENT),
        (is_all_zero & peaks.above_tolerance & peaks.is_representable, K.VANISHING_GRADIENT),
        (is_all_zero & peaks.above_floor & ~peaks.is_representable, K.UNDERFLOWING_GRADIENT),
        (any_class(facts.is_missed & facts.is_far & judged), K.WRONG_GRADIENT),
        (any_class(facts.is_missed & judged), K.INACCURATE_GRADIENT),
        (any_class(facts.is_zero & facts.is_lost & judged), K.ZEROED_GRADIENT),
    )


def _first_that_applies(*rows: tuple[Bools, FindingKind]) -> Codes:
    codes = np.zeros(rows[0][0].shape, dtype=np.int8)
    for applies, kind in reversed(rows):
        codes[applies] = CODES[kind]
    return codes
