"""How an explanation shows numbers: those of a format, and exact ones."""

import math

from flint import arb

from cestab.commands.explain.answer import Number
from cestab.numerics.exact_numbers import Exact
from cestab.numerics.formats import Format
from cestab.numerics.rounding import hexadecimal, shortest_decimal

EXACT_DIGITS, GAP_DIGITS = 10, 2
LONGEST = 18  # characters of an exact number: what fits into a line of 80 beside a float64
COMPUTED, UNKNOWN = "computed", "?"


def show_number(value: float, fmt: Format) -> Number:
    """Return a number of the format in the forms in which it is printed."""
    if not math.isfinite(value):
        return Number(value=value, decimal=repr(value), hexadecimal=repr(value))
    return Number(value=value, decimal=shortest_decimal(value, fmt), hexadecimal=hexadecimal(value))


def show_exact(x: Exact, computed: float = math.nan, name: str = COMPUTED) -> str:
    """Return an exact number in ten digits, or in as many as it takes to differ from the computed one.

    Where that is too long, as a distance from the computed one, which is called `name`; `?` where the precision did not
    suffice.
    """
    if not x.is_known:
        return UNKNOWN
    if x.ball is None:
        return repr(x.special)
    gap = x - computed
    if not gap.is_finite or not gap.is_known or gap.is_zero() or x.is_zero():
        return show_ball(x, EXACT_DIGITS)
    shared_bits = max(x.exponent() - gap.exponent(), 0)
    if shared_bits < 4 * LONGEST:
        plain = show_ball(x, max(EXACT_DIGITS, 3 + round(shared_bits * math.log10(2))))
        if len(plain) <= LONGEST:
            return plain
    return f"{name} {'−' if gap.sign() < 0 else '+'} {show_ball(abs(gap), GAP_DIGITS)}"


def show_ball(x: Exact, digits: int) -> str:
    """Return a finite number in digits; far beyond any format by its power of ten alone."""
    assert x.ball is not None, "a finite number"
    if x.is_zero():
        return "0"
    if abs(x.exponent()) > 30_000:
        power = float(arb(x.exponent()) * arb(2).log() / arb(10).log())  # the exponent itself may be beyond a float
        return f"{'-' if x.sign() < 0 else ''}10^{power:.6g}"
    text: str = x.ball.mid().str(digits, radius=False)
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}{e}{exponent}"
