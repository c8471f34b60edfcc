"""Doubtful cases decided in ball arithmetic by the tables of judge.py: no verdict rests on an unproven digit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb

from cestab.audit.rules import Bools, Limits, PeakFacts, ValueFacts, decide_gradient, decide_loss, is_overflow_result
from cestab.numerics.ball import Ball, ExactCase, refine
from cestab.numerics.rounding import FloatArray


class _Ledger:
    """Comparisons of balls: True, False, or undecided, which is noted and answered with False."""

    def __init__(self) -> None:
        self.undecided = False

    def exceeds(self, q: arb, c: arb) -> bool:
        if q > c:
            return True
        if not q <= c:
            self.undecided = True
        return False

    def is_negative(self, q: arb) -> bool:
        return self.exceeds(arb(0), q)


@dataclass(frozen=True)
class ExactDecision:
    """Codes of one case, and whether the loss or the gradient stayed a tie (which raises no finding)."""

    loss_code: int
    gradient_code: int
    is_tie: bool


def decide_exactly(case: ExactCase, loss: float, gradient: FloatArray, limits: Limits) -> ExactDecision:
    """Decide one case: computed loss and gradient (classes,), in the format's storage type."""
    codes = [0, 0]
    ledgers = [_Ledger(), _Ledger()]

    def decide(ball: Ball) -> bool:
        ledgers[:] = _Ledger(), _Ledger()
        codes[0] = int(decide_loss(_loss_facts(loss, gradient.dtype, ball, limits, ledgers[0]))[0])
        facts = _value_facts(gradient, ball.gradient, limits, arb(limits.gradient_floor), ledgers[1])
        codes[1] = int(decide_gradient(facts, _peak_facts(ball.gradient, limits, ledgers[1]))[0])
        return not (ledgers[0].undecided or ledgers[1].undecided)

    is_decided = refine(case, decide)
    loss_code, gradient_code = (0 if ledger.undecided else code for code, ledger in zip(codes, ledgers, strict=True))
    return ExactDecision(loss_code, gradient_code, not is_decided)


def _loss_facts(loss: float, dtype: np.dtype[np.floating], ball: Ball, limits: Limits, ledger: _Ledger) -> ValueFacts:
    computed = np.array([loss], dtype=dtype)
    if ball.loss is not None:
        return _value_facts(computed, [ball.loss], limits, arb(limits.loss_floor), ledger, is_loss=True)
    yes, is_finite = np.ones(1, dtype=np.bool_), np.isfinite(computed)
    overflow = is_overflow_result(computed, ~yes, limits.fmt)
    return ValueFacts(np.isnan(computed), np.isinf(computed), computed == 0, overflow, yes, is_finite, is_finite, yes)


def _value_facts(
    computed: FloatArray, true: Sequence[arb], limits: Limits, floor: arb, ledger: _Ledger, *, is_loss: bool = False
) -> ValueFacts:
    """Facts of shape (values, 1); the comparisons that do not matter for a value are not made."""
    beyond_limit, lost_limit = arb(limits.fmt.max) if math.isinf(limits.beyond) else arb(limits.beyond), arb(limits.lost)
    rtol = arb(limits.rtol)
    rows = []
    for value, x in zip(computed.tolist(), true, strict=True):
        magnitude, is_finite = abs(x), math.isfinite(value)
        error = abs(arb(value) - x) if is_finite else arb(0)
        far = arb(0.1) * (_at_least_one(magnitude) if is_loss else arb(limits.upstream))
        is_missed = is_finite and ledger.exceeds(error, floor + rtol * magnitude)
        rows.append(
            (
                ledger.is_negative(x) if not is_finite or abs(value) == limits.fmt.max else False,
                (not is_finite or abs(value) == limits.fmt.max) and not ledger.exceeds(beyond_limit, magnitude),
                is_missed,
                is_missed and ledger.exceeds(error, far),
                value == 0 and ledger.exceeds(magnitude, lost_limit),
            )
        )
    shape = (-1,) if is_loss else (-1, 1)
    is_negative, beyond, missed, far_off, lost = (_column([row[k] for row in rows], shape) for k in range(5))
    values = computed.reshape(shape)
    overflow = is_overflow_result(values, is_negative, limits.fmt)
    return ValueFacts(np.isnan(values), np.isinf(values), values == 0, overflow, beyond, missed, far_off, lost)


def _at_least_one(x: arb) -> arb:
    return x.max(arb(1))


def _column(values: list[bool], shape: tuple[int, ...]) -> Bools:
    return np.array(values, dtype=np.bool_).reshape(shape)


def _peak_facts(gradient: Sequence[arb], limits: Limits, ledger: _Ledger) -> PeakFacts:
    peak = abs(gradient[0])
    for entry in gradient[1:]:
        peak = peak.max(abs(entry))
    upstream = arb(limits.upstream)
    thresholds = (
        (arb(limits.atol) + arb(limits.rtol)) * upstream,
        arb(limits.atol) * upstream,
        arb(limits.fmt.smallest_subnormal) / 2,
    )
    return PeakFacts(*(_column([ledger.exceeds(peak, c)], (1,)) for c in thresholds))
