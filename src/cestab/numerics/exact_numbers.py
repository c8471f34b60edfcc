"""Exact numbers in NumPy arrays: balls of some hundred bits that record what made an infinity or a NaN.

A formulation runs on object arrays of them unchanged, because NumPy's functions of objects call the methods of that name.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Union

import numpy as np
import numpy.typing as npt
from flint import arb, fmpz

from cestab.numerics.arithmetic import Arithmetic, sum_pairwise
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray


class Special(StrEnum):
    """What makes an infinity or a NaN out of exact arithmetic."""

    DIVISION_BY_ZERO = "division-by-zero"
    ZERO_TIMES_INFINITY = "zero-times-infinity"
    INFINITY_MINUS_INFINITY = "infinity-minus-infinity"


Operand = Union["Exact", float]


class Exact:
    """A real number (a ball, of the precision that is current when it is computed), an infinity or a NaN.

    `ball` holds a finite number, `special` is NaN or ±inf otherwise; `cause` says what made it, None where it was given.
    """

    __slots__ = ("ball", "cause", "special")

    def __init__(self, value: arb | float, cause: Special | None = None) -> None:
        finite = isinstance(value, arb) or math.isfinite(value)
        self.ball: arb | None = (value if isinstance(value, arb) else arb(value)) if finite else None
        self.special: float = 0.0 if finite else float(value)
        self.cause = cause

    @property
    def is_finite(self) -> bool:
        return self.ball is not None

    @property
    def is_nan(self) -> bool:
        return math.isnan(self.special)

    @property
    def is_known(self) -> bool:
        """Whether the precision sufficed: no NaN that nothing made, no ball about 0 that may be 0 or not."""
        return not (self.is_nan and self.cause is None) and not self._is_vague

    @property
    def _is_vague(self) -> bool:
        return self.ball is not None and self.ball.contains(0) and not self.ball.is_zero()

    def is_zero(self) -> bool:
        """Whether it is 0 and nothing else."""
        return self.ball is not None and self.ball.is_zero()

    def sign(self) -> float:
        """Return −1.0, 0.0 or 1.0 for a finite number, else the number itself: what IEEE 754's special cases depend on."""
        if self.ball is None:
            return self.special
        return float(self.ball.mid() > 0) - float(self.ball.mid() < 0)

    def exponent(self) -> int:
        """Return ⌊log2 |x|⌋ of a finite number that is not 0."""
        assert self.ball is not None, "a finite number"
        mantissa, exponent = self.ball.mid().man_exp()
        return int(abs(fmpz(mantissa))).bit_length() + int(exponent) - 1

    def exp(self) -> "Exact":
        if self.ball is None:
            return Exact(0.0) if self.special < 0 else Exact(self.special, self.cause)
        return _checked(self.ball.exp())

    def expm1(self) -> "Exact":
        if self.ball is None:
            return Exact(-1.0) if self.special < 0 else Exact(self.special, self.cause)
        return _checked(self.ball.expm1())

    def log(self) -> "Exact":
        return self._logarithm(0.0, arb.log)

    def log1p(self) -> "Exact":
        return self._logarithm(-1.0, arb.log1p)

    def _logarithm(self, pole: float, function: Callable[[arb], arb]) -> "Exact":
        """Return a function that is −inf at its pole and NaN below."""
        if self.ball is None:
            return Exact(math.nan) if self.special < 0 else Exact(self.special, self.cause)
        above = self.ball - pole
        if above.is_zero():
            return Exact(-math.inf, Special.DIVISION_BY_ZERO)
        return Exact(math.nan) if above < 0 else _checked(function(self.ball))

    def __neg__(self) -> "Exact":
        return Exact(-self.special, self.cause) if self.ball is None else Exact(-self.ball)

    def __abs__(self) -> "Exact":
        return Exact(abs(self.special), self.cause) if self.ball is None else Exact(abs(self.ball))

    def __add__(self, other: Operand) -> "Exact":
        other = to_exact(other)
        if self.ball is not None and other.ball is not None:
            return _checked(self.ball + other.ball)
        return _special(self, other, self.sign() + other.sign(), Special.INFINITY_MINUS_INFINITY)

    def __mul__(self, other: Operand) -> "Exact":
        other = to_exact(other)
        if self.ball is not None and other.ball is not None:
            return _checked(self.ball * other.ball)
        if self._is_vague or other._is_vague:
            return Exact(math.nan)  # it may be inf·0 or ±inf
        return _special(self, other, self.sign() * other.sign(), Special.ZERO_TIMES_INFINITY)

    def __truediv__(self, other: Operand) -> "Exact":
        other = to_exact(other)
        if other._is_vague:
            return Exact(math.nan)
        if other.is_zero():
            quotient = math.nan if self.sign() == 0 or self.is_nan else math.copysign(math.inf, self.sign())
            return _special(self, other, quotient, Special.DIVISION_BY_ZERO)
        if self.ball is not None and other.ball is not None:
            return _checked(self.ball / other.ball)
        quotient = math.nan if math.isinf(self.sign()) and math.isinf(other.sign()) else self.sign() / other.sign()
        return _special(self, other, quotient, Special.ZERO_TIMES_INFINITY)  # inf/inf is inf·0

    def __pow__(self, exponent: float) -> "Exact":
        if exponent == 0:
            return Exact(1.0)
        if self.is_zero():
            return Exact(0.0) if exponent > 0 else Exact(math.inf, Special.DIVISION_BY_ZERO)
        if self.ball is None:
            return Exact(self.special, self.cause) if exponent > 0 or self.is_nan else Exact(0.0)
        return _checked(self.ball ** arb(exponent))

    def __sub__(self, other: Operand) -> "Exact":
        return self + -to_exact(other)

    def __radd__(self, other: float) -> "Exact":
        return self + other

    def __rmul__(self, other: float) -> "Exact":
        return self * other

    def __rsub__(self, other: float) -> "Exact":
        return Exact(other) - self

    def __rtruediv__(self, other: float) -> "Exact":
        return Exact(other) / self

    def __lt__(self, other: Operand) -> bool:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Operand) -> bool:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Operand) -> bool:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Operand) -> bool:
        return self._compare(other, lambda a, b: a >= b)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact | float | int) and self._compare(other, lambda a, b: a == b)

    __hash__ = None  # type: ignore[assignment]  # two balls may be equal without being the same

    def _compare(self, other: Operand, holds: Callable[[Any, Any], bool]) -> bool:
        """Compare the centres of balls; compare with an infinity or a NaN as IEEE 754 does."""
        other = to_exact(other)
        if self.ball is not None and other.ball is not None:
            return bool(holds(self.ball.mid(), other.ball.mid()))
        return bool(holds(self.sign(), other.sign()))


def to_exact(x: Operand) -> Exact:
    """Return a number as an Exact."""
    return x if isinstance(x, Exact) else Exact(float(x))


def _checked(ball: arb) -> Exact:
    """Return a result as an Exact; NaN where the precision did not suffice, so that its ball is unbounded."""
    return Exact(ball) if ball.is_finite() else Exact(math.nan)


def _special(a: Exact, b: Exact, value: float, cause: Special) -> Exact:
    """Return the result of an operation that is not finite or has such an operand; the operand's cause is kept."""
    if a.is_nan or b.is_nan:
        return Exact(math.nan, a.cause if a.is_nan else b.cause)
    if math.isnan(value) or (a.is_finite and b.is_finite):
        return Exact(value, cause)
    return Exact(value, b.cause if a.is_finite else a.cause)


def to_exact_array(x: npt.NDArray[Any]) -> FloatArray:
    """Return numbers as an object array of Exact."""
    exact: npt.NDArray[Any] = np.empty(np.shape(x), dtype=object)
    exact.reshape(-1)[:] = to_exact_list(np.asarray(x, dtype=object))
    return exact


def to_exact_list(x: npt.NDArray[Any]) -> list[Exact]:
    """Return the entries of an array as Exact."""
    return [to_exact(item) for item in x.reshape(-1)]


def round_exact(x: Exact, fmt: Format) -> float:
    """Return RN(x), or for a narrow format a float64 that rounds to it: to odd, as in rounding.py."""
    if x.ball is None:
        return x.special
    if x.ball.contains(0):
        return 0.0
    number = x.ball.mid()
    nearest = float(number)
    if fmt.bits == 64 or not 0 < abs(nearest) < math.inf or number == nearest or np.float64(nearest).view(np.uint64) & 1:
        return nearest
    return math.nextafter(nearest, math.inf if number > nearest else -math.inf)


@dataclass(frozen=True, kw_only=True)
class MixedArithmetic(Arithmetic):
    """The format's arithmetic, for values among which some are exact: whatever is computed from them is rounded."""

    def round(self, x: FloatArray) -> FloatArray:
        if x.dtype != object:
            return super().round(x)
        items: npt.NDArray[Any] = x.reshape(-1)
        return super().round(np.array([round_exact(to_exact(item), self.fmt) for item in items]).reshape(x.shape))


@dataclass(frozen=True, kw_only=True)
class ExactArithmetic(Arithmetic):
    """No rounding; without guards (clips, epsilons) unless `is_guarded`, where constants are those of the format."""

    is_guarded: bool = False

    @property
    def has_guards(self) -> bool:
        return self.is_guarded

    @property
    def precision_bits(self) -> int:
        """Bits that leave p digits of anything of order 1 that the format could hold, after subtracting it from 1."""
        return 2 * self.fmt.precision + 128 + max(self.fmt.max_exponent, -math.frexp(self.fmt.smallest_subnormal)[1])

    def round(self, x: FloatArray) -> FloatArray:
        return x

    def weigh(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the products; without guards, a weight of 0 gives 0 even with −inf: the truth skips such classes."""
        product: npt.NDArray[Any] = super().weigh(x, weights)
        if not self.is_guarded:
            product[weights == 0] = Exact(0.0)
        return product

    def constant(self, x: float) -> FloatArray:
        return to_exact_array(super().constant(x) if self.is_guarded else np.array(x))

    def sum(self, x: FloatArray) -> FloatArray:
        return np.asarray(sum_pairwise(x), dtype=object)

    def sum_once(self, x: FloatArray) -> FloatArray:
        return self.sum(to_exact_array(x))

    def reduce_rows(self, x: FloatArray, rows: int, *, is_mean: bool) -> FloatArray:
        return x if is_mean else x * float(rows)
