"""Record logits and labels of the first batches of a training loop, in a file that `cestab audit` reads.

The file is described in docs/capture.md: safetensors with `labels` and `logits`, in the number format of the loop.
"""

import math
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from cestab.cases.files.safetensors_files import STORED_TYPES, write_header
from cestab.cases.files.torch_files import to_array
from cestab.errors import UsageError
from cestab.numerics.formats import FORMATS
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective

FORMAT = "cestab.capture/1"
SUFFIX = ".safetensors"
CODES = {dtype.name: code for code, dtype in STORED_TYPES.items() if dtype.name in FORMATS}
INDEX_CODE, PROBABILITY_CODE = "I64", "F32"


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What all batches share: the logits' type by name, the number of classes, the objective, whether labels are weights."""

    dtype: str
    classes: int
    objective: Objective
    is_dense: bool = False

    @property
    def codes(self) -> dict[str, str]:
        """The types of the two tensors in the order of the file: wider numbers first, so that all are aligned."""
        label_code = PROBABILITY_CODE if self.objective.is_binary or self.is_dense else INDEX_CODE
        codes = {"labels": label_code, "logits": CODES[self.dtype]}
        return dict(sorted(codes.items(), key=lambda item: -STORED_TYPES[item[1]].itemsize))

    @property
    def row_bytes(self) -> dict[str, int]:
        """Bytes of one row of each tensor."""
        sizes = {name: STORED_TYPES[code].itemsize for name, code in self.codes.items()}
        return {name: size * math.prod(self.row_shapes[name]) for name, size in sizes.items()}

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each tensor."""
        return {"logits": (self.classes,), "labels": (self.classes,) if self.is_dense else ()}


class Recorder:
    """What `record` returns: call it with logits and labels inside `with`; `rows` and `batches` count what it holds."""

    def __init__(self, path: Path, batches: int | None, max_bytes: int, axis: int) -> None:
        self.path = path
        self.axis = axis
        self.rows = 0
        self.batches = 0
        self.is_full = False
        self._most_batches = batches
        self._max_bytes = max_bytes
        self._layout: _Layout | None = None
        self._parts: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()

    def __call__(self, logits: Any, labels: Any) -> None:
        """Record one batch, or as many of its rows as there is room for; do nothing when `is_full`.

        logits: (…, classes), or with the classes on the recorder's axis, with labels (…) that are whole numbers, or weights
        in the shape of the logits; or one logit per label, (rows,) or (rows, 1), with labels from 0 to 1. Tensors of torch on
        any device, arrays of JAX or NumPy. Rows whose label means "ignore" are recorded like others. Raises UsageError for
        shapes or types that do not fit each other or the batches before.
        """
        if not self._parts:
            raise UsageError("record(…) keeps batches inside its with statement only: with record(FILE) as keep: …")
        if self.is_full:
            return
        logits, labels = _detach(logits), _detach(labels)
        is_like = tuple(labels.shape) == tuple(logits.shape)
        logits, labels = _move_last(logits, self.axis), _move_last(labels, self.axis) if is_like else labels
        layout = _find_layout(logits, labels)
        self._check(layout)
        room = self._max_bytes // sum(layout.row_bytes.values()) - self.rows
        if room < 1:
            raise UsageError(f"not even one row of {layout.classes} classes fits into {self._max_bytes} bytes")
        rows = _to_numpy(logits.reshape(-1, layout.classes)[:room])
        flat = labels.reshape(-1, *layout.row_shapes["labels"])[:room]
        kept = {"labels": _read_labels(_to_numpy(flat), layout), "logits": rows}
        for name, part in self._parts.items():
            array = kept[name].astype(STORED_TYPES[layout.codes[name]], copy=False)
            part.seek(self.rows * layout.row_bytes[name])  # an interrupted batch may have left rows behind
            part.write(np.ascontiguousarray(array).view(np.uint8).data)
        self._layout = layout
        self.rows += len(rows)
        self.batches += 1
        self.is_full = self.batches == self._most_batches or len(rows) == room

    def _check(self, layout: _Layout) -> None:
        before = self._layout or layout
        for name, value in vars(layout).items():
            if value != vars(before)[name]:
                raise UsageError(f"{name} of batch {self.batches} is {value}, of those before it {vars(before)[name]}")

    def __enter__(self) -> Self:
        self.rows, self.batches, self.is_full, self._layout = 0, 0, False, None
        try:
            for name in ("labels", "logits"):
                self._parts[name] = self._stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
        except OSError as error:
            self._stack.close()
            raise UsageError(f"cannot write '{self.path}': {error.strerror or error}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write the file, even if the loop raised. Without a batch there is no file: an error, unless the loop raised one."""
        try:
            if self._layout is not None:
                self._save(self._layout)
            elif kind is None:
                raise UsageError(f"nothing was recorded for '{self.path}': no batch was given")
        finally:
            self._parts.clear()
            self._stack.close()

    def _save(self, layout: _Layout) -> None:
        """Write a file beside the final one and rename it, so that the name never stands for half a file."""
        half = self.path.with_name(f".{self.path.name}-{os.getpid()}.part")
        shapes = {name: (self.rows, *shape) for name, shape in layout.row_shapes.items()}
        metadata = {"format": FORMAT, "objective": layout.objective.name, "classes_axis": "1", "batches": str(self.batches)}
        try:
            with half.open("wb") as stream:
                write_header(stream, {name: (layout.codes[name], shapes[name]) for name in layout.codes}, metadata)
                for name, row_bytes in layout.row_bytes.items():
                    self._parts[name].truncate(self.rows * row_bytes)
                    self._parts[name].seek(0)
                    shutil.copyfileobj(self._parts[name], stream)
            half.replace(self.path)
        finally:
            half.unlink(missing_ok=True)


def record(path: str | PathLike[str], *, batches: int | None = 100, max_bytes: int = 2**30, axis: int = -1) -> Recorder:
    """Return a recorder of the first `batches` batches (None for no such bound), at most `max_bytes` of numbers.

    axis: that of the classes, -1 for the last, 1 for (N, C, H, W). In the file classes are last.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, record(f"{folder}/logits.safetensors", batches=1) as keep:
    ...     keep(np.array([[1.0, 2.0], [0.5, -3.0]], dtype=np.float16), np.array([1, 0]))
    >>> keep.rows, keep.is_full
    (2, True)
    """
    destination = Path(path)
    if destination.suffix != SUFFIX:
        raise UsageError(f"'{destination}' does not end in {SUFFIX}, the format that is written")
    for name, bound in (("batches", batches), ("max_bytes", max_bytes)):
        if bound is not None and bound < 1:
            raise UsageError(f"{name} {bound} is not a number from 1 on")
    return Recorder(destination, batches, max_bytes, axis)


def _detach(array: Any) -> Any:
    """Return an array that can be reshaped and sliced on its device: a tensor without its graph, of JAX, else of NumPy."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and isinstance(array, torch.Tensor):
        return array.detach()
    if jax is not None and isinstance(array, jax.core.Tracer):
        raise UsageError("JAX is tracing: inside jax.jit, grad or vmap there are no values yet; call the recorder outside")
    return array if jax is not None and isinstance(array, jax.Array) else np.asarray(array)


def _move_last(array: Any, axis: int) -> Any:
    """Return an array with an axis moved behind the others."""
    axes = len(array.shape)
    if axes < 2 or axis in (-1, axes - 1):
        return array
    if not -axes <= axis < axes:
        raise UsageError(f"logits of shape {tuple(array.shape)} have no axis {axis}")
    order = [*(other for other in range(axes) if other != axis % axes), axis % axes]
    return array.permute(*order) if hasattr(array, "permute") else array.transpose(order)


def _to_numpy(array: Any) -> npt.NDArray[Any]:
    return to_array(array) if hasattr(array, "detach") else np.asarray(array)


def _find_layout(logits: Any, labels: Any) -> _Layout:
    """Return the layout that the shapes imply: an index or weights per row of classes, or a label per logit."""
    shape, label_shape = tuple(logits.shape), tuple(labels.shape)
    dtype = getattr(logits.dtype, "name", str(logits.dtype).removeprefix("torch."))
    if dtype not in CODES:
        raise UsageError(f"logits of type {dtype} cannot be recorded; one of {', '.join(CODES)} is needed")
    rows, classes = (shape[:-1], shape[-1]) if len(shape) > 1 else (shape, len(shape))
    if not classes:
        raise UsageError(f"logits of shape {shape} hold no classes")
    is_binary = classes == 1
    if label_shape not in {rows, shape}:
        raise UsageError(f"logits of shape {shape} need labels of shape {rows}, or {shape} for weights, not {label_shape}")
    objective = BINARY_CROSS_ENTROPY if is_binary else SOFTMAX_CROSS_ENTROPY
    return _Layout(dtype=dtype, classes=classes, objective=objective, is_dense=label_shape == shape and not is_binary)


def _read_labels(labels: npt.NDArray[Any], layout: _Layout) -> npt.NDArray[Any]:
    """Return labels of a type that the objective takes: numbers, of indices whole ones."""
    is_index = not (layout.objective.is_binary or layout.is_dense)
    if labels.dtype.kind not in ("iu" if is_index else "biu") and labels.dtype.name not in FORMATS:
        raise UsageError(f"labels are of type {labels.dtype}; {'whole numbers' if is_index else 'numbers'} are needed")
    if is_index and labels.dtype.kind not in "iu" and not np.all(labels.astype(np.float64) % 1 == 0):
        raise UsageError("labels are not whole numbers; weights per class have the shape of the logits")
    return labels
