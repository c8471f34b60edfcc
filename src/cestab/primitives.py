"""The array type and its primitives, for formulations of your own: each rounds its result and knows its derivative."""

from cestab.formulations.registry import Fused
from cestab.numerics.operations import (
    add_guard,
    clip,
    exp,
    expm1,
    log,
    log1p,
    max_over_classes,
    maximum,
    pick,
    reciprocal,
    sigmoid,
    softmax,
    subtract_target,
    sum_of_target,
    times_sum,
    where,
    with_entry,
)
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import DenseTarget, IndexTarget, Target

__all__ = [
    "Array",
    "DenseTarget",
    "Fused",
    "IndexTarget",
    "Target",
    "add_guard",
    "clip",
    "exp",
    "expm1",
    "log",
    "log1p",
    "max_over_classes",
    "maximum",
    "pick",
    "reciprocal",
    "sigmoid",
    "softmax",
    "subtract_target",
    "sum_of_target",
    "sum_over_classes",
    "times_sum",
    "where",
    "with_entry",
]
