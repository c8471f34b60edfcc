"""An array in a file, read by rows: the interface of every reader, a reader that maps plain bytes, refusals of bad files."""

import math
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

    def unfold(self, axis: int | None) -> "StoredArray":
        """Return it by rows: the other axes as one, in C order, before `axis`; all axes as one for None."""


class Mappable(Protocol):
    """An array that can be mapped whole."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def mapped(self, read_bytes: int) -> Array:
        """Return all of it, of which about so many bytes will be read."""


@dataclass(frozen=True, kw_only=True)
class Unfolded:
    """A mapped array by rows: its other axes as one, before `axis` (from 0) or, for None, alone."""

    array: Mappable
    axis: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        whole = self.array.shape
        if self.axis is None:
            return (math.prod(whole),)
        return math.prod(whole[: self.axis] + whole[self.axis + 1 :]), whole[self.axis]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def take(self, rows: Rows) -> Array:
        first, last = (rows.start, rows.stop - 1) if isinstance(rows, slice) else (rows[0], rows[-1])
        whole = self.array.mapped(int(last - first + 1) * math.prod(self.shape[1:]) * self.dtype.itemsize)
        moved = whole if self.axis is None else np.moveaxis(whole, self.axis, -1)
        if moved.flags.c_contiguous:
            return np.array(moved.reshape(self.shape)[rows])
        others = moved.shape if self.axis is None else moved.shape[:-1]
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return np.array(moved[rows] if len(others) == 1 else moved[np.unravel_index(numbers, others)])

    def unfold(self, axis: int | None) -> "Unfolded":
        return replace(self, axis=axis)


@dataclass(frozen=True, kw_only=True)
class MappedArray:
    """Plain bytes of a file that is open. They are mapped anew for every read, so that no page stays in memory."""

    stream: BinaryIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: Literal["C", "F"] = "C"

    def mapped(self, read_bytes: int) -> Array:
        try:
            return np.memmap(self.stream, self.dtype, "r", self.offset, self.shape, self.order)
        except ValueError:
            raise UsageError(f"'{self.stream.name}' became shorter while it was read") from None

    def take(self, rows: Rows) -> Array:
        return np.array(self.mapped(0)[rows])

    def unfold(self, axis: int | None) -> Unfolded:
        return Unfolded(array=self, axis=axis)


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
