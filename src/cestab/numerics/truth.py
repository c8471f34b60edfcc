"""Truth: the exact loss and gradient at the rounded logits, evaluated without cancellation, with a proven error bound.

Two tiers of one code: float64, enough to judge every format (a relative error of 2^-43 against tolerances of 1e-7
and more), and quadruple precision, for the errors in ulps of float64. What a bound leaves open is decided in ball.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy_quaddtype import QuadPrecDType

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.results import Objective

Wide = npt.NDArray[Any]  # float64 or quadruple precision, which mypy does not know

# Relative bound of the float64 tier, u = 2^-53: z_j − m rounds by u, which exp turns into |z_j − m|·u ≤ 746u before it
# underflows; exp, log1p and the division add at most 8u each, the pairwise sum log2(classes)·u ≤ 40u. 1024u covers it.
FLOAT64_BOUND = 2.0**-43
# The same for quadruple precision, u = 2^-113: |z_j − m| ≤ 11357 before exp underflows, so 2^14·u; and the split into
# two float64 costs 2^-106.
QUAD_BOUND = 2.0**-98
SMALLEST = 2.0**-1074


@dataclass(frozen=True)
class Truth:
    """Loss (cases,) and upstream·gradient (classes, cases), each value + low within its bound of the exact number.

    |error of the loss| ≤ relative·loss + absolute; |error of a gradient entry| ≤ relative·scale + absolute, where scale is
    the sum of the magnitudes that were subtracted (|gradient| itself for an index target, where nothing is).
    A loss of inf is exact (the target's class is masked) or beyond float64.
    """

    loss: npt.NDArray[np.float64]
    gradient: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    loss_low: npt.NDArray[np.float64] | None
    gradient_low: npt.NDArray[np.float64] | None
    relative: float
    absolute: float

    def sharpened(self, precision: int, evaluate: Callable[[npt.NDArray[np.bool_]], "Truth"]) -> "Truth":
        """Return this truth with the gradients that cancel by more than the format's p digits leave room for replaced.

        `evaluate` returns the better truth of a subset of the cases. The stated bounds stay those of this truth.
        """
        room = 2.0 ** (-precision - 10) / self.relative
        cancels = np.logical_or.reduce(np.abs(self.scale) > room * np.abs(self.gradient), axis=0)
        if not cancels.any():
            return self
        better = evaluate(cancels)
        gradient, low = self.gradient.copy(), np.zeros_like(self.gradient)
        gradient[:, cancels], low[:, cancels] = better.gradient, better.gradient_low
        return replace(self, gradient=gradient, gradient_low=low)


def evaluate_truth(objective: Objective, logits: FloatArray, target: Target, upstream: float, *, precise: bool) -> Truth:
    """Return the truth at `logits` (classes, cases), finite or −inf, at least one finite per case.

    precise: in quadruple precision (relative error 2^-98), else in float64 (2^-43).
    """
    z: Wide = logits.astype(QuadPrecDType() if precise else np.float64, order="C")
    with np.errstate(all="ignore"):
        if objective is Objective.BINARY_CROSS_ENTROPY:
            assert isinstance(target, DenseTarget), "a binary label is a weight"
            loss, gradient, scale = _binary(z, target.weights.astype(z.dtype))
        elif isinstance(target, IndexTarget) and len(z) == 2:
            loss, gradient, scale = _two_classes(z, target)
        elif isinstance(target, IndexTarget):
            loss, gradient, scale = _softmax_index(z, target)
        else:
            loss, gradient, scale = _softmax_dense(z, target.weights.astype(z.dtype))
        if upstream != 1.0:
            scaled = gradient * upstream
            gradient, scale = scaled, scaled if scale is gradient else scale * upstream
        # float64: every exp, product and sum may underflow; quadruple precision: only the split into float64 does
        absolute = SMALLEST if precise else 4 * len(z) * SMALLEST * max(1.0, upstream)
        return _package(loss, gradient, scale, absolute=absolute, precise=precise)


def _package(loss: Wide, gradient: Wide, scale: Wide, *, absolute: float, precise: bool) -> Truth:
    if not precise:
        return Truth(loss, gradient, scale, None, None, FLOAT64_BOUND, absolute)
    loss_high, loss_low = _split(loss)
    high, low = _split(gradient)
    return Truth(loss_high, high, high if scale is gradient else scale.astype(np.float64), loss_low, low, QUAD_BOUND, absolute)


def _split(x: Wide) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return x as the sum of two float64, the second 0 where the first is infinite."""
    high = x.astype(np.float64)
    low = (x - high.astype(x.dtype)).astype(np.float64)
    return high, np.where(np.isfinite(high), low, 0.0)


def _softmax_parts(z: Wide) -> tuple[Wide, Wide, Wide, Wide]:
    """Return m, exp(z − m), S = Σ over all but one maximum of exp(z − m), and log1p(S)."""
    peak = np.max(z, axis=0)
    exponentials = np.exp(z - peak)
    is_peak = z == peak
    rest = sum_pairwise(exponentials * ~is_peak) + (np.count_nonzero(is_peak, axis=0) - 1)
    return peak, exponentials, rest, np.log1p(rest)


def _softmax_index(z: Wide, target: IndexTarget) -> tuple[Wide, Wide, Wide]:
    """Loss = (m − z_t) + log1p(S); g_j = p_j, g_t = −Σ of the others = −(S or 1 + (S − e_t))/(1 + S)."""
    peak, exponentials, rest, log_rest = _softmax_parts(z)
    z_target = target.pick(z)
    share = 1.0 / (rest + 1.0)
    gradient = exponentials * share
    others = np.where(z_target == peak, rest, (rest - target.pick(exponentials)) + 1.0)
    gradient.reshape(-1)[target.flat] = -(others * share)
    return (peak - z_target) + log_rest, gradient, gradient


def _two_classes(z: Wide, target: IndexTarget) -> tuple[Wide, Wide, Wide]:
    """The same for two classes in half of the time: with d = z_other − z_t, loss = max(d, 0) + log1p(exp(−|d|))."""
    is_first = target.index == 0
    gap = z[1] - z[0]
    rest = np.exp(-np.abs(gap))
    share = 1.0 / (rest + 1.0)
    is_wrong = (gap > 0) == is_first  # the other class is the larger one; of equal ones it does not matter
    other = np.where(is_wrong, share, rest * share)
    loss = np.where(is_wrong, np.abs(gap), np.zeros_like(gap)) + np.log1p(rest)
    gradient = np.empty_like(z)
    np.copyto(gradient[0], np.where(is_first, -other, other))
    np.negative(gradient[0], out=gradient[1])
    return loss, gradient, gradient


def _softmax_dense(z: Wide, weights: Wide) -> tuple[Wide, Wide, Wide]:
    """Loss = Σ_{y_j ≠ 0} y_j·(m − z_j) + Y·log1p(S); g_j = Y·p_j − y_j, Y = Σ y."""
    peak, exponentials, rest, log_rest = _softmax_parts(z)
    total = sum_pairwise(weights)
    gaps = np.where(weights == 0, weights, weights * (peak * 0.5 - z * 0.5))  # halves, as the difference may overflow
    expected = exponentials * (total / (rest + 1.0))
    return 2.0 * sum_pairwise(gaps) + total * log_rest, expected - weights, expected + weights


def _binary(x: Wide, y: Wide) -> tuple[Wide, Wide, Wide]:
    """Loss = y·softplus(−x) + (1 − y)·softplus(x); g = (1 − y)·σ(x) − y·σ(−x)."""
    tail = np.exp(-np.abs(x))
    log_tail = np.log1p(tail)
    share = 1.0 / (tail + 1.0)
    is_positive = x >= 0
    rising = np.where(is_positive, share, tail * share)
    falling = np.where(is_positive, tail * share, share)
    zero = x * 0
    not_y = 1.0 - y
    loss = y * (np.maximum(-x, zero) + log_tail) + not_y * (np.maximum(x, zero) + log_tail)
    up, down = not_y * rising, y * falling
    return loss[0], up - down, up + down
