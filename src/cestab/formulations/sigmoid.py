"""The family of binary cross-entropy: one logit x and a label y in [0, 1], shapes (1, cases); p = sigmoid(x)."""

import numpy as np

from cestab.formulations.registry import Fused, formulation
from cestab.numerics.operations import clip, exp, log, log1p, maximum, sigmoid, where
from cestab.numerics.tape import ALIAS, Array
from cestab.numerics.target import DenseTarget
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY
from cestab.vocabulary.recorded import Quantity

BINARY = BINARY_CROSS_ENTROPY

# PyTorch's EPSILON is a float, in float64, too: `constexpr static float EPSILON = 1e-12` (aten Loss.cpp)
BACKWARD_FLOOR = float(np.float32(1e-12))


def _label(x: Array, target: DenseTarget) -> Array:
    return x.tape.variable(target.weights, "y")


def _entropy(p: Array, y: Array) -> Array:
    return -(y * log(p) + (1.0 - y) * log(1.0 - p))


@formulation(
    BINARY,
    source="the textbook definition",
    is_contrast=True,
    breaks_by=Quantity.OFFSET,
)
def sigmoid_naive(x: Array, target: DenseTarget) -> Array:
    """−(y·log p + (1 − y)·log(1 − p)), both products formed, chain rule."""
    return _entropy(sigmoid(x), _label(x, target))


@formulation(
    BINARY,
    source="Keras binary_crossentropy on probabilities (eps 1e-7)",
    is_contrast=True,
    breaks_by=Quantity.OFFSET,
)
def sigmoid_clipped(x: Array, target: DenseTarget, *, eps: float = 1e-7) -> Array:
    """sigmoid-naive on clip(p, eps, 1 − eps), chain rule: 0 where clipped."""
    return _entropy(clip(sigmoid(x), eps, 1.0 - eps), _label(x, target))


@formulation(
    BINARY,
    source="torch.nn.functional.binary_cross_entropy after sigmoid (aten binary_cross_entropy_backward)",
    is_contrast=True,
    breaks_by=Quantity.OFFSET,
)
def sigmoid_clamped_log(x: Array, target: DenseTarget) -> Array:
    """−(y·max(log p, −100) + (1 − y)·max(log1p(−p), −100)); backward (p − y)/max((1 − p)·p, 1e-12), then sigmoid's."""
    p, y = sigmoid(x), _label(x, target)
    loss = -(y * clip(log(p), -100.0, np.inf) + (1.0 - y) * clip(log1p(-p), -100.0, np.inf))

    def pull_back(g: Array, _: Array) -> tuple[None, Array]:
        return None, g * (p - y) / clip((1.0 - p) * p, BACKWARD_FLOOR, np.inf)

    return x.tape.record(ALIAS, loss.value, (loss, p), pull_back)


@formulation(
    BINARY,
    source="tf.nn.sigmoid_cross_entropy_with_logits",
    library="torch.nn.functional.binary_cross_entropy_with_logits",
)
def bce_with_logits(x: Array, target: DenseTarget) -> Fused:
    """max(x, 0) − x·y + log1p(exp(−|x|)); fused gradient p − y."""
    y = _label(x, target)
    loss = maximum(x, 0.0) - x * y + log1p(exp(-abs(x)))
    return Fused(loss, sigmoid(x) - y)


@formulation(BINARY, source="softplus by log1p, Mächler 2012, Accurately computing log(1 − exp(−|a|))")
def sigmoid_compensated(x: Array, target: DenseTarget) -> Fused:
    """y·softplus(−x) + (1 − y)·softplus(x); gradient (1 − y)·sigmoid(x) − y·sigmoid(−x), nothing cancels for a hard label."""
    y = _label(x, target)
    not_y = 1.0 - y
    tail = exp(-abs(x))
    log_tail, scale = log1p(tail), tail + 1.0
    is_positive = x.value >= 0
    larger, smaller = where(is_positive, 1.0, tail) / scale, where(is_positive, tail, 1.0) / scale
    loss = y * (maximum(-x, 0.0) + log_tail) + not_y * (maximum(x, 0.0) + log_tail)
    return Fused(loss, not_y * larger - y * smaller)
