from dataclasses import dataclass
from enum import StrEnum


class Reduction(StrEnum):
    MEAN = "mean"
    SUM = "sum"


@dataclass(frozen=True)
class LossOptions:
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    ignore_index: int | None = None
    gamma: float = 0.0
    z_weight: float = 0.0
    batch: int = 1
    reduction: Reduction = Reduction.MEAN
