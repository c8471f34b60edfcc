"""NumPy: a function of logits (cases, classes) in the dtype and a target, that returns a loss, or a loss and its gradient."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cestab.external.conventions import Input
from cestab.external.engines.base import Engine, ExternalError, Loss, Numbers, Step
from cestab.numerics.formats import FORMATS, Format
from cestab.vocabulary.external import GradientSource
from cestab.vocabulary.loss_options import Reduction


class NumpyEngine(Engine):
    """Formats that NumPy lacks are ml_dtypes' types, whose ufuncs compute in float32 and round each result."""

    packages = ("numpy",)
    gradient = GradientSource.OWN
    inputs: Mapping[Input, Callable[[Any], Any]] = {
        Input.SOFTMAX: lambda z: _exponentials(z) / np.sum(_exponentials(z), axis=1, keepdims=True),
        Input.LOG_SOFTMAX: lambda z: _shift(z) - np.log(np.sum(_exponentials(z), axis=1, keepdims=True)),
        Input.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
    }

    def refuse(self, fmt: Format) -> str | None:  # noqa: ARG002
        return None

    def convert(self, values: Numbers, fmt: Format | None) -> Numbers:
        return np.ascontiguousarray(values, dtype=np.int64 if fmt is None else fmt.dtype)

    def pick(self, log_p: Numbers, target: Numbers) -> Numbers:
        if target.dtype.kind in "iu":
            return np.take_along_axis(log_p, target[:, np.newaxis], axis=1)[:, 0]
        picked: Numbers = np.sum(log_p * target, axis=1)
        return picked

    def reduce(self, values: Numbers, reduction: Reduction, axis: int) -> Numbers:
        reduced: Numbers = np.mean(values, axis) if reduction is Reduction.MEAN else np.sum(values, axis)
        return reduced

    def pull_back(self, kind: Input, x: Any, gradient: Any) -> Any:
        """Return the gradient by the logits of a loss whose gradient by its input x = f(z) is given, with the chain rule."""
        g = np.asarray(gradient)
        match kind:
            case Input.SOFTMAX:
                return x * (g - np.sum(g * x, axis=1, keepdims=True))
            case Input.LOG_SOFTMAX:
                return g - np.exp(x) * np.sum(g, axis=1, keepdims=True)
            case _:
                return g * x * (1 - x)

    def prepare(self, loss: Loss, fmt: Format) -> Step:
        def step(z: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers | None]:
            y = self.convert(target, None if target.dtype.kind in "iu" else fmt)
            result = loss(self.convert(z, fmt), y)  # a tuple passes through: its function reduces nothing
            if not isinstance(result, tuple):
                return _to_floats(result, "loss"), None
            if len(result) != 2:
                raise ExternalError(f"it returned {len(result)} values; a loss, or a loss and its gradient, are needed")
            gradient = _to_numbers(result[1], "gradient")
            if upstream[0] != 1.0:
                gradient = gradient * gradient.dtype.type(upstream[0])  # that of all rows
            return _to_floats(result[0], "loss"), _to_floats(gradient, "gradient")

        return step

    def flushes_subnormals(self) -> bool | None:
        return None

    def threads(self) -> int | None:
        return None


def _shift(z: Numbers) -> Numbers:
    shifted: Numbers = z - np.max(z, axis=1, keepdims=True)
    return shifted


def _exponentials(z: Numbers) -> Numbers:
    exponentials: Numbers = np.exp(_shift(z))
    return exponentials


def _to_numbers(values: Any, what: str) -> Numbers:
    """Return what a function returned as an array of floats, in the format that it has; whole numbers as float64."""
    if isinstance(values, np.ma.MaskedArray):
        raise ExternalError(f"it returned a masked array as {what}; what is masked has no value")
    array = np.asarray(values)
    if array.dtype == object:
        raise ExternalError(f"it returned {type(values).__name__} as {what}; an array of real numbers is needed")
    if array.dtype.kind in "iu":
        return array.astype(np.float64)
    if array.dtype.kind != "f" and array.dtype.name not in FORMATS:
        raise ExternalError(f"it returned a {what} of type {array.dtype}; real numbers are needed")
    return array


def _to_floats(values: Any, what: str) -> Numbers:
    """Return what a function returned as float64 or float32, which hold narrower ones exactly."""
    array = _to_numbers(values, what)
    return array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)


ENGINE = NumpyEngine
