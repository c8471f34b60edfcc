"""Errors in ulps enclosed in ball arithmetic: numbers between which the error is proven to be."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from flint import arb

from cestab.judgement.doubtful import count_entries
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.balls import Ball, ExactCase, refine
from cestab.truth.tiers import SMALLEST

WIDEST = 2.0**-30  # ulps, as far as 4,096 bits bring it


NEAR = arb(2) ** -40  # relative: of a truth so near to a power of two float64 does not tell on which side it is


class Enclosure(NamedTuple):
    """Two numbers between which an error in ulps is, rounded outwards, and two between which float64 may have it.

    Those differ where float64 rounds the truth to a power of two, whose ulp is twice that of the numbers below it, or where it
    is subnormal.
    """

    low: float
    high: float
    least: float
    most: float

    def holds(self, ulps: float, slack: float) -> bool:
        """Whether a figure is one that an honest truth in float64 gives."""
        return self.least - slack <= ulps <= self.most + slack


def enclose_errors(case: ExactCase, loss: float, gradient: FloatArray | None, fmt: Format) -> list[Enclosure | None]:
    """Return the error of the loss, and the largest of the gradient's finite entries; None where no pair is finite."""
    found: list[Enclosure | None] = [None, None]

    def enclose_both(ball: Ball) -> bool:
        found[0] = None if ball.loss is None else _enclose_largest([(loss, ball.loss)], fmt)
        if gradient is not None:
            found[1] = _enclose_largest([(x_hat, x) for x_hat, x, _ in count_entries(gradient, ball.gradient)], fmt)
        return all(own is None or own.high - own.low <= WIDEST * max(1.0, own.high) for own in found)

    refine(case, enclose_both)
    return found


def _enclose_largest(pairs: Sequence[tuple[float, arb]], fmt: Format) -> Enclosure | None:
    errors = [_enclose(x_hat, x, fmt) for x_hat, x in pairs if math.isfinite(x_hat)]
    return Enclosure(*(max(ends) for ends in zip(*errors, strict=True))) if errors else None


def _enclose(computed: float, true: arb, fmt: Format) -> Enclosure:
    """Return |x̂ − x|/ulp(x), the ulp of the exact x, at least that of the smallest normal number."""
    error, magnitude = abs(arb(computed) - true), abs(true)
    low, high = _divide(error, magnitude, fmt)
    least, most = _divide(error + arb(0, SMALLEST), magnitude * arb(1, NEAR), fmt)
    return Enclosure(low, high, least, most)


def _divide(error: arb, magnitude: arb, fmt: Format) -> tuple[float, float]:
    ulps = [_ulp(end, fmt) for end in (magnitude.abs_lower(), magnitude.abs_upper())]
    low, high = error.abs_lower() / max(ulps), error.abs_upper() / min(ulps)
    return math.nextafter(float(low.lower()), -math.inf), math.nextafter(float(high.upper()), math.inf)


def _ulp(x: arb, fmt: Format) -> float:
    """Return the ulp of a number that a ball holds exactly."""
    if x < fmt.smallest_normal:
        return fmt.smallest_subnormal
    mantissa, exponent = x.mid().man_exp()
    return math.ldexp(1.0, int(exponent) + int(mantissa).bit_length() - fmt.precision)
