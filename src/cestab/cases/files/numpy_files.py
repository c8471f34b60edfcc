"""NumPy's own files, .npy and .npz, read without pickle; of an archive only the members that are read are unpacked."""

import math
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from cestab.cases.files.stored import Array, MappedArray, Rows, StoredArray, Unfolded, refuse_no_archive, refuse_unreadable
from cestab.errors import UsageError

WHAT = "NumPy arrays without pickle"
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # differs in the encoding of field names, which no array of numbers has
}


class _Header(NamedTuple):
    """What is written before the numbers of a .npy file, and where they begin."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    offset: int


def open_npy(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the one array, which has no name."""
    return {"": _map(path, stack)}


def open_npz(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the arrays at the top of the archive."""
    refuse_no_archive(path, "it is no archive of numpy.savez")
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [info for info in archive.infolist() if info.filename.endswith(".npy") and _is_plain(info.filename)]
    names = [info.filename.removesuffix(".npy") for info in members]
    if len(set(names)) < len(names):
        raise ValueError("two of its arrays have one name")
    source = _Archive(path=path, archive=archive, stack=stack)
    return {name: _Member(source=source, info=info) for name, info in zip(names, members, strict=True)}


def _is_plain(name: str) -> bool:
    return "/" not in name and "\\" not in name and ".." not in name


def _map(path: Path, stack: ExitStack) -> MappedArray:
    stream = stack.enter_context(path.open("rb"))
    header = _read_header(stream, path.stat().st_size)
    return MappedArray(stream=stream, dtype=header.dtype, shape=header.shape, offset=header.offset, order=header.order)


def _read_header(stream: IO[bytes], size: int) -> _Header:
    """Return the header of a .npy file of so many bytes; a ValueError says what is wrong with it."""
    if stream.read(2) == b"PK":
        raise ValueError("it is an archive; call it .npz")
    stream.seek(0)
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"its version {version[0]}.{version[1]} is not one of NumPy's")
    try:
        shape, is_fortran, dtype = _READERS[version](stream)
    except Exception as error:  # noqa: BLE001  # the header is read as Python text, which fails in many ways
        raise ValueError(f"its header is damaged: {str(error) or type(error).__name__}") from None
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    if not all(type(length) is int and 0 <= length < 2**63 for length in shape):
        raise ValueError("its shape is not one of whole numbers from 0 on")
    offset = stream.tell()
    if offset + math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"it is cut off: its {size} bytes are fewer than its shape needs")
    return _Header(shape, "F" if is_fortran else "C", dtype, offset)


@dataclass(frozen=True, kw_only=True)
class _Archive:
    """An open archive, and the stack that closes what is unpacked of it."""

    path: Path
    archive: zipfile.ZipFile
    stack: ExitStack


@dataclass(kw_only=True)
class _Member:
    """An array of an archive, unpacked to a temporary folder when its first rows are read."""

    source: _Archive
    info: zipfile.ZipInfo

    @property
    def shape(self) -> tuple[int, ...]:
        return self._header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._header.dtype

    def take(self, rows: Rows) -> Array:
        return self._unpacked.take(rows)

    def mapped(self, read_bytes: int) -> Array:
        return self._unpacked.mapped(read_bytes)

    def unfold(self, axis: int | None) -> Unfolded:
        return Unfolded(array=self, axis=axis)

    @cached_property
    def _header(self) -> _Header:
        with refuse_unreadable(self.source.path, WHAT), self.source.archive.open(self.info) as stream:
            return _read_header(stream, self.info.file_size)

    @cached_property
    def _unpacked(self) -> MappedArray:
        source = self.source
        with refuse_unreadable(source.path, WHAT):
            folder = source.stack.enter_context(tempfile.TemporaryDirectory(prefix="cestab-"))
            free = shutil.disk_usage(folder).free
            if self.info.file_size > free:
                raise UsageError(
                    f"'{self.info.filename}' in '{source.path}' takes {self.info.file_size} bytes unpacked, "
                    f"and {free} are free in '{tempfile.gettempdir()}' (TMPDIR names another folder)"
                )
            return _map(Path(source.archive.extract(self.info, folder)), source.stack)
