"""The families of mean squared error, for contrast: on the outputs of a softmax, and of a sigmoid."""

import numpy as np

from cestab.formulations.registry import formulation
from cestab.numerics.operations import mean_over_classes, sigmoid, softmax
from cestab.numerics.tape import Array
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.objectives import SIGMOID_MEAN_SQUARED_ERROR, SOFTMAX_MEAN_SQUARED_ERROR


@formulation(
    SOFTMAX_MEAN_SQUARED_ERROR,
    source="((softmax(z) − one_hot(y))**2).mean() op by op; torch.nn.functional.mse_loss does it in one kernel",
)
def softmax_squared_error(z: Array, target: Target) -> Array:
    """Mean over the classes of (p − y)², p = softmax(z), chain rule."""
    one_hot = target.with_entry(np.zeros_like(z.value), 1) if isinstance(target, IndexTarget) else target.weights
    difference = softmax(z) - z.tape.variable(one_hot, "y")
    return mean_over_classes(difference * difference)


@formulation(
    SIGMOID_MEAN_SQUARED_ERROR,
    source="(sigmoid(x) − y)**2 op by op; torch.nn.functional.mse_loss does it in one kernel",
)
def sigmoid_squared_error(x: Array, target: DenseTarget) -> Array:
    """(p − y)², p = sigmoid(x), chain rule."""
    difference = sigmoid(x) - x.tape.variable(target.weights, "y")
    return difference * difference
