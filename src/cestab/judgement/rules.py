"""The rules of judgement: the constants of a setting, and the two tables of findings.

Which rows of a table apply is found for whole blocks in judge.py, and for single doubtful cases, in ball arithmetic, in
doubtful.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.vocabulary.kinds import FindingKind

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

K = FindingKind
KINDS = tuple(kind for kind in FindingKind if not kind.is_fact)
CODES: Mapping[FindingKind, int] = {kind: code for code, kind in enumerate(KINDS, start=1)}
TENTH = Fraction(1, 10)  # of a gradient or a loss: more is wrong


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The constants of the tables for one format, tolerance and upstream factor U.

    `multiplier`: how many rows' losses the loss adds
    up. A loss of `largest_loss` or more, times the loss scale, is beyond the compute format.
    """

    fmt: Format
    rtol: float
    atol: float
    upstream: float
    multiplier: int = 1
    largest_loss: float = math.inf
    flush_subnormals: bool = False

    @property
    def smallest(self) -> float:
        """The smallest positive number that a result can be."""
        return self.fmt.smallest_normal if self.flush_subnormals else self.fmt.smallest_subnormal

    def loss_floor(self, gradient_scale: Doubles | float) -> Doubles:
        """Return the error that every loss may have."""
        return np.maximum(self.atol * self.multiplier * gradient_scale, self.smallest)

    def gradient_floor(self, gradient_scale: Doubles | float) -> Doubles:
        """Return the error that every gradient entry may have."""
        return np.maximum(self.atol * self.upstream * gradient_scale, self.smallest)

    @property
    def least_norm(self) -> float:
        """φ/(s·U): gradients of a smaller norm count as φ."""
        return min(1.0, max(64 * self.fmt.unit_roundoff, 2.0**-14))

    @cached_property
    def beyond(self) -> Fraction:
        """Magnitudes from which (1 + 4u)·|x| overflows the format: there a computed inf or NaN is set aside."""
        return self.fmt.overflow_threshold / (1 + 4 * Fraction(self.fmt.unit_roundoff))


class LossFacts(NamedTuple):
    """Which rows of the table of losses apply, (cases,) each, in its order."""

    is_nan: Bools
    is_inf: Bools
    is_wrong: Bools
    is_aside: Bools
    is_negative: Bools
    is_missed: Bools
    is_zeroed: Bools


class GradientFacts(NamedTuple):
    """Which rows of the table of gradients apply, (cases,) each, in its order."""

    has_nan: Bools
    has_inf: Bools
    is_vanishing: Bools
    is_wrong: Bools
    has_aside: Bools
    is_underflowing: Bools
    is_missed: Bools
    is_zeroed: Bools


Facts = LossFacts | GradientFacts
LOSS_KINDS = tuple(kind for kind in KINDS if kind.is_loss)
GRADIENT_KINDS = tuple(kind for kind in KINDS if not kind.is_loss)


class Decision(NamedTuple):
    """Codes of the kinds of cases: of the first row that applies, and of the first hard one (0 for none)."""

    codes: Codes
    outcomes: Codes


def decide(facts: Facts) -> Decision:
    """Return the first rows of the facts' table that apply to each case."""
    kinds = LOSS_KINDS if isinstance(facts, LossFacts) else GRADIENT_KINDS
    codes = np.zeros(facts[0].shape, dtype=np.int8)
    outcomes = codes.copy()
    for applies, kind in reversed(list(zip(facts, kinds, strict=True))):
        codes[applies] = CODES[kind]
        if kind.is_hard:
            outcomes[applies] = CODES[kind]
    return Decision(codes, outcomes)


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
