"""The family of softmax cross-entropy: z logits (classes, cases), y the target, m = max z, lse = log Σ exp z."""

from typing import Literal

import numpy as np

from cestab.formulations.registry import Fused, formulation
from cestab.numerics.operations import (
    add_guard,
    clip,
    exp,
    log,
    log1p,
    max_over_classes,
    maximum,
    pick,
    softmax,
    subtract_target,
    times_sum,
    where,
    with_entry,
)
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import DenseTarget, IndexTarget, Target, first_maximum
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.recorded import Quantity

SOFTMAX = SOFTMAX_CROSS_ENTROPY


@formulation(
    SOFTMAX,
    source="the textbook definition; exp, divide, sum and log differentiated one by one",
    is_contrast=True,
    breaks_by=Quantity.LARGEST_LOGIT,
)
def naive(z: Array, target: Target) -> Array:
    """−pick(log p), p = exp z / Σ exp z, chain rule through every step."""
    exponentials = exp(z)
    return -pick(log(exponentials / sum_over_classes(exponentials)), target)


@formulation(
    SOFTMAX,
    source="log(softmax(x)) as written in PyTorch; softmax is one primitive",
    is_contrast=True,
    breaks_by=Quantity.SPREAD,
)
def softmax_log(z: Array, target: Target) -> Array:
    """−pick(log p), p = softmax(z) shifted by its maximum, chain rule."""
    return -pick(log(softmax(z)), target)


@formulation(
    SOFTMAX,
    source="Keras categorical_crossentropy on probabilities (eps 1e-7); clamp's derivative as PyTorch's",
    is_contrast=True,
    breaks_by=Quantity.SPREAD,
)
def clipped(z: Array, target: Target, *, eps: float = 1e-7, bounds: Literal["open", "closed"] = "open") -> Array:
    """−pick(log clip(p, eps, 1 − eps)), p = softmax(z), chain rule: 0 where clipped."""
    return -pick(log(clip(softmax(z), eps, 1.0 - eps, closed=bounds == "closed")), target)


@formulation(
    SOFTMAX,
    source="the −log(p + eps) of many training scripts",
    is_contrast=True,
    breaks_by=Quantity.SPREAD,
)
def log_eps(z: Array, target: Target, *, eps: float = 1e-7) -> Array:
    """−pick(log(p + eps)), p = softmax(z), chain rule."""
    return -pick(log(add_guard(softmax(z), eps)), target)


@formulation(
    SOFTMAX,
    source="log Σ exp z − z_y without the shift by the maximum",
    is_contrast=True,
    breaks_by=Quantity.LARGEST_LOGIT,
)
def unshifted_lse(z: Array, target: Target) -> Array:
    """log Σ exp z − pick z, chain rule."""
    return times_sum(log(sum_over_classes(exp(z))), target) - pick(z, target)


@formulation(
    SOFTMAX,
    source="optax.softmax_cross_entropy_with_integer_labels; MLX cross_entropy",
    breaks_by=Quantity.OFFSET,
)
def log_sum_exp(z: Array, target: Target) -> Fused:
    """m + log Σ exp(z − m) − pick z; fused gradient exp(z − lse) − y."""
    peak = max_over_classes(z)
    lse = peak + log(sum_over_classes(exp(z - peak)))
    return Fused(times_sum(lse, target) - pick(z, target), subtract_target(times_sum(exp(z - lse), target), target))


@formulation(
    SOFTMAX,
    source="torch.nn.functional.cross_entropy = nll_loss(log_softmax)",
    library="torch.nn.functional.cross_entropy",
)
def log_softmax(z: Array, target: Target) -> Fused:
    """−pick((z − m) − log Σ exp(z − m)); fused gradient exp(log p) − y."""
    shifted = z - max_over_classes(z)
    log_p = shifted - log(sum_over_classes(exp(shifted)))
    return Fused(-pick(log_p, target), subtract_target(times_sum(exp(log_p), target), target))


@formulation(
    SOFTMAX,
    source="Milakov & Gimelshein 2018, Online normalizer calculation for softmax; chunked as Liger's kernel",
    breaks_by=Quantity.OFFSET,
)
def online(z: Array, target: Target, *, chunk: int = 128) -> Fused:
    """lse − pick z, lse in one pass with a running maximum and a rescaled running sum; fused gradient."""
    tape, cases = z.tape, z.value.shape[1]
    peak = tape.variable(np.full(cases, -np.inf, dtype=z.value.dtype), "−inf")
    total = tape.variable(np.zeros(cases, dtype=z.value.dtype), "0")
    for start in range(0, len(z.value), chunk):
        part = tape.variable(z.value[start : start + chunk], f"z[{start}:{start + chunk}]")
        new_peak = maximum(peak, max_over_classes(part))
        part_sum = where(new_peak.value == -np.inf, 0.0, sum_over_classes(exp(part - new_peak)))
        rescale = where(peak.value == -np.inf, 0.0, exp(peak - new_peak))
        peak, total = new_peak, total * rescale + part_sum
    lse = peak + log(total)
    return Fused(times_sum(lse, target) - pick(z, target), subtract_target(times_sum(exp(z - lse), target), target))


@formulation(
    SOFTMAX,
    source="Blanchard, Higham & Higham 2021, Accurately computing the log-sum-exp and softmax functions, eq. (3.8)",
)
def compensated(z: Array, target: Target) -> Fused:
    """(m − z_target) + log1p(Σ over all but one maximum of exp(z − m)); target entry = −Σ of the others."""
    peak = max_over_classes(z)
    exponentials = exp(z - peak)
    rest = sum_over_classes(with_entry(exponentials, first_maximum(z.value), 0.0))
    log_rest = log1p(rest)
    p = exponentials / (rest + 1.0)
    if isinstance(target, IndexTarget):
        loss = (peak - pick(z, target)) + log_rest
        return Fused(loss, _balance(p, target))
    return Fused(
        _gap_from_peak(z, peak, target) + times_sum(log_rest, target),
        _balance(subtract_target(times_sum(p, target), target), first_maximum(target.weights)),
    )


def _balance(gradient: Array, place: IndexTarget) -> Array:
    """The gradient with one entry of every case replaced by −Σ of the others, as all of them sum to 0."""
    others = with_entry(gradient, place, 0.0)
    return with_entry(others, place, -sum_over_classes(others))


def _gap_from_peak(z: Array, peak: Array, target: DenseTarget) -> Array:
    """2·Σ y_j·(m/2 − z_j/2) over y_j ≠ 0: halves, so that no difference overflows; masked classes have y_j = 0."""
    weights = z.tape.variable(target.weights, "y")
    gaps = where(target.weights == 0, 0.0, (peak * 0.5 - z * 0.5) * weights)
    return sum_over_classes(gaps) * 2.0
