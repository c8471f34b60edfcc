"""Objectives: one entry each, its exact value and gradient in arrays with a proven bound, and in balls."""

from collections.abc import Mapping

from cestab.truth.objectives import focal, sigmoid, softmax, squared
from cestab.truth.objectives.base import Ball, ExactCase, ExactObjective, Parts, Wide
from cestab.vocabulary.kinds import Objective

OBJECTIVES: Mapping[Objective, ExactObjective] = {
    Objective.SOFTMAX_CROSS_ENTROPY: softmax.CROSS_ENTROPY,
    Objective.BINARY_CROSS_ENTROPY: sigmoid.CROSS_ENTROPY,
    Objective.FOCAL_LOSS: focal.FOCAL_LOSS,
    Objective.Z_LOSS: softmax.Z_LOSS,
    Objective.SOFTMAX_MEAN_SQUARED_ERROR: squared.SQUARED_ERROR,
    Objective.SIGMOID_MEAN_SQUARED_ERROR: sigmoid.SQUARED_ERROR,
}

__all__ = ["OBJECTIVES", "Ball", "ExactCase", "ExactObjective", "Parts", "Wide"]
