"""What the walk-through shows: gradients of one logit as the true class loses by more and more."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WalkthroughRow:
    """At a margin t, in float32: the probability p of the true class, −1/p, and ∂loss/∂z of the true class, five ways."""

    margin: float
    probability: float
    slope: float
    chain_rule: float
    clipped: float
    fused: float
    squared_error: float
    truth: float
