"""TensorFlow: a loss of its tensors, differentiated by GradientTape in their dtype."""

from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import tensorflow as tf

from cestab.external.conventions import Input
from cestab.external.engines.base import (
    Engine,
    ExternalError,
    Loss,
    Numbers,
    Site,
    Step,
    UnsupportedError,
    flushes,
    to_numpy,
)
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import Reduction

DTYPES = ("float64", "float32", "float16", "bfloat16")
NOT_COMPUTED = ("list of allowed values", "Could not find device for node", "No OpKernel was registered")
tf.get_logger().setLevel("ERROR")  # TensorFlow warns of compiling one function for many shapes, which is what a sweep does
KINDS = {"cpu": "CPU", "cuda": "GPU"}  # of devices, in TensorFlow's words


class TensorflowEngine(Engine):
    """Tensors on one device.

    Mode eager runs one operation after the other, compile a graph (tf.function), jit the graph compiled by XLA; vmap maps
    the function of one row over the rows (tf.vectorized_map).
    """

    packages = (metadata.packages_distributions()["tensorflow"][0], "keras")  # tensorflow, or tensorflow-cpu; tf.keras
    modes = ("eager", "compile", "jit", "vmap")
    devices = ("cpu", "cuda")
    arrays = (tf.Tensor,)
    inputs = {  # noqa: RUF012
        Input.SOFTMAX: tf.nn.softmax,
        Input.LOG_SOFTMAX: tf.nn.log_softmax,
        Input.SIGMOID: tf.math.sigmoid,
    }

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.compiles_shapes = site.mode in ("compile", "jit")
        self.class_axis = -1
        if not tf.config.list_logical_devices(KINDS[site.device]):
            raise UnsupportedError(f"device={site.device}: TensorFlow finds no such device here")

    def refuse(self, fmt: Format) -> str | None:
        return None if fmt.name in DTYPES else f"TensorFlow computes no loss in {fmt.name}"

    def class_keywords(self, fmt: Format) -> Mapping[str, Any]:
        return {"dtype": fmt.name}  # of tf.keras

    def convert(self, values: Numbers, fmt: Format | None) -> Any:
        with self._device():
            return tf.constant(values.astype(np.int64 if fmt is None else fmt.dtype))

    def _device(self) -> Any:
        return tf.device(f"/{KINDS[self.site.device]}:0")

    def pick(self, log_p: Any, target: Any) -> Any:
        if target.dtype.is_floating:
            return tf.reduce_sum(log_p * target, axis=-1)
        return tf.gather(log_p, target, axis=-1, batch_dims=len(target.shape))

    def reduce(self, values: Any, reduction: Reduction, axis: int) -> Any:
        return tf.reduce_mean(values, axis) if reduction is Reduction.MEAN else tf.reduce_sum(values, axis)

    def prepare(self, loss: Loss, fmt: Format) -> Step:
        def of_rows(z: Any, y: Any) -> Any:
            return tf.vectorized_map(lambda row: loss(*row), (z, y))

        compute = self._compiled(_differentiate(of_rows if self.maps_rows else loss))

        def step(z: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers]:
            logits, y = self.convert(z, fmt), self.convert(target, None if target.dtype.kind in "iu" else fmt)
            scale = self.convert(upstream, fmt)
            try:
                with self._device():
                    value, gradient = compute(logits, y, scale)
            except (tf.errors.OpError, TypeError) as error:
                if any(words in str(error) for words in NOT_COMPUTED):
                    raise UnsupportedError(str(error).strip().splitlines()[0]) from None
                raise
            return to_numpy(value), to_numpy(gradient)

        return step

    def _compiled(self, function: Callable[..., Any]) -> Any:
        """Return a function as this mode runs it."""
        if self.site.mode not in ("compile", "jit"):
            return function
        return tf.function(function, jit_compile=self.site.mode == "jit")

    def flushes_subnormals(self) -> bool:
        exponential = self._compiled(tf.exp)
        with self._device():
            return flushes(lambda x: exponential(tf.constant(x)))

    def threads(self) -> int | None:
        return tf.config.threading.get_intra_op_parallelism_threads() or None  # 0: TensorFlow decides


def _differentiate(loss: Loss) -> Callable[..., tuple[Any, Any]]:
    def compute(z: Any, y: Any, upstream: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = loss(z, y)
        rows = tf.range(tf.size(value)) % tf.size(upstream)
        cotangent = tf.cast(tf.reshape(tf.gather(upstream, rows), tf.shape(value)), value.dtype)
        gradient = tape.gradient(value, z, output_gradients=cotangent)
        if gradient is None:
            raise ExternalError("TensorFlow sees no path from its logits to its loss")
        return value, tf.convert_to_tensor(gradient)  # a gather's gradient comes as slices

    return compute


ENGINE = TensorflowEngine
