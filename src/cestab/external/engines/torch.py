"""PyTorch: a loss of tensors, differentiated by autograd in their dtype."""

import functools
import re
from typing import Any

import numpy as np
import torch

from cestab.external.conventions import Input
from cestab.external.engines.base import Engine, ExternalError, Loss, Numbers, Site, Step, UnsupportedError, flushes
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import Reduction

DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
NOT_COMPUTED = re.compile(r"\"\w+\" not implemented for '\w+'")  # PyTorch's words for a kernel that lacks a dtype


class TorchEngine(Engine):
    """Layout NC is logits of shape (rows, classes), NCL (1, classes, rows), which another kernel of PyTorch computes."""

    packages = ("torch",)
    modes = ("eager", "compile", "vmap")
    devices = ("cpu", "cuda")
    layouts = ("NC", "NCL")
    arrays = (torch.Tensor,)

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        if site.device == "cuda" and not torch.cuda.is_available():
            raise UnsupportedError("device=cuda: PyTorch finds no CUDA device here")
        self.compiles_shapes = site.mode == "compile"
        self.class_axis = -1 if self.maps_rows else 1
        self.row_axis = 1 if site.layout == "NCL" else 0
        self.inputs = {
            Input.SOFTMAX: functools.partial(torch.softmax, dim=self.class_axis),
            Input.LOG_SOFTMAX: functools.partial(torch.log_softmax, dim=self.class_axis),
            Input.SIGMOID: torch.sigmoid,
        }

    def refuse(self, fmt: Format) -> str | None:
        return None if fmt.name in DTYPES else f"PyTorch computes no loss in {fmt.name}"

    def convert(self, values: Numbers, fmt: Format | None) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.to(self.site.device, torch.int64 if fmt is None else DTYPES[fmt.name])

    def pick(self, log_p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        axis = self.class_axis
        if target.is_floating_point():
            return (log_p * target).sum(axis)
        return log_p.gather(axis, target.unsqueeze(axis)).squeeze(axis)

    def reduce(self, values: torch.Tensor, reduction: Reduction, axis: int) -> torch.Tensor:
        return values.mean(axis) if reduction is Reduction.MEAN else values.sum(axis)

    def prepare(self, loss: Loss, fmt: Format) -> Step:
        compute = self._vectorize(loss) if self.maps_rows else self._differentiate(loss)

        def step(z: Numbers, target: Numbers, upstream: Numbers) -> tuple[Numbers, Numbers]:
            is_index = target.dtype.kind in "iu"
            logits, y = self.convert(z, fmt), self.convert(target, None if is_index else fmt)
            if self.site.layout == "NCL":
                logits, y = _to_ncl(logits), y.unsqueeze(0) if is_index or y.ndim == 1 else _to_ncl(y)
            try:
                value, gradient = compute(logits, y, upstream)
            except RuntimeError as error:  # NotImplementedError is one
                if NOT_COMPUTED.search(str(error)):
                    raise UnsupportedError(str(error).splitlines()[0]) from None
                raise
            if self.site.layout == "NCL":
                value, gradient = value.squeeze(0), gradient[0].T if gradient.ndim == 3 else gradient[0]
            return _to_numpy(value), _to_numpy(gradient)

        return step

    def _differentiate(self, loss: Loss) -> Any:
        function = torch.compile(loss, dynamic=False) if self.site.mode == "compile" else loss

        def compute(z: torch.Tensor, y: torch.Tensor, upstream: Numbers) -> tuple[torch.Tensor, torch.Tensor]:
            z = z.detach().requires_grad_()
            value = function(z, y)
            if not value.requires_grad:
                raise ExternalError("its loss does not depend on the logits for autograd: it was detached, or made anew")
            (gradient,) = torch.autograd.grad(value, z, self._like(upstream, value))
            return value.detach(), gradient

        return compute

    def _vectorize(self, loss: Loss) -> Any:
        """The function of one row, (classes,) → (), mapped over the rows by torch.func."""

        def scaled(z: torch.Tensor, y: torch.Tensor, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            value = loss(z, y)
            return value * upstream, value

        mapped = torch.func.vmap(torch.func.grad(scaled, has_aux=True), in_dims=(0, 0, 0))

        def compute(z: torch.Tensor, y: torch.Tensor, upstream: Numbers) -> tuple[torch.Tensor, torch.Tensor]:
            gradient, value = mapped(z, y, self._like(upstream, z[:, 0] if z.ndim > 1 else z))
            return value, gradient

        return compute

    def _like(self, upstream: Numbers, value: torch.Tensor) -> torch.Tensor:
        """Return upstream factors in a loss's shape and type."""
        return torch.from_numpy(np.resize(upstream, value.shape)).to(self.site.device, value.dtype)

    def flushes_subnormals(self) -> bool:
        return flushes(lambda x: torch.exp(torch.tensor(x, device=self.site.device)).item())

    def describe_device(self) -> str:
        return f"cuda ({torch.cuda.get_device_name()})" if self.site.device == "cuda" else self.site.device

    def threads(self) -> int:
        return int(torch.get_num_threads())


def _to_ncl(values: torch.Tensor) -> torch.Tensor:
    """(rows, classes) → (1, classes, rows), contiguous, as a segmentation network's logits lie."""
    return values.T.contiguous().unsqueeze(0) if values.ndim == 2 else values.unsqueeze(0)


def _to_numpy(values: torch.Tensor) -> Numbers:
    """Return values as float64 or float32, which hold narrower ones exactly."""
    array: Numbers = values.detach().to("cpu", torch.float64 if values.dtype == torch.float64 else torch.float32).numpy()
    return array


ENGINE = TorchEngine
