"""Binary cross-entropy and the squared error of a sigmoid, exactly: one logit x, a label y in [0, 1].

Cross-entropy is w·(y'·softplus(−x) + (1 − y')·softplus(x)), y' = (1 − α)·y + α/2, with the gradient
w·((1 − y')·σ(x) − y'·σ(−x)). The squared error is d², d = (1 − y)·σ(x) − y·σ(−x), with the gradient 2·d·σ(x)·σ(−x).

Bounds in the u of the tier: x is exact, so σ(±x) and softplus(±x) are off by 30u of themselves, and so are (1 − y)·σ(x) and
y·σ(−x), whose sum is the scale s of d: under 64u·s. d² is off by 2·64u·s² and a little, 2·d·σ(x)·σ(−x) by
(64 + 64)u·2·s·σ(x)·σ(−x): all under 1024u of the scales, factor 1.

The gradient of cross-entropy, σ(x) − y, rises with x; its sign, which is that of the loss's slope, turns at σ(x) = y.
"""

import math

import numpy as np
from flint import arb

from cestab.numerics.target import DenseTarget, Target
from cestab.truth.objectives.base import Ball, ExactCase, ExactObjective, Parts, Wide, cycle_weights, logit, turns_of_square
from cestab.vocabulary.loss_options import LossOptions


def _sigmoid(x: Wide) -> tuple[Wide, Wide, Wide]:
    """Return σ(x), σ(−x), and log1p(exp(−|x|))."""
    tail = np.exp(-np.abs(x))
    share = 1.0 / (tail + 1.0)
    is_positive = x >= 0
    return np.where(is_positive, share, tail * share), np.where(is_positive, tail * share, share), np.log1p(tail)


def _labels(x: Wide, target: Target, options: LossOptions) -> tuple[Wide, Wide]:
    """Return w·y' and w·(1 − y'), each a sum of terms that are not negative."""
    assert isinstance(target, DenseTarget), "a binary label is a weight"
    y = target.weights.astype(x.dtype)
    not_y = 1.0 - y
    if options.label_smoothing:
        alpha = np.asarray(options.label_smoothing, dtype=x.dtype)
        y, not_y = (1.0 - alpha) * y + 0.5 * alpha, (1.0 - alpha) * not_y + 0.5 * alpha
    if options.class_weights:
        (weight,) = cycle_weights(options, 1, x.dtype)
        y, not_y = weight * y, weight * not_y
    return y, not_y


def _evaluate_cross_entropy(x: Wide, target: Target, options: LossOptions) -> Parts:
    rising, falling, log_tail = _sigmoid(x)
    y, not_y = _labels(x, target, options)
    zero = np.zeros_like(x)
    loss = (_weigh(y, np.maximum(-x, zero) + log_tail) + _weigh(not_y, np.maximum(x, zero) + log_tail))[0]
    up, down = not_y * rising, y * falling
    return Parts(loss, loss, up - down, up + down, max(1.0, *options.class_weights) if options.class_weights else 1.0)


def _weigh(y: Wide, softplus: Wide) -> Wide:
    """Return y·softplus(±x), 0 where y is 0, also for an infinite x."""
    with np.errstate(invalid="ignore"):
        return np.where(y == 0, y, y * softplus)


def _evaluate_squared_error(x: Wide, target: Target, options: LossOptions) -> Parts:
    rising, falling, _ = _sigmoid(x)
    y, not_y = _labels(x, target, options)
    up, down = not_y * rising, y * falling
    difference, scale, slope = up - down, up + down, 2.0 * rising * falling
    return Parts((difference * difference)[0], (scale * scale)[0], difference * slope, scale * slope)


def _enclose_sigmoid(case: ExactCase) -> tuple[arb, arb, arb]:
    """Return σ(x), σ(−x), and log1p(exp(−|x|))."""
    tail = arb(0) if math.isinf(case.logits[0]) else (-abs(arb(case.logits[0]))).exp()
    share = 1 / (1 + tail)
    rising, falling = (share, tail * share) if case.logits[0] >= 0 else (tail * share, share)
    return rising, falling, tail.log1p()


def _enclose_cross_entropy(case: ExactCase) -> Ball:
    x, alpha = arb(case.logits[0]), arb(case.options.label_smoothing)
    y = (1 - alpha) * arb(case.weights[0]) + alpha / 2
    weight = arb((case.options.class_weights or (1.0,))[0])
    if math.isinf(case.logits[0]):
        lost = y if case.logits[0] < 0 else 1 - y  # the weight of the label that the network is infinitely sure is wrong
        return Ball(loss=arb(0) if lost == 0 else None, gradient=[-weight * lost if case.logits[0] < 0 else weight * lost])
    rising, falling, log_tail = _enclose_sigmoid(case)
    up, down = (arb(0), x) if case.logits[0] >= 0 else (-x, arb(0))  # max(−x, 0), max(x, 0)
    loss = y * (up + log_tail) + (1 - y) * (down + log_tail)
    return Ball(loss=weight * loss, gradient=[weight * ((1 - y) * rising - y * falling)])


def _enclose_squared_error(case: ExactCase) -> Ball:
    y = arb(case.weights[0])
    rising, falling, _ = _enclose_sigmoid(case)
    difference = (1 - y) * rising - y * falling
    return Ball(loss=difference * difference, gradient=[2 * difference * rising * falling])


CROSS_ENTROPY = ExactObjective(
    evaluate=_evaluate_cross_entropy,
    enclose=_enclose_cross_entropy,
    gradient_scale=lambda _, __, options: (options.class_weights or (1.0,))[0],
    turns=logit,
)
SQUARED_ERROR = ExactObjective(
    evaluate=_evaluate_squared_error,
    enclose=_enclose_squared_error,
    gradient_scale=lambda _, __, ___: 0.25,
    turns=lambda y: turns_of_square(y[0]),
)
