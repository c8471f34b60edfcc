"""Truth: the exact loss and gradient at the rounded logits, evaluated without cancellation, with a proven error bound.

Two tiers of one code: float64, enough to judge every format (a relative error of 2^-43 against tolerances of 1e-7
and more), and quadruple precision, for the errors in ulps of float64. What a bound leaves open is decided in balls (balls.py).
The formulas of each objective, and what they do to the bound, are in objectives/.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy_quaddtype import QuadPrecDType

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import IndexTarget, Target
from cestab.truth.objectives import TRUTHS, Parts, Wide
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions
from cestab.vocabulary.objectives import Objective

# Relative bound of the float64 tier, u = 2^-53: z_j − m rounds by u, which exp turns into |z_j − m|·u ≤ 746u before it
# underflows; exp, log1p and the division add at most 8u each, the pairwise sum log2(classes)·u ≤ 40u. 1024u covers it.
FLOAT64_BOUND = 2.0**-43
# The same for quadruple precision, u = 2^-113: |z_j − m| ≤ 11357 before exp underflows, so 2^14·u; and the split into
# two float64 costs 2^-106.
QUAD_BOUND = 2.0**-98
SMALLEST = 2.0**-1074


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Loss (cases,) and upstream·gradient (classes, cases), each value + low within its bound of the exact number.

    |error of the loss| ≤ relative·loss_scale + absolute; |error of a gradient entry| ≤ relative·scale + absolute, where the
    scales are the sums of the magnitudes that were subtracted (the arrays of the values themselves where nothing is).
    A loss of inf is exact where it is `masked`, as the target's class is, else beyond float64; where `masked` is None only
    balls tell. `gradient_scale` (cases,) is s, about the largest gradient entry of a row before the upstream factor, as
    rounded to float64. Vague values are known to no tenth of an ulp.
    """

    loss: npt.NDArray[np.float64]
    loss_scale: npt.NDArray[np.float64]
    gradient: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    loss_low: npt.NDArray[np.float64] | None
    gradient_low: npt.NDArray[np.float64] | None
    gradient_scale: npt.NDArray[np.float64]
    masked: npt.NDArray[np.bool_] | None
    relative: float
    absolute: float
    loss_vague: npt.NDArray[np.bool_] | None = None
    vague: npt.NDArray[np.bool_] | None = None

    @cached_property
    def norm(self) -> npt.NDArray[np.float64]:
        """‖g‖₁ of each case."""
        return sum_pairwise(np.abs(self.gradient)).astype(np.float64, copy=False)

    @property
    def cancels(self) -> bool:
        """Whether anything was subtracted, so that values may be much smaller than their scales."""
        return self.scale is not self.gradient or self.loss_scale is not self.loss

    def measured(self, fmt: Format) -> "Truth":
        """Return this truth with those values marked vague whose bound is above a tenth of an ulp of the format."""
        if not self.cancels:
            return self

        def is_vague(x: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
            size = np.maximum(np.abs(x), fmt.smallest_normal)  # an ulp is at least 2^-p of it
            marked: npt.NDArray[np.bool_] = self.relative * np.abs(scale) > 0.1 * 2.0**-fmt.precision * size
            return marked

        return replace(self, loss_vague=is_vague(self.loss, self.loss_scale), vague=is_vague(self.gradient, self.scale))

    def sharpened(self, fmt: Format, evaluate: Callable[[npt.NDArray[np.bool_]], "Truth"]) -> "Truth":
        """Return this truth with those cases replaced that cancel by more than the format's p digits leave room for.

        `evaluate` returns the better truth of a subset of the cases. The stated bounds stay those of this truth.
        """
        room = 2.0 ** (-fmt.precision - 10) / self.relative
        cancels = np.logical_or.reduce(np.abs(self.scale) > room * np.abs(self.gradient), axis=0)
        cancels |= self.loss_scale > room * self.loss
        if not cancels.any():
            return self
        better = evaluate(cancels).measured(fmt)
        loss, gradient = self.loss.copy(), self.gradient.copy()
        loss_low, low = np.zeros_like(loss), np.zeros_like(gradient)
        loss[cancels], loss_low[cancels] = better.loss, better.loss_low
        gradient[:, cancels], low[:, cancels] = better.gradient, better.gradient_low
        loss_vague, vague = np.zeros(loss.shape, dtype=np.bool_), np.zeros(gradient.shape, dtype=np.bool_)
        if better.loss_vague is not None:
            loss_vague[cancels], vague[:, cancels] = better.loss_vague, better.vague
        return replace(
            self, loss=loss, gradient=gradient, loss_low=loss_low, gradient_low=low, loss_vague=loss_vague, vague=vague
        )


def evaluate_truth(
    objective: Objective,
    logits: FloatArray,
    target: Target,
    upstream: float,
    *,
    precise: bool,
    options: LossOptions = NO_OPTIONS,
) -> Truth:
    """Return the truth at `logits` (classes, cases), finite or −inf, at least one finite per case.

    precise: in quadruple precision (relative error 2^-98), else in float64 (2^-43), times the objective's factor.
    """
    z: Wide = logits.astype(QuadPrecDType() if precise else np.float64, order="C")
    exact = TRUTHS[objective]
    factor = exact.bound(options)
    with np.errstate(all="ignore"):
        parts = _reduce(_ignore(exact.evaluate(z, target, options), target, options), options, upstream)
        # float64: every exp, product and sum may underflow; quadruple precision: only the split into float64 does
        absolute = SMALLEST if precise else 4 * len(z) * SMALLEST * factor * parts.amplitude
        s = np.broadcast_to(exact.gradient_scale(logits, target, options), parts.loss.shape)
        # quadruple precision holds every finite loss, float64 those of narrower formats
        masked = np.isinf(parts.loss) if precise or logits.dtype != np.float64 else None
        return _package(parts, s, masked, absolute, factor, precise=precise)


def _ignore(parts: Parts, target: Target, options: LossOptions) -> Parts:
    """Return the parts with loss and gradient 0 where the target is the ignored one."""
    if options.ignore_index is None or not isinstance(target, IndexTarget):
        return parts
    is_kept = target.index != options.ignore_index
    return _map(parts, lambda x: np.where(is_kept, x, np.zeros_like(x)), lambda x: np.where(is_kept, x, np.zeros_like(x)))


def _reduce(parts: Parts, options: LossOptions, upstream: float) -> Parts:
    """Return the loss of the batch and the gradient times the upstream factor."""
    if options.multiplier == 1 and upstream == 1.0:
        return parts
    reduced = _map(parts, lambda x: x * float(options.multiplier), lambda x: x * upstream)
    return reduced._replace(amplitude=parts.amplitude * max(1.0, upstream, float(options.multiplier)))


def _map(parts: Parts, of_loss: Callable[[Wide], Wide], of_gradient: Callable[[Wide], Wide]) -> Parts:
    """Apply a function to values and scales, once where they are the same arrays."""
    loss, gradient = of_loss(parts.loss), of_gradient(parts.gradient)
    loss_scale = loss if parts.loss_scale is parts.loss else of_loss(parts.loss_scale)
    scale = gradient if parts.scale is parts.gradient else of_gradient(parts.scale)
    return Parts(loss, loss_scale, gradient, scale, parts.amplitude)


def _package(
    parts: Parts,
    gradient_scale: npt.NDArray[np.float64],
    masked: npt.NDArray[np.bool_] | None,
    absolute: float,
    factor: float,
    *,
    precise: bool,
) -> Truth:
    loss, loss_scale, gradient, scale, _ = parts
    if not precise:
        return Truth(
            loss=loss,
            loss_scale=loss_scale,
            gradient=gradient,
            scale=scale,
            loss_low=None,
            gradient_low=None,
            gradient_scale=gradient_scale,
            masked=masked,
            relative=factor * FLOAT64_BOUND,
            absolute=absolute,
        )
    loss_high, loss_low = _split(loss)
    high, low = _split(gradient)
    return Truth(
        loss=loss_high,
        loss_scale=loss_high if loss_scale is loss else loss_scale.astype(np.float64),
        gradient=high,
        scale=high if scale is gradient else scale.astype(np.float64),
        loss_low=loss_low,
        gradient_low=low,
        gradient_scale=gradient_scale,
        masked=masked,
        relative=factor * QUAD_BOUND,
        absolute=absolute,
    )


def _split(x: Wide) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return x as the sum of two float64, the second 0 where the first is infinite."""
    high = x.astype(np.float64)
    low = (x - high.astype(x.dtype)).astype(np.float64)
    return high, np.where(np.isfinite(high), low, 0.0)
