"""Formulations: ways to compute an objective and its gradient in floating point."""

from cestab.formulations import focal, sigmoid, softmax, squared, z_loss  # the families register themselves
from cestab.formulations.parameters import find_formulation
from cestab.formulations.registry import FORMULATIONS, Formulation, families

__all__ = [
    "FORMULATIONS",
    "Formulation",
    "families",
    "find_formulation",
    "focal",
    "sigmoid",
    "softmax",
    "squared",
    "z_loss",
]
