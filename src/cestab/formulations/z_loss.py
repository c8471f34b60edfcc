"""The family of the z-loss: softmax cross-entropy + λ·lse², lse = log Σ exp z, which keeps the logits near 0."""

from cestab.formulations.registry import Fused, formulation
from cestab.numerics.operations import exp, log, max_over_classes, pick, subtract_target, sum_of_target, times_sum
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import Target
from cestab.vocabulary.objectives import Z_LOSS
from cestab.vocabulary.recorded import Quantity


@formulation(
    Z_LOSS,
    source="T5X cross_entropy_with_logits: z_loss·log_z² beside log_z − z_y, backward (1 + 2·z_loss·log_z)·softmax − y",
    options=("z_weight",),
    breaks_by=Quantity.OFFSET,
)
def z_loss_log_sum_exp(z: Array, target: Target, *, z_weight: float = 1e-4) -> Fused:
    """lse − pick z + λ·lse², lse = m + log Σ exp(z − m); fused gradient exp(z − lse)·(1 + 2λ·lse) − y."""
    peak = max_over_classes(z)
    lse = peak + log(sum_over_classes(exp(z - peak)))
    loss = (times_sum(lse, target) - pick(z, target)) + lse * lse * z_weight
    factor = lse * (2.0 * z_weight) + sum_of_target(z, target)
    return Fused(loss, subtract_target(exp(z - lse) * factor, target))
