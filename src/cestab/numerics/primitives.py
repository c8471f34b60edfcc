"""Primitives that few formulations need; the others are in tape.py."""

import numpy as np

from cestab.numerics.tape import Array


def power(a: Array, exponent: float) -> Array:
    """a^exponent, an exponent as it is given; its derivative is g·(exponent·a^(exponent − 1)), 0 for the exponent 0."""

    def pull_back(g: Array, _: Array) -> tuple[Array | None]:
        return (None if exponent == 0 else g * (power(a, exponent - 1) * exponent),)

    return a.tape.rounded(f"{{}}^{exponent:g}", a.value**exponent, (a,), pull_back)


def mean_over_classes(v: Array) -> Array:
    """Σ_j v_j / K in the setting's summation order, divided once by the number of classes as it is."""
    classes = len(v.value)

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        share = np.broadcast_to(g.value / classes, v.value.shape)
        return (g.tape.rounded(f"{{}} / {classes}", share, (g,)),)

    return v.tape.record("mean {}", v.tape.arithmetic.mean(v.value), (v,), pull_back)
