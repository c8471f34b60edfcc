"""Keras 3: a loss of its backend's arrays, which the backend's adapter makes and differentiates."""

import importlib
from collections.abc import Mapping
from typing import Any

import keras

from cestab.errors import UsageError
from cestab.external.conventions import Input
from cestab.external.engines.base import Engine, Loss, Numbers, Site, Step
from cestab.external.names import KERAS_BACKENDS
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import Reduction

BACKEND = keras.config.backend()
if BACKEND not in KERAS_BACKENDS:
    raise UsageError(f"Keras' backend is {BACKEND} here; name one with backend=, of {', '.join(KERAS_BACKENDS)}")
_BACKEND: type[Engine] = importlib.import_module(f"cestab.external.engines.{BACKEND}").ENGINE
DTYPES = ("float64", "float32", "float16", "bfloat16")  # that Keras knows as a dtype of computation


class KerasEngine(Engine):
    """The backend is the one that Keras chose (KERAS_BACKEND, keras.json) unless the loss's name gives one."""

    packages = ("keras", *_BACKEND.packages)
    modes = _BACKEND.modes
    devices = _BACKEND.devices
    backends = (BACKEND,)
    arrays = _BACKEND.arrays
    inputs: Mapping[Input, Any] = {
        Input.SOFTMAX: keras.ops.softmax,
        Input.LOG_SOFTMAX: keras.ops.log_softmax,
        Input.SIGMOID: keras.ops.sigmoid,
    }

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.inner = _BACKEND(site)
        self.compiles_shapes, self.class_axis = self.inner.compiles_shapes, self.inner.class_axis

    def refuse(self, fmt: Format) -> str | None:
        return None if fmt.name in DTYPES else f"Keras computes no loss in {fmt.name}"

    def convert(self, values: Numbers, fmt: Format | None) -> Any:
        return self.inner.convert(values, fmt)

    def pick(self, log_p: Any, target: Any) -> Any:
        return self.inner.pick(log_p, target)

    def reduce(self, values: Any, reduction: Reduction, axis: int) -> Any:
        return self.inner.reduce(values, reduction, axis)

    def prepare(self, loss: Loss, fmt: Format) -> Step:
        inner = self.inner.prepare(loss, fmt)
        device = "cpu" if self.site.device == "cpu" else "gpu"

        def step(z: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers | None]:
            with keras.device(device):  # else Keras moves tensors to the device that it prefers
                return inner(z, target, upstream)

        return step

    def flushes_subnormals(self) -> bool | None:
        return self.inner.flushes_subnormals()

    def threads(self) -> int | None:
        return self.inner.threads()


ENGINE = KerasEngine
