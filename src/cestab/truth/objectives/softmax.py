"""Softmax cross-entropy and the z-loss, exactly: v_j = w_j·((1 − α)·y_j + α/K), V = Σ v, p = softmax z.

Cross-entropy is Σ v_j·(lse − z_j) with the gradient V·p − v, the z-loss adds λ·lse² and 2λ·lse·p.

Bounds, in the u of the tier (tiers.py: an exponential is off by at most 754u, p and 1 − p by 860u). The weights are products
and sums of positive terms, off by 5u, V by 45u more, and V − v_k, where it is at least V/2, by 2·51u. With the gradient as
p_k·(V − v_k) − v_k·(1 − p_k), the first product is off by (860 + 102 + 3)u, the second by (860 + 5 + 1)u: under 1024u of the
scale, their sum. The loss, which adds terms that are not negative, is off by as much of itself: factor 1.

Of two classes, d = z_0 − z_1, the gradient is (V·σ(d) − v_0)·(1, −1): monotone in either logit, at most 1 where the weights
are; its sign, which is that of the loss's slope, turns at σ(d) = v_0/V.

z-loss: lse = m + log1p(S) is off by err ≤ 862u·A, A = |m| + log1p(S) ≥ |lse|. λ·lse² is off by
λ·(2·|lse|·err + err²) + 3u·λ·A², under 2·1024u·λ·A²; 2λ·lse·p by 2λ·A·p·(862 + 860 + 5)u, under 2·1024u·2λ·A·p: factor 2.
"""

import numpy as np
from flint import arb

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.objectives.base import (
    Ball,
    ExactCase,
    ExactObjective,
    Parts,
    SoftmaxBalls,
    Wide,
    cycle_weights,
    enclose_softmax,
    is_normalized,
    logit,
    subtract_weighted,
    take_softmax,
    total,
)
from cestab.vocabulary.loss_options import LossOptions


def _evaluate_cross_entropy(z: Wide, target: Target, options: LossOptions) -> Parts:
    if isinstance(target, DenseTarget) or options.label_smoothing:
        return _dense(z, _smooth(z, target, options))
    parts = _two_classes(z, target) if len(z) == 2 else _index(z, target)
    if not options.class_weights or is_normalized(options, is_index=True):
        return parts
    weight = cycle_weights(options, len(z), z.dtype)[target.index]
    loss, gradient = np.where(weight == 0, weight, parts.loss * weight), parts.gradient * weight
    return Parts(loss, loss, gradient, gradient, float(np.max(weight, initial=1.0)))


def _smooth(z: Wide, target: Target, options: LossOptions) -> Wide:
    """Return the effective weights v of every class."""
    y = target.with_entry(np.zeros_like(z), 1.0) if isinstance(target, IndexTarget) else target.weights.astype(z.dtype)
    if options.label_smoothing:
        alpha = np.asarray(options.label_smoothing, dtype=z.dtype)
        y = (1.0 - alpha) * y + alpha / len(z)
    if not options.class_weights:
        return y
    weights = cycle_weights(options, len(z), z.dtype)
    v = y * weights[:, np.newaxis]
    if isinstance(target, IndexTarget) and is_normalized(options, is_index=True):
        v = v / weights[target.index]
    return v


def _index(z: Wide, target: IndexTarget) -> Parts:
    """Loss = (m − z_k) + log1p(S); g_j = p_j, g_k = −Σ of the others = −(S or 1 + (S − e_k))/(1 + S)."""
    softmax = take_softmax(z)
    z_target = target.pick(z)
    gradient = softmax.exponentials * softmax.share
    rest = softmax.rest
    others = np.where(z_target == softmax.peak, rest, (rest - target.pick(softmax.exponentials)) + 1.0)
    gradient.reshape(-1)[target.flat] = -(others * softmax.share)
    loss = (softmax.peak - z_target) + softmax.log_rest
    return Parts(loss, loss, gradient, gradient)


def _two_classes(z: Wide, target: IndexTarget) -> Parts:
    """The same for two classes in half of the time: with d = z_other − z_k, loss = max(d, 0) + log1p(exp(−|d|))."""
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
    return Parts(loss, loss, gradient, gradient)


def _dense(z: Wide, weights: Wide) -> Parts:
    """Loss = Σ_{v_j ≠ 0} v_j·(m − z_j) + V·log1p(S); g_k = p_k·Σ_{j≠k} v_j − v_k·(1 − p_k)."""
    softmax = take_softmax(z)
    total_weight = sum_pairwise(weights)
    gaps = np.where(weights == 0, weights, weights * (softmax.peak * 0.5 - z * 0.5))  # halves: the difference may overflow
    loss = 2.0 * sum_pairwise(gaps) + total_weight * softmax.log_rest
    gradient, scale = subtract_weighted(z, softmax, weights)
    return Parts(loss, loss, gradient, scale, float(np.max(total_weight, initial=1.0)))


def _evaluate_z_loss(z: Wide, target: Target, options: LossOptions) -> Parts:
    parts, softmax = _evaluate_cross_entropy(z, target, options), take_softmax(z)
    weight = np.asarray(options.z_weight, dtype=z.dtype)
    lse, size = softmax.peak + softmax.log_rest, np.abs(softmax.peak) + softmax.log_rest
    slope, largest = weight * lse, weight * size
    p = softmax.exponentials * softmax.share
    return Parts(
        parts.loss + slope * lse,
        parts.loss_scale + largest * size,
        parts.gradient + 2.0 * (slope * p),
        np.abs(parts.scale) + 2.0 * (largest * p),
        parts.amplitude + 2 * float(np.max(largest, initial=0.0)),
    )


def _enclose_cross_entropy(case: ExactCase) -> Ball:
    """The same on balls; a gradient entry of a one-hot target is a sum of positive terms, so that nothing cancels."""
    softmax, weights = enclose_softmax(case.logits), _weigh(case)
    total_weight = total(weights)
    scaled = total_weight * softmax.share
    gradient = [scaled * e - v for e, v in zip(softmax.exponentials, weights, strict=True)]
    hot = [j for j, v in enumerate(weights) if v != 0]
    if len(hot) == 1:
        gradient[hot[0]] = -weights[hot[0]] * softmax.others(hot[0])
    if any(v != 0 and gap is None for v, gap in zip(weights, softmax.gaps, strict=True)):
        return Ball(loss=None, gradient=gradient)
    gap = total(v * g for v, g in zip(weights, softmax.gaps, strict=True) if g is not None)
    return Ball(loss=gap + total_weight * softmax.rest.log1p(), gradient=gradient)


def _weigh(case: ExactCase) -> list[arb]:
    """Return the effective weights; one that is 0 is exactly so."""
    options, classes = case.options, len(case.weights)
    y = [arb(weight) for weight in case.weights]
    if options.label_smoothing:
        alpha = arb(options.label_smoothing)
        y = [(1 - alpha) * y_j + alpha / classes for y_j in y]
    if not options.class_weights:
        return y
    class_weights = [arb(weight) for weight in cycle_weights(options, classes).tolist()]
    norm = class_weights[case.weights.index(1.0)] if is_normalized(options, is_index=case.is_index) else arb(1)
    return [w * y_j / norm for w, y_j in zip(class_weights, y, strict=True)]


def _enclose_z_loss(case: ExactCase) -> Ball:
    ball, softmax = _enclose_cross_entropy(case), enclose_softmax(case.logits)
    weight, lse = arb(case.options.z_weight), _enclose_lse(softmax)
    slope = 2 * weight * lse * softmax.share
    gradient = [entry + slope * e for entry, e in zip(ball.gradient, softmax.exponentials, strict=True)]
    return Ball(loss=None if ball.loss is None else ball.loss + weight * lse * lse, gradient=gradient)


def _enclose_lse(softmax: SoftmaxBalls) -> arb:
    return softmax.peak + softmax.rest.log1p()


def _sum_weights(z: Wide, target: Target, options: LossOptions) -> Wide | float:
    """Return V of every case."""
    if isinstance(target, IndexTarget) and not options.class_weights:
        return 1.0
    if isinstance(target, IndexTarget) and not options.label_smoothing:
        normalized = is_normalized(options, is_index=True)
        return 1.0 if normalized else cycle_weights(options, len(z))[target.index]
    return sum_pairwise(_smooth(z.astype(np.float64), target, options))


def _z_loss_scale(z: Wide, target: Target, options: LossOptions) -> Wide:
    """Return V + 2λ·max |z| over the classes that are not masked."""
    largest = np.max(np.abs(z.astype(np.float64)), axis=0, where=np.isfinite(z), initial=0.0)
    scale: Wide = _sum_weights(z, target, options) + 2.0 * options.z_weight * largest
    return scale


CROSS_ENTROPY = ExactObjective(
    evaluate=_evaluate_cross_entropy,
    enclose=_enclose_cross_entropy,
    gradient_scale=_sum_weights,
    turns=lambda v: logit(v[:1] / (v[:1] + v[1:])),
)
Z_LOSS = ExactObjective(
    evaluate=_evaluate_z_loss,
    enclose=_enclose_z_loss,
    gradient_scale=_z_loss_scale,
    bound=lambda _: 2.0,
)
