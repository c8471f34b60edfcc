"""The focal loss, exactly: Σ y_j·q_j^γ·ℓ_j with q_j = 1 − p_j, ℓ_j = −log p_j, p = softmax z.

Differentiated by the logits, p_j·d(q_j^γ·ℓ_j)/dp_j = −c_j with c_j = q_j^γ·(1 + γ·p_j·ℓ_j/q_j), so the gradient is
g_i = p_i·C − y_i·c_i = p_i·Σ_{j≠i} y_j·c_j − y_i·c_i·q_i, C = Σ y_j·c_j; of an index target g_k = −q_k·c_k and g_j = p_j·c_k,
where nothing cancels.

Bounds in the u of the tier: p, q and ℓ are off by ε = 860u of themselves (tiers.py), since q is a sum of the other classes and
ℓ of terms that are not negative. q^γ is off by γ·ε + 8u, the loss by (γ + 1)·ε + 50u, c by (γ + 3)·ε + 20u, the gradient by
(γ + 5)·ε + 130u of the sum of both terms. All are under (γ + 6)·1024u: factor γ + 6.

A q_j of few or no digits is within K smallest floats of the true one, and so is what that error makes of q_j·c_j and of
p_i·c_j, p_i ≤ q_j for i ≠ j, as c_j ≤ 1 + γ. The ratio p·ℓ/q has its limit 1 where q is 0, and γ·p·ℓ is 0 where p
underflows, against a c of about 1.
"""

import numpy as np
from flint import arb

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.target import IndexTarget, Target
from cestab.truth.objectives.base import (
    Ball,
    ExactCase,
    ExactObjective,
    Parts,
    Wide,
    enclose_softmax,
    subtract_weighted,
    sum_labels,
    take_softmax,
    total,
)
from cestab.vocabulary.loss_options import LossOptions


def _evaluate(z: Wide, target: Target, options: LossOptions) -> Parts:
    softmax = take_softmax(z)
    p, q = softmax.exponentials * softmax.share, softmax.others(z)
    half_loss = (softmax.peak * 0.5 - z * 0.5) + softmax.log_rest * 0.5  # halves, as the difference may overflow
    if isinstance(target, IndexTarget):
        target_q = target.pick(q)
        power, slope = _take_power(target.pick(p), target_q, target.pick(half_loss), options.gamma)
        loss, gradient = 2.0 * (power * target.pick(half_loss)), target.with_entry(p * slope, -(target_q * slope))
        return Parts(loss, loss, gradient, gradient)
    y = target.weights.astype(z.dtype)
    power, slope = _take_power(p, q, half_loss, options.gamma)
    loss = 2.0 * sum_pairwise(np.where(y == 0, y, y * (power * half_loss)))
    return Parts(loss, loss, *subtract_weighted(z, softmax, y * slope))


def _take_power(p: Wide, q: Wide, half_loss: Wide, gamma: float) -> tuple[Wide, Wide]:
    """Return q^γ and c = q^γ·(1 + γ·p·ℓ/q)."""
    power = np.power(q, np.asarray(gamma, dtype=q.dtype))
    product = np.where(p == 0, p, p * half_loss)  # of a masked class p·ℓ is 0·inf
    ratio = np.where(q == 0, np.ones_like(q), 2.0 * (product / q))
    return power, power * (gamma * ratio + 1.0)


def _enclose(case: ExactCase) -> Ball:
    """The same on balls; of a one-hot target nothing cancels."""
    softmax, gamma = enclose_softmax(case.logits), arb(case.options.gamma)
    log_rest = softmax.rest.log1p()
    hot = [j for j, y in enumerate(case.weights) if y != 0]
    losses, slopes = {}, {}
    for j in hot:
        q, p, gap = softmax.others(j), softmax.exponentials[j] * softmax.share, softmax.gaps[j]
        power = arb(float(case.options.gamma == 0)) if q.is_zero() else q**gamma
        ratio = arb(1) if q.is_zero() else arb(0) if gap is None else p * (gap + log_rest) / q
        slopes[j] = arb(case.weights[j]) * power * (1 + gamma * ratio)
        losses[j] = None if gap is None else arb(case.weights[j]) * power * (gap + log_rest)
    slope = total(slopes.values()) * softmax.share
    gradient = [slope * e - slopes.get(j, arb(0)) for j, e in enumerate(softmax.exponentials)]
    if len(hot) == 1:
        gradient[hot[0]] = -slopes[hot[0]] * softmax.others(hot[0])
    finite = [loss for loss in losses.values() if loss is not None]
    return Ball(loss=total(finite) if len(finite) == len(losses) else None, gradient=gradient)


FOCAL_LOSS = ExactObjective(
    evaluate=_evaluate, enclose=_enclose, gradient_scale=sum_labels, bound=lambda options: options.gamma + 6.0
)
