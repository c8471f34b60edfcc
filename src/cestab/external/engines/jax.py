"""JAX: a loss of its arrays, differentiated by jax.vjp in their dtype."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cestab.external.conventions import Input
from cestab.external.engines.base import Engine, Loss, Numbers, Site, Step, UnsupportedError, flushes, to_numpy
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import Reduction


class JaxEngine(Engine):
    """Arrays on one device.

    Mode eager runs one operation after the other (what JAX jits itself, such as jax.nn.log_softmax, stays whole); jit
    compiles loss and gradient together; vmap maps the function of one row over the rows, one operation after the other.

    XLA computes 8-bit floats in float16 and rounds every result to them: JAX computes in every format that cestab has.
    """

    packages = ("jax", "jaxlib")
    modes = ("eager", "jit", "vmap")
    devices = ("cpu", "cuda")
    arrays = (jax.Array,)
    inputs = {  # noqa: RUF012
        Input.SOFTMAX: jax.nn.softmax,
        Input.LOG_SOFTMAX: jax.nn.log_softmax,
        Input.SIGMOID: jax.nn.sigmoid,
    }

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.compiles_shapes = True  # in every mode: eagerly, each operation
        self.class_axis = -1
        try:
            self.device = jax.devices(site.device)[0]
        except RuntimeError:
            raise UnsupportedError(f"device={site.device}: JAX finds no such device here") from None

    def refuse(self, fmt: Format) -> str | None:  # noqa: ARG002
        return None

    def convert(self, values: Numbers, fmt: Format | None) -> Any:
        with _precision(fmt):
            return jax.device_put(values.astype(np.int32 if fmt is None else fmt.dtype), self.device)

    def pick(self, log_p: Any, target: Any) -> Any:
        if jnp.issubdtype(target.dtype, jnp.floating):
            return jnp.sum(log_p * target, axis=-1)
        return jnp.take_along_axis(log_p, target[..., jnp.newaxis], axis=-1)[..., 0]

    def reduce(self, values: Any, reduction: Reduction, axis: int) -> Any:
        return jnp.mean(values, axis) if reduction is Reduction.MEAN else jnp.sum(values, axis)

    def prepare(self, loss: Loss, fmt: Format) -> Step:
        def differentiate(z: Any, y: Any, upstream: Any) -> tuple[Any, Any]:
            value, pull_back = jax.vjp(lambda logits: loss(logits, y), z)
            (gradient,) = pull_back(jnp.resize(upstream, value.shape).astype(value.dtype))
            return value, gradient

        compute: Any = differentiate
        if self.site.mode == "jit":
            compute = jax.jit(differentiate)
        elif self.site.mode == "vmap":
            compute = jax.vmap(differentiate, in_axes=(0, 0, 0))

        def step(z: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers]:
            logits, y = self.convert(z, fmt), self.convert(target, None if target.dtype.kind in "iu" else fmt)
            with _precision(fmt):
                value, gradient = compute(logits, y, self.convert(upstream, fmt))
            return to_numpy(value), to_numpy(gradient)

        return step

    def describe_device(self) -> str:
        return f"cuda ({self.device.device_kind})" if self.site.device == "cuda" else self.site.device

    def flushes_subnormals(self) -> bool:
        return flushes(lambda x: jnp.exp(jax.device_put(x, self.device)))  # compiled by XLA in every mode


def _precision(fmt: Format | None) -> Any:
    """Enable JAX's 64-bit types for float64 alone."""
    return jax.enable_x64(fmt is not None and fmt.name == "float64")


ENGINE = JaxEngine
