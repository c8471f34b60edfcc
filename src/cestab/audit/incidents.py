"""What an operation did to one entry of its result: its cause by name, and in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from cestab.numerics.exact import Exact
from cestab.numerics.formats import Format
from cestab.numerics.tape import ADD_GUARD, STOPPED
from cestab.results import Cause

SUM = "Σ {}"
_SUMS = ("{} + {}", "{} − {}", SUM, "{} − 1 at the target")
_HARMLESS_ULPS = 1.0  # a cancellation that leaves no larger error revealed none


@dataclass(frozen=True)
class Step:
    """One entry of an operation's result.

    `operands` are the computed numbers that it is made of; `local` its result from them without rounding, `exact` that of
    the computation without rounding; `error_ulps` the computed result's error against `exact` (NaN if there is none).
    """

    operation: str
    operands: Sequence[float]
    computed: float
    local: Exact
    exact: Exact
    error_ulps: float
    fmt: Format


def find_incident(step: Step) -> tuple[Cause | None, str]:
    """Return the cause of the largest harm that the operation did, None if it did none, and words for it."""
    for look in (_look_at_special, _look_at_guard, _look_at_zero, _look_at_sum, _look_at_rounding):
        found = look(step)
        if found is not None:
            return found
    return None, ""


def is_origin(step: Step) -> bool:
    """Whether the operation made most of the entry's error itself: from right operands, or by a clip or an epsilon."""
    cause, _ = find_incident(step)
    if cause in (None, Cause.CANCELLATION):
        return False
    if cause is Cause.CLIPPED:
        return True
    if not step.local.is_finite or not step.exact.is_finite:
        return not step.exact.is_finite  # not even the exact computation has a result
    carried = abs(step.local - step.exact)
    return carried <= 0.5 * abs(step.exact - step.computed if math.isfinite(step.computed) else step.exact)


def measure_ulps(computed: float, exact: Exact, fmt: Format) -> float:
    """Return |computed − exact| in ulps of the format at the exact value; NaN where one is not finite."""
    if not math.isfinite(computed) or exact.ball is None:
        return math.nan
    exponent = fmt.min_exponent if exact.is_zero() else max(fmt.min_exponent, exact.exponent())
    return float(abs(arb(computed) - exact.ball) / arb(2) ** (exponent - fmt.precision + 1))


def _look_at_special(step: Step) -> tuple[Cause | None, str] | None:
    """NaN, ±inf, and the largest number where it is what overflow gives."""
    local, fmt = step.local, step.fmt
    is_saturated = abs(step.computed) == fmt.max and abs(local) > fmt.max
    if math.isfinite(step.computed) and not is_saturated:
        return None
    if local.is_finite or is_saturated:
        return Cause.OVERFLOW, f"overflow: {fmt.name} ends at {fmt.max:.4g}"
    if local.cause is None:
        return None, f"carries {step.computed:g} on"
    return Cause(local.cause), _spell(step)


def _spell(step: Step) -> str:
    """Return the operation that has no finite result in numbers."""
    if step.operation.startswith("log"):
        return "log of 0"
    if step.operation == "{} / {}":
        return " / ".join(f"{operand:g}" for operand in step.operands)
    return {Cause.ZERO_TIMES_INFINITY: "0 × inf", Cause.INFINITY_MINUS_INFINITY: "inf − inf"}[Cause(step.local.cause or "")]


def _look_at_guard(step: Step) -> tuple[Cause | None, str] | None:
    """A clip or an epsilon that changed its operand by more than an ulp."""
    is_clip, is_stop = step.operation.startswith("clip("), step.operation == STOPPED
    if not (is_clip or is_stop or step.operation == ADD_GUARD):
        return None
    before = step.operands[0]
    if step.computed == before or step.error_ulps <= _HARMLESS_ULPS:
        return None
    if is_stop:
        return Cause.CLIPPED, "the clip lets no gradient pass"
    return Cause.CLIPPED, f"clipped from {before:.4g}" if is_clip else f"eps takes the place of {before:.4g}"


def _look_at_zero(step: Step) -> tuple[Cause | None, str] | None:
    if step.local in (0.0, step.computed):
        return None
    if step.computed == 0:
        return Cause.UNDERFLOW, "underflow to 0"
    if abs(step.computed) < step.fmt.smallest_normal:
        return Cause.UNDERFLOW, "underflow: subnormal, digits are lost"
    return None


def _look_at_sum(step: Step) -> tuple[Cause | None, str] | None:
    """Absorption of a small operand by a large one or by partial sums, and cancellation that shows what was lost before."""
    if step.operation not in _SUMS:
        return None
    operands = [abs(operand) for operand in step.operands if operand != 0]
    largest = max(operands, default=0.0)
    if abs(step.computed) == largest and step.local != step.computed:
        drowned = max((x for x in operands if x < largest), default=largest)
        return Cause.ABSORPTION, f"absorption: {drowned:.3g} is lost in {largest:.4g}"
    if step.operation == SUM and abs(step.local - step.computed) > 0.25 * abs(step.local):
        return Cause.ABSORPTION, "absorption: terms are lost in partial sums"
    if largest and abs(step.computed) <= largest / 10 and not step.error_ulps <= _HARMLESS_ULPS:
        digits = round(math.log10(largest / abs(step.computed))) if step.computed else 0
        lost = f"{digits} digit{'s' * (digits > 1)}" if digits else "every digit"
        return Cause.CANCELLATION, f"cancellation of {lost}"
    return None


def _look_at_rounding(step: Step) -> tuple[Cause | None, str] | None:
    return None if step.local == step.computed else (Cause.ROUNDING, "")
