"""The family of the focal loss: Σ y_j·(1 − p_j)^γ·(−log p_j), z logits (classes, cases), p = softmax z."""

from cestab.formulations.registry import Fused, formulation
from cestab.numerics.operations import exp, expm1, log, log1p, max_over_classes, pick, power, softmax, where, with_entry
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import IndexTarget, Target, first_maximum
from cestab.vocabulary.objectives import FOCAL_LOSS
from cestab.vocabulary.recorded import Quantity

FOCAL = FOCAL_LOSS


@formulation(
    FOCAL,
    source="Lin et al. 2017, Focal Loss for Dense Object Detection, eq. (4), on the outputs of a softmax; PyTorch's pow",
    options=("gamma",),
    is_contrast=True,
    breaks_by=Quantity.SPREAD,
)
def focal_naive(z: Array, target: Target, *, gamma: float = 2.0) -> Array:
    """−pick((1 − p)^γ·log p), p = softmax(z), chain rule."""
    p = softmax(z)
    return -pick(power(1.0 - p, gamma) * log(p), target)


@formulation(
    FOCAL,
    source="the same through log p = (z − m) − log1p(Σ over all but one maximum of exp(z − m)) and 1 − p = −expm1(log p)",
    options=("gamma",),
)
def focal_log_softmax(z: Array, target: Target, *, gamma: float = 2.0) -> Fused:
    """pick((1 − p)^γ·ℓ), ℓ = −log p by log1p and 1 − p by expm1; fused gradient, of an index target without cancellation."""
    peak = max_over_classes(z)
    exponentials = exp(z - peak)
    rest = sum_over_classes(with_entry(exponentials, first_maximum(z.value), 0.0))
    surprise = (peak - z) + log1p(rest)
    p, q = exponentials / (rest + 1.0), -expm1(-surprise)
    if isinstance(target, IndexTarget):
        loss, slope = _differentiate(pick(p, target), pick(q, target), pick(surprise, target), gamma)
        return Fused(loss, with_entry(p * slope, target, -(pick(q, target) * slope)))
    losses, slopes = _differentiate(p, q, surprise, gamma)
    y = z.tape.variable(target.weights, "y")
    weighted = slopes * y
    loss = sum_over_classes(where(target.weights == 0, 0.0, losses * y))
    return Fused(loss, p * sum_over_classes(weighted) - weighted)


def _differentiate(p: Array, q: Array, surprise: Array, gamma: float) -> tuple[Array, Array]:
    """q^γ·ℓ and q^γ·(1 + γ·p·ℓ/q), whose p·ℓ/q is 1 where q is 0, and 0 where p is."""
    ratio = where(p.value == 0, 0.0, where(q.value == 0, 1.0, p * surprise / q))
    share = power(q, gamma)
    return share * surprise, share * (ratio * gamma + 1.0)
