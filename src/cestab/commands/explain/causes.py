"""What an operation did to one entry of its result: its cause by name, and in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from cestab.commands.explain.answer import Cause
from cestab.numerics.exact_numbers import Exact
from cestab.numerics.formats import Format
from cestab.numerics.operations import LOG, LOG1P, STOPPED
from cestab.numerics.rounding import round_number, shortest_decimal
from cestab.numerics.tape import DIVIDE, SUM, Primitive

_ONE_ROUNDING_ULPS = 1.0  # half an ulp, or a whole one just below a power of two
_HARMLESS_ULPS = 1.0  # a cancellation that leaves no larger error revealed none


@dataclass(frozen=True, kw_only=True)
class Step:
    """One entry of an operation's result.

    `operands` are the computed numbers that it is made of; `has_right_operands` says, where `local` is not finite, whether all
    of them are exact. `local` is the operation's result from them without rounding, `exact` that of a computation without any;
    `error_ulps` the computed result's error against `exact` (NaN if there is none).
    """

    operation: Primitive
    operands: Sequence[float]
    has_right_operands: bool
    computed: float
    local: Exact
    exact: Exact
    error_ulps: float
    fmt: Format


def find_incident(step: Step) -> tuple[Cause | None, str]:
    """Return the cause of the largest harm that the operation did, None if it did none, and words for it."""
    for look in (_look_at_special, _look_at_guard, _look_at_zero, _look_at_sum, _look_at_rows, _look_at_rounding):
        incident = look(step)
        if incident is not None:
            return incident
    return None, ""


def is_origin(step: Step) -> bool:
    """Whether the operation made at least as much of the entry's error as its operands carried into it."""
    cause, _ = find_incident(step)
    if cause in (None, Cause.CANCELLATION) or not step.exact.is_known:
        return False
    if cause is Cause.CLIPPED:
        return True
    if not step.local.is_finite or not step.exact.is_finite:
        # not even the exact computation has a result, or it has one by the truth's convention for weights of 0
        return not step.exact.is_finite or step.has_right_operands
    carried = abs(step.local - step.exact)
    if not math.isfinite(step.computed):
        return carried <= 0.5 * abs(step.exact)
    made, error = abs(step.local - step.computed), abs(step.exact - step.computed)
    return carried <= made <= 2.0 * error  # where two errors cancel, neither is to blame


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
        return None, f"carries {step.computed} on"
    return Cause(local.cause), _show_operation(step)


def _show_operation(step: Step) -> str:
    """Return in numbers an operation that has no finite result."""
    if step.operation in (LOG, LOG1P):
        return "log of 0"
    if step.operation == DIVIDE:
        return " / ".join(_show_number(operand, step.fmt) for operand in step.operands)
    return _WORDS[Cause(step.local.cause or "")]


_WORDS = {
    Cause.ZERO_TIMES_INFINITY: "0 × inf",
    Cause.INFINITY_MINUS_INFINITY: "inf − inf",
    Cause.DIVISION_BY_ZERO: "division by 0",  # a power below 0 of it
}


def _look_at_guard(step: Step) -> tuple[Cause | None, str] | None:
    """A clip or an epsilon that changed its operand by more than an ulp."""
    if not step.operation.is_guard:
        return None
    before = step.operands[0]
    if step.computed == before or step.error_ulps <= _HARMLESS_ULPS:
        return None
    if step.operation == STOPPED:
        return Cause.CLIPPED, "the clip lets no gradient pass"
    return (
        Cause.CLIPPED,
        f"{'clipped from' if step.operation.is_clip else 'eps takes the place of'} {_show_number(before, step.fmt)}",
    )


def _look_at_zero(step: Step) -> tuple[Cause | None, str] | None:
    if step.local in (0.0, step.computed) or not step.local.is_known:
        return None
    if step.computed == 0:
        return Cause.UNDERFLOW, "underflow to 0"
    if abs(step.computed) < step.fmt.smallest_normal:
        return Cause.UNDERFLOW, "underflow: subnormal, digits are lost"
    return None


def _look_at_sum(step: Step) -> tuple[Cause | None, str] | None:
    """Absorption of a small operand by a large one or by partial sums, and cancellation that reveals an earlier error."""
    if not step.operation.is_sum:
        return None
    operands = [abs(operand) for operand in step.operands if operand != 0]
    largest = max(operands, default=0.0)
    if abs(step.computed) == largest and step.local != step.computed:
        drowned = max((x for x in operands if x < largest), default=largest)
        return Cause.ABSORPTION, f"absorption: {_show_number(drowned, step.fmt)} is lost in {_show_number(largest, step.fmt)}"
    if step.operation == SUM and measure_ulps(step.computed, step.local, step.fmt) > _ONE_ROUNDING_ULPS:
        total = abs(step.computed)
        absorbed = [x for x in set(operands) if round_number(total + x, step.fmt) == total]
        if absorbed:
            return (
                Cause.ABSORPTION,
                f"absorption: {_show_number(max(absorbed), step.fmt)} is lost in {_show_number(total, step.fmt)}",
            )
        if abs(step.local - step.computed) > 0.25 * abs(step.local):
            return Cause.ABSORPTION, "absorption: terms are lost in partial sums"
    if largest and abs(step.computed) <= largest / 10 and not step.error_ulps <= _HARMLESS_ULPS:
        digits = round(math.log10(largest / abs(step.computed))) if step.computed else 0
        lost = f"{digits} digit{'s' * (digits > 1)}" if digits else "every digit"
        return Cause.CANCELLATION, f"cancellation of {lost}"
    return None


def _look_at_rows(step: Step) -> tuple[Cause | None, str] | None:
    """Absorption of the rows of a batch by partial sums."""
    if not step.operation.adds_rows or measure_ulps(step.computed, step.local, step.fmt) <= _ONE_ROUNDING_ULPS:
        return None
    return Cause.ABSORPTION, "absorption: rows are lost in partial sums"


def _look_at_rounding(step: Step) -> tuple[Cause | None, str] | None:
    return None if step.local == step.computed or not step.local.is_known else (Cause.ROUNDING, "")


def _show_number(x: float, fmt: Format) -> str:
    """Return a number as the table of an explanation has it."""
    return shortest_decimal(x, fmt) if math.isfinite(x) else repr(x)
