"""An array in a file, read by rows: the interface of every reader, a reader that maps plain bytes, refusals of bad files."""

import os
import stat
import zipfile
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


class StoredArray(Protocol):
    """An array whose rows, along the first axis, can be read without the others."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def take(self, rows: Rows) -> Array:
        """Return some rows, copied."""

    def turn(self) -> "StoredArray":
        """Return the array with its two axes swapped."""


@dataclass(frozen=True, kw_only=True)
class MappedArray:
    """Plain bytes of a file that is open. They are mapped anew for every read, so that no page stays in memory."""

    stream: BinaryIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: Literal["C", "F"] = "C"

    def take(self, rows: Rows) -> Array:
        try:
            return np.array(np.memmap(self.stream, self.dtype, "r", self.offset, self.shape, self.order)[rows])
        except ValueError:
            raise UsageError(f"'{self.stream.name}' became shorter while it was read") from None

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
    except Exception as error:  # noqa: BLE001  # what a parser raises on a stranger's bytes is not listed anywhere
        message = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = message.partition("\n")[0].partition(". ")[0]
        raise UsageError(f"'{path}' cannot be read as {what}: {reason}") from None


@contextmanager
def refuse_changed(path: Path) -> Iterator[None]:
    """Report a file that was written to while it was read: what was read is neither the old nor the new one."""
    before = path.stat()
    yield
    after = path.stat()
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise UsageError(f"'{path}' changed while it was read")


def refuse_special(path: Path) -> None:
    """Refuse what has no end or no size: a device, a pipe, a link to one."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("it is no regular file")


def refuse_empty(path: Path) -> None:
    """Refuse a file without a byte, for which every library has another message; a missing file is an OSError."""
    with path.open("rb") as stream:
        if not stream.read(1):
            raise ValueError("it is empty")


def refuse_cut(path: Path, mark: bytes) -> None:
    """Refuse a file that begins with the mark of its kind and does not end with it."""
    with path.open("rb") as stream:
        begins = stream.read(len(mark)) == mark
        stream.seek(-min(len(mark), path.stat().st_size), os.SEEK_END)
        if begins and stream.read() != mark:
            raise ValueError("it is cut off: it does not end as such a file does")


def refuse_no_archive(path: Path, other: str) -> None:
    """Refuse a file that is no zip archive: it is cut off (its list of members is missing), or it is what `other` says."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            is_begun = stream.read(2) == b"PK"
        raise ValueError("it is cut off: the list of members at its end is missing" if is_begun else other)


def import_extra(module: str, extra: str, path: Path) -> Any:
    """Return a module that only some files need; without it, say what installs it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise UsageError(f"'{path}' needs {package}, which is not installed: pip install 'cestab[{extra}]'") from None
