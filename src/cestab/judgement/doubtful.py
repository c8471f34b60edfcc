"""Doubtful cases decided in ball arithmetic by the tables of rules.py: no verdict rests on an unproven digit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
from flint import arb

from cestab.judgement.rules import Limits, PeakFacts, ValueFacts, decide_gradient, decide_loss, is_overflow_result
from cestab.numerics.rounding import FloatArray
from cestab.truth.balls import Ball, ExactCase, refine

FACT_NAMES = tuple(field.name for field in fields(ValueFacts))


class _Ledger:
    """Comparisons of balls: True, False, or undecided, which is recorded and returned as False."""

    def __init__(self) -> None:
        self.undecided = False

    def exceeds(self, q: arb, c: arb) -> bool:
        if q > c:
            return True
        if not q <= c:
            self.undecided = True
        return False

    def reaches(self, q: arb, c: arb) -> tuple[bool, bool]:
        """Return whether q ≥ c, and whether that is a tie."""
        if q >= c:
            return True, False
        is_tie = not q < c
        self.undecided |= is_tie
        return False, is_tie


@dataclass(frozen=True, kw_only=True)
class ExactDecision:
    """Codes of one case, and whether the loss or the gradient stayed a tie (which raises no finding)."""

    loss_code: int
    gradient_code: int
    is_tie: bool


def decide_exactly(case: ExactCase, loss: float, gradient: FloatArray | None, limits: Limits) -> ExactDecision:
    """Decide one case: computed loss and gradient (classes,), if there is one, in the format's storage type."""
    codes = [0, 0]
    computed = np.array([loss], dtype=limits.fmt.storage)

    def decide(ball: Ball) -> bool:
        ledger = _Ledger()
        codes[0] = int(decide_loss(_loss_facts(computed, ball, limits, ledger))[0])
        if gradient is None:
            return not ledger.undecided
        far = arb(0.1) * arb(limits.upstream)
        facts = _value_facts(gradient, ball.gradient, limits, arb(limits.gradient_floor), [far] * gradient.size, ledger)
        columns = ValueFacts(**{name: getattr(facts, name).reshape(-1, 1) for name in FACT_NAMES})
        codes[1] = int(decide_gradient(columns, _peak_facts(ball.gradient, limits, ledger))[0])
        return not ledger.undecided

    is_decided = refine(case, decide)
    return ExactDecision(loss_code=codes[0], gradient_code=codes[1], is_tie=not is_decided)


def _loss_facts(computed: FloatArray, ball: Ball, limits: Limits, ledger: _Ledger) -> ValueFacts:
    if ball.loss is not None:
        far = arb(0.1) * abs(ball.loss).max(arb(1))
        return _value_facts(computed, [ball.loss], limits, arb(limits.loss_floor), [far], ledger)
    yes, is_finite = np.ones(1, dtype=np.bool_), np.isfinite(computed)
    overflow = is_overflow_result(computed, ~yes, limits.fmt)
    return ValueFacts(
        is_nan=np.isnan(computed),
        is_inf=np.isinf(computed),
        is_zero=computed == 0,
        is_overflow_result=overflow,
        is_beyond=yes,
        is_missed=is_finite,
        is_far=is_finite,
        is_lost=yes,
    )


def _value_facts(
    computed: FloatArray, true: Sequence[arb], limits: Limits, floor: arb, far: Sequence[arb], ledger: _Ledger
) -> ValueFacts:
    """Facts of shape (values,); the comparisons that do not matter for a value are not made.

    A tie counts as False, which raises no finding; a tie of `is_beyond` leaves the value out of the judgement.
    """
    rtol, threshold = arb(limits.rtol), _exactly(limits.fmt.overflow_threshold)
    rows = []
    for value, x, limit in zip(computed.tolist(), true, far, strict=True):
        magnitude, is_finite = abs(x), math.isfinite(value)
        may_overflow = not is_finite or abs(value) == limits.fmt.max
        is_negative = may_overflow and ledger.exceeds(arb(0), x)
        is_beyond, is_tie = ledger.reaches(magnitude * (1 + rtol), threshold) if may_overflow else (False, False)
        error = abs(arb(value) - x) if is_finite else arb(0)
        is_missed = is_finite and ledger.exceeds(error, floor + rtol * magnitude)
        is_far = is_missed and ledger.exceeds(error, limit)
        is_lost = value == 0 and ledger.exceeds(magnitude, arb(limits.lost))
        overflow = may_overflow and bool(is_overflow_result(np.array(value), np.array(is_negative), limits.fmt))
        facts = (math.isnan(value), math.isinf(value), value == 0, overflow, is_beyond, is_missed, is_far, is_lost)
        rows.append((False,) * len(facts) if is_tie else facts)
    columns = (np.array(column, dtype=np.bool_) for column in zip(*rows, strict=True))
    return ValueFacts(**dict(zip(FACT_NAMES, columns, strict=True)))


def _exactly(x: Fraction) -> arb:
    """Return a fraction whose denominator is a power of two as an exact ball."""
    return arb(x.numerator) / arb(x.denominator)


def _peak_facts(gradient: Sequence[arb], limits: Limits, ledger: _Ledger) -> PeakFacts:
    """Facts of shape (1,); a tie of `is_representable` leaves the kind open, so neither is raised."""
    peak = abs(gradient[0])
    for entry in gradient[1:]:
        peak = peak.max(abs(entry))
    upstream = arb(limits.upstream)
    above_tolerance = ledger.exceeds(peak, (arb(limits.atol) + arb(limits.rtol)) * upstream)
    above_floor = ledger.exceeds(peak, arb(limits.atol) * upstream)
    is_representable = ledger.exceeds(peak, arb(limits.fmt.smallest_subnormal) / 2)
    is_open = above_floor and not is_representable and not peak <= arb(limits.fmt.smallest_subnormal) / 2
    return PeakFacts(
        above_tolerance=np.array([above_tolerance]),
        above_floor=np.array([above_floor and not is_open]),
        is_representable=np.array([is_representable]),
    )
