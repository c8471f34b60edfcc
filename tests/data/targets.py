"""Losses that are not cestab's: sound ones, ones with a planted defect, and ones that cannot be evaluated."""

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab import formulation
from cestab.primitives import Array, Fused, Target, exp, log, max_over_classes, pick, softmax, sum_over_classes

Numbers = npt.NDArray[Any]
Both = tuple[Numbers, Numbers]
LEAKED: list[Numbers] = []
MEBIBYTE = 2**17  # of float64


def add_up(values: Numbers) -> Numbers:
    """Sum over the classes in float32 at least, rounded once, as frameworks do."""
    wide = values.dtype if values.dtype.itemsize >= 4 else np.float32
    total: Numbers = values.astype(wide).sum(axis=1, keepdims=True).astype(values.dtype)
    return total


def take_log_softmax(z: Numbers) -> Numbers:
    shifted = z - z.max(axis=1, keepdims=True)
    log_p: Numbers = shifted - np.log(add_up(np.exp(shifted)))
    return log_p


def finish(log_p: Numbers, target: Numbers) -> Both:
    """Loss and gradient from log-probabilities: −log p_y and p − y."""
    gradient, rows = np.exp(log_p), np.arange(len(log_p))
    if target.ndim == 2:
        return -add_up(log_p * target)[:, 0], gradient - target
    gradient[rows, target] -= log_p.dtype.type(1)
    return -log_p[rows, target], gradient


def stable(z: Numbers, target: Numbers) -> Both:
    return finish(take_log_softmax(z), target)


def loss_only(z: Numbers, target: Numbers) -> Numbers:
    return stable(z, target)[0]


def no_shift(z: Numbers, target: Numbers) -> Both:
    return finish(z - np.log(add_up(np.exp(z))), target)


def no_shift_loss_only(z: Numbers, target: Numbers) -> Numbers:
    return no_shift(z, target)[0]


def sign_flip(z: Numbers, target: Numbers) -> Both:
    loss, gradient = stable(z, target)
    return loss, -gradient


def off_by_one(z: Numbers, target: Numbers) -> Both:
    return stable(z, (target + 1) % z.shape[1])


def no_gradient_of_target(z: Numbers, target: Numbers) -> Both:
    log_p = take_log_softmax(z)
    return finish(log_p, target)[0], np.exp(log_p)


def from_float64(z: Numbers, target: Numbers) -> Both:
    """Computed in float64, returned as such."""
    return stable(z.astype(np.float64), target)


def only_single(z: Numbers, target: Numbers) -> Both:
    """A kernel that has no half precision."""
    if z.dtype == np.float16:
        raise NotImplementedError("no kernel for float16")
    return stable(z, target)


def few_classes(z: Numbers, target: Numbers) -> Both:
    if z.shape[1] > 2:
        raise ValueError("more than 2 classes")
    return stable(z, target)


def fails_while_bisecting(z: Numbers, target: Numbers) -> Both:
    """Infinite beyond 3, which is on no grid; evaluates up to 128 cases, where a search for boundaries asks for 255."""
    if len(z) > 128:
        raise ValueError(f"{len(z)} cases")
    loss, gradient = stable(z, target)
    return np.where(z[:, 0] > 3.14, z.dtype.type(np.inf), loss), gradient


def many_rows_alone(z: Numbers, target: Numbers) -> Both:
    """Computes a first block of 2^16 cases in two calls, and not the rest."""
    if len(z) < 2**15:
        raise ValueError("few rows")
    return stable(z, target)


def raises(_z: Numbers, _target: Numbers) -> Both:
    raise RuntimeError("[nan-loss]\n  planted")


def exits(_z: Numbers, _target: Numbers) -> Both:
    sys.exit(7)


def ends_process(_z: Numbers, _target: Numbers) -> Both:
    os._exit(7)


def crashes(z: Numbers, target: Numbers) -> Both:
    ctypes.string_at(0)
    return stable(z, target)


def hangs(_z: Numbers, _target: Numbers) -> Both:
    while True:
        time.sleep(60)


def leaks(z: Numbers, target: Numbers) -> Both:
    """Keeps 8 MiB of every call, which takes a few milliseconds."""
    LEAKED.append(np.ones(8 * MEBIBYTE))
    return stable(z, target)


def leaks_slowly(_z: Numbers, _target: Numbers) -> Both:
    """Takes ever more memory within one call that does not return."""
    while True:
        LEAKED.append(np.ones(8 * MEBIBYTE))
        time.sleep(0.005)


def prints(z: Numbers, target: Numbers) -> Both:
    print("{not JSON")
    os.write(1, b"from below\n")
    return stable(z, target)


def wrong_shape(z: Numbers, target: Numbers) -> Both:
    loss, gradient = stable(z, target)
    return loss[:, np.newaxis].repeat(3, axis=1), gradient


def wrong_gradient_shape(z: Numbers, target: Numbers) -> Both:
    loss, gradient = stable(z, target)
    return loss, gradient.T


def binary(x: Numbers, y: Numbers) -> Both:
    """max(x, 0) − x·y + log(1 + exp(−|x|)) and sigmoid(x) − y."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    small = np.exp(-np.abs(x))
    p = np.where(x >= zero, one / (one + small), small / (one + small))
    return np.maximum(x, zero) - x * y + np.log1p(small), p - y


class Scaled:
    """A class whose instances are losses."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, y_true: Numbers, y_pred: Numbers) -> Both:
        loss, gradient = stable(y_pred, y_true)
        factor = loss.dtype.type(self.factor)
        return loss * factor, gradient * factor


SCALED = Scaled()
NUMBER = 3


@formulation
def chained(z: Array, target: Target) -> Array:
    """−pick(log softmax z), chain rule: softmax-log by another name."""
    return -pick(log(softmax(z)), target)


@formulation
def shifted_lse(z: Array, target: Target, *, shift: float = 0.0) -> Array:
    """m + log Σ exp(z − m) − pick z + shift, chain rule."""
    peak = max_over_classes(z)
    return peak + log(sum_over_classes(exp(z - peak))) - pick(z, target) + shift


@formulation
def loud_recipe(z: Array, target: Target) -> Array:
    """softmax-log that prints."""
    print("{not JSON")
    return -pick(log(softmax(z)), target)


@formulation
def floats_alone(z: Array, target: Target) -> Array:
    """softmax-log that needs floats, so exact arithmetic cannot follow it."""
    if z.value.dtype == np.dtype(object):
        raise TypeError("floats are needed")
    return -pick(log(softmax(z)), target)


@formulation
def raising_recipe(_z: Array, _target: Target) -> Array:
    """Raises."""
    raise ValueError("planted")


@formulation
def loss_of_every_class(z: Array, _target: Target) -> Array:
    """Log-probabilities that nothing is picked from."""
    return log(softmax(z))


@formulation
def plain_number(_z: Array, _target: Target) -> Array:
    """No array of cestab's."""
    return 3.0  # type: ignore[return-value]  # that is the mistake


@formulation
def gradient_of_one_class(z: Array, target: Target) -> Fused:
    """A gradient that is none."""
    return Fused(-pick(log(softmax(z)), target), pick(z, target))


if "CESTAB_TEST_LOADED" in os.environ:  # a test waits for it (events.py)
    Path(os.environ["CESTAB_TEST_LOADED"]).touch()
