"""An array in a file, read by rows: what every reader gives, and the one of them that maps plain bytes."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from cestab.errors import UsageError
from cestab.numerics.rounding import IntArray

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = slice | IntArray  # a slice with both ends, or the numbers of rows; ascending
_UNREADABLE = (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class StoredArray(Protocol):
    """An array of which rows, along its first axis, are read without the others."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def take(self, rows: Rows) -> Array:
        """Return some rows, copied."""

    def turn(self) -> "StoredArray":
        """Return the array with its two axes swapped."""


@dataclass(frozen=True)
class MappedArray:
    """Plain bytes of a file that is open. They are mapped for each reading anew, so that no page stays in memory."""

    stream: BinaryIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: Literal["C", "F"] = "C"

    def take(self, rows: Rows) -> Array:
        return np.array(np.memmap(self.stream, self.dtype, "r", self.offset, self.shape, self.order)[rows])

    def turn(self) -> "MappedArray":
        return replace(self, shape=self.shape[::-1], order="F" if self.order == "C" else "C")


@contextmanager
def refuse_unreadable(path: Path, what: str) -> Iterator[None]:
    """Turn what goes wrong in reading a file into one sentence."""
    try:
        yield
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(f"there is no file '{path}'") from None
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise UsageError(f"'{path}' cannot be read as {what}: {reason}") from None


def import_extra(module: str, extra: str, path: Path) -> Any:
    """Return a module that only some files need; without it, say what installs it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise UsageError(f"'{path}' needs {package}, which is not installed: pip install 'cestab[{extra}]'") from None
