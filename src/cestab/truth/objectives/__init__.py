"""Objectives: the exact value and gradient of each, in arrays with a proven bound, and in balls."""

from collections.abc import Mapping

from cestab.truth.objectives import focal, sigmoid, softmax, squared
from cestab.truth.objectives.base import Ball, ExactCase, ExactObjective, Parts, Wide
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
    Objective,
)

TRUTHS: Mapping[Objective, ExactObjective] = {
    SOFTMAX_CROSS_ENTROPY: softmax.CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY: sigmoid.CROSS_ENTROPY,
    FOCAL_LOSS: focal.FOCAL_LOSS,
    Z_LOSS: softmax.Z_LOSS,
    SOFTMAX_MEAN_SQUARED_ERROR: squared.SQUARED_ERROR,
    SIGMOID_MEAN_SQUARED_ERROR: sigmoid.SQUARED_ERROR,
}

__all__ = ["TRUTHS", "Ball", "ExactCase", "ExactObjective", "Parts", "Wide"]
