"""The mean squared error of a softmax, exactly: (1/K)·Σ d_j², d = p − y, p = softmax z.

The gradient is g_k = (2/K)·p_k·(d_k − Σ_j p_j·d_j) = (2/K)·p_k·(q_k·d_k − Σ_{j≠k} p_j·d_j), q = 1 − p: written so, what d_k and
p_k·d_k have in common is gone before anything is subtracted.

d_j is p_j − y_j or (1 − y_j) − q_j, whichever subtracts the smaller numbers; for a one-hot target it is p_j or −q_j, and
the loss cancels nowhere. Bounds in the u of the tier, s_j the sum of the magnitudes in d_j, ε = 860u that of p and q
(tiers.py): d_j is off by (ε + 2u)·s_j, so the loss by 2·(ε + 60u) of (1/K)·Σ s_j². In the sum over j ≠ k, Σ p_j·d_j less
p_k·d_k, an error is relative to Σ p_j·s_j; for the class of the largest logit its own term is left out of the sum, and
p_k ≤ q_k for every other, so this is at most q_k·s_k + Σ_{j≠k} p_j·s_j. Either term is off by 2ε + 50u of that, p_k adds ε:
5ε + 110u, factor 6.

Of two classes the loss is (p_0 − y)² and a constant, y = (y_0 + 1 − y_1)/2, so it turns as that of a sigmoid does.
"""

import numpy as np
from flint import arb

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.target import IndexTarget, Target, first_maximum
from cestab.truth.objectives.base import (
    Ball,
    ExactCase,
    ExactObjective,
    Parts,
    Wide,
    enclose_softmax,
    take_softmax,
    total,
    turns_of_square,
)
from cestab.vocabulary.loss_options import LossOptions


def _evaluate(z: Wide, target: Target, options: LossOptions) -> Parts:  # noqa: ARG001  # every objective has these arguments
    softmax = take_softmax(z)
    p, q = softmax.exponentials * softmax.share, softmax.others(z)
    difference, scale = _take_difference(p, q, target)
    loss = sum_pairwise(difference * difference) / len(z)
    loss_scale = loss if isinstance(target, IndexTarget) else sum_pairwise(scale * scale) / len(z)
    peak, factor = first_maximum(z), p * 2.0 / len(z)
    terms, sizes = p * difference, p * scale
    without = peak.with_entry(sum_pairwise(terms) - terms, sum_pairwise(peak.with_entry(terms, 0.0)))
    size_without = peak.with_entry(np.broadcast_to(sum_pairwise(sizes), z.shape), sum_pairwise(peak.with_entry(sizes, 0.0)))
    return Parts(loss, loss_scale, factor * (q * difference - without), factor * (q * scale + size_without))


def _take_difference(p: Wide, q: Wide, target: Target) -> tuple[Wide, Wide]:
    """Return p − y, and the sums of the magnitudes that were subtracted."""
    if isinstance(target, IndexTarget):
        target_q = target.pick(q)
        return target.with_entry(p, -target_q), target.with_entry(p, target_q)
    y = target.weights.astype(p.dtype)
    not_y = 1.0 - y
    is_near_1 = np.abs(not_y) + q < p + y
    return np.where(is_near_1, not_y - q, p - y), np.where(is_near_1, np.abs(not_y) + q, p + y)


def _enclose(case: ExactCase) -> Ball:
    softmax, classes = enclose_softmax(case.logits), len(case.logits)
    p = [e * softmax.share for e in softmax.exponentials]
    q = [
        1 - p_j if y <= 0.5 and j != softmax.peak_at else softmax.others(j)
        for j, (p_j, y) in enumerate(zip(p, case.weights, strict=True))
    ]
    difference = [(1 - arb(y)) - q_j if y > 0.5 else p_j - arb(y) for p_j, q_j, y in zip(p, q, case.weights, strict=True)]
    terms = [p_j * d for p_j, d in zip(p, difference, strict=True)]
    rest = total(term for j, term in enumerate(terms) if j != softmax.peak_at)
    gradient = []
    for j, term in enumerate(terms):
        without = rest if j == softmax.peak_at else rest - term + terms[softmax.peak_at]
        gradient.append(2 * p[j] * (q[j] * difference[j] - without) / classes)
    return Ball(loss=total(d * d for d in difference) / classes, gradient=gradient)


SQUARED_ERROR = ExactObjective(
    evaluate=_evaluate,
    enclose=_enclose,
    gradient_scale=lambda z, _, __: 1.0 / len(z),
    bound=lambda _: 6.0,
    turns=lambda y: turns_of_square((y[0] + 1 - y[1]) / 2),
)
