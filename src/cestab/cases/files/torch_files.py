"""Files of torch.save: dictionaries of tensors (or one tensor), loaded weights-only, so that no code in them runs."""

import pickle
import warnings
from contextlib import ExitStack
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from cestab.cases.files.stored import Array, Rows, StoredArray, Unfolded, import_extra, refuse_no_archive
from cestab.errors import UsageError

MAPPED_BYTES = 2**26  # of rows passed before the file is mapped anew, which releases the pages that were read


def open_pt(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the tensors of a dictionary by name, or the one tensor, which has no name."""
    loaded = _load(path)
    if not isinstance(loaded, dict):
        loaded = {"": loaded}
    torch = import_extra("torch", "torch", path)
    names = [name for name, tensor in loaded.items() if isinstance(tensor, torch.Tensor) and isinstance(name, str)]
    return {name: TorchArray(path, name) for name in names}


def _load(path: Path) -> Any:
    """Return what torch.save wrote, its storages mapped from the file; a ValueError says why it cannot be."""
    torch = import_extra("torch", "torch", path)
    refuse_no_archive(path, "it is no archive, as torch.save writes since PyTorch 1.6; save it anew")
    try:
        with warnings.catch_warnings(action="ignore"):  # what matters here is in the arrays or is an error
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise ValueError("it holds more than tensors, or is damaged") from None
    except Exception as error:  # noqa: BLE001  # a damaged pickle raises anything
        raise ValueError(str(error)) from None


class TorchArray:
    """A tensor of a file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._passed_bytes = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self._mapped.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._mapped.dtype

    def take(self, rows: Rows) -> Array:
        return np.array(self._mapped[rows])

    def unfold(self, axis: int | None) -> Unfolded:
        return Unfolded(array=self, axis=axis)

    def mapped(self, read_bytes: int) -> Array:
        if self._passed_bytes >= MAPPED_BYTES:  # its pages stay in memory as long as it is mapped
            self.__dict__.pop("_mapped", None)
            self._passed_bytes = 0
        self._passed_bytes += read_bytes
        return self._mapped

    @cached_property
    def _mapped(self) -> Array:
        loaded = _load(self._path)
        tensor = loaded[self._name] if isinstance(loaded, dict) else loaded
        if tensor.layout == import_module("torch").strided and tensor.nbytes > tensor.untyped_storage().nbytes():
            raise UsageError(f"a tensor in '{self._path}' has more elements than are stored")
        return to_array(tensor)


def to_array(tensor: Any) -> Array:
    """Return a tensor in NumPy's memory, shared where it is on the CPU; formats that NumPy lacks are those of ml_dtypes."""
    try:
        plain = tensor.detach().cpu()
        name = str(plain.dtype).removeprefix("torch.")
        if not name.startswith(("bfloat", "float8")):
            return np.asarray(plain.numpy())
        codes = plain.view(getattr(import_module("torch"), f"int{8 * plain.itemsize}"))
        return np.asarray(codes.numpy()).view(getattr(ml_dtypes, name))
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"a tensor of type {tensor.dtype} is no NumPy array: {reason}") from None
