"""Columns of Parquet and Arrow IPC files (or streams), a batch at a time: numbers, or lists of numbers of one length."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cestab.cases.files.stored import Array, Rows, StoredArray, import_extra, refuse_cut, refuse_unreadable
from cestab.errors import OptionName, UsageError

NUMBERS_PER_BATCH = 2**17  # as many as the audit takes at once
BUFFER_BYTES = 2**20  # without a buffer, or with pre_buffer, the column of a whole row group is read at once
IPC_FILE_MAGIC = b"ARROW1"
PARQUET_MAGIC = b"PAR1"
STORED_TYPES = {"halffloat": "float16", "float": "float32", "double": "float64"} | {
    name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}
_LISTS = ("list<", "large_list<", "fixed_size_list<")


class _Source(Protocol):
    """A table in chunks; reading can begin at each. `starts` holds their first rows, then the number of all rows."""

    path: Path
    schema: Any
    starts: list[int]

    def read(self, name: str, chunk: int, rows: int) -> Iterator[Any]:
        """Yield a column, from a chunk on, as Arrow arrays of at most `rows` rows."""


def open_parquet(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the columns by name."""
    refuse_cut(path, PARQUET_MAGIC)
    return _name_columns(_Parquet(import_extra("pyarrow.parquet", "arrow", path), path))


def open_ipc(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the columns of an Arrow IPC file or stream by name."""
    arrow = import_extra("pyarrow", "arrow", path)
    with path.open("rb") as stream:
        is_file = stream.read(len(IPC_FILE_MAGIC)) == IPC_FILE_MAGIC
    refuse_cut(path, IPC_FILE_MAGIC)
    return _name_columns(_IpcFile(arrow, path) if is_file else _IpcStream(arrow, path))


def _name_columns(source: _Source) -> dict[str, StoredArray]:
    if len(set(source.schema.names)) < len(source.schema.names):
        raise ValueError("two columns have one name")
    return {name: ArrowColumn(source, name) for name in source.schema.names}


class ArrowColumn:
    """A column, read forward; the last batch is held, so that rows in ascending order are read once."""

    def __init__(self, source: _Source, name: str) -> None:
        self._source = source
        self._name = name
        self._batches: Iterator[Any] = iter(())
        self._first = self._after = -1  # rows from first, before after, are held
        self._held: Array = np.empty(0)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        rows = self._source.starts[-1]
        if not self._is_list:
            return (rows,)
        if hasattr(self._type, "list_size"):
            return rows, self._type.list_size
        with self._refuse_unreadable():
            return rows, self._measure_first() if rows else 0

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        number_type = self._type.value_type if self._is_list else self._type
        if str(number_type) not in STORED_TYPES:
            needed = f"{', '.join(STORED_TYPES)} or lists of these are needed"
            raise UsageError(f"column '{self._name}' of '{self._source.path}' is of type {self._type}; {needed}")
        return np.dtype(STORED_TYPES[str(number_type)])

    def unfold(self, axis: int | None) -> StoredArray:
        if len(self.shape) != (1 if axis is None else 2) or axis == 0:
            at = "" if axis is None else str(axis)
            raise UsageError(OptionName("class_axis", at), f" does not go with '{self._source.path}', in which a row is a case")
        return self

    def take(self, rows: Rows) -> Array:
        wanted = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        pieces = [np.empty((0, *self.shape[1:]), self.dtype)]
        with self._refuse_unreadable():
            while wanted.size:
                self._advance(int(wanted[0]))
                count = int(np.searchsorted(wanted, self._after))
                pieces.append(self._held[wanted[:count] - self._first])
                wanted = wanted[count:]
        return np.concatenate(pieces)

    def _measure_first(self) -> int:
        """Return how many numbers row 0 has, which all others must have."""
        width = next(self._source.read(self._name, 0, 1)).value_lengths()[0].as_py()
        if width is None:
            raise UsageError(f"row 0 of column '{self._name}' of '{self._source.path}' is missing")
        return int(width)

    def _advance(self, row: int) -> None:
        """Read the batch that holds a row."""
        starts = self._source.starts
        chunk = bisect_right(starts, row, hi=len(starts) - 1) - 1
        if row < self._first or starts[chunk] > self._after:
            size = max(1, NUMBERS_PER_BATCH // max(1, math.prod(self.shape[1:])))
            self._batches = self._source.read(self._name, chunk, size)
            self._first = self._after = starts[chunk]
        while row >= self._after:
            batch = next(self._batches, None)
            if batch is None:
                raise ValueError("it ends early")
            self._first, self._after = self._after, self._after + len(batch)
            if row < self._after:
                self._held = self._to_array(batch)

    def _to_array(self, batch: Any) -> Array:
        """Return the rows of a batch; a missing number or a row of another length is an error."""
        self._refuse_row(batch.is_null(), "is missing")
        if not self._is_list:
            return np.asarray(batch.to_numpy(zero_copy_only=False))
        width = self.shape[1]
        self._refuse_row(np.asarray(batch.value_lengths()) != width, f"is not of {width} numbers, as row 0 is")
        numbers = batch.flatten()
        if numbers.null_count:
            self._refuse_row(np.asarray(numbers.is_null()).reshape(-1, width).any(axis=1), "has a missing number")
        return np.asarray(numbers.to_numpy(zero_copy_only=False)).reshape(-1, width)

    def _refuse_row(self, is_bad: Any, what: str) -> None:
        rows = np.flatnonzero(is_bad)
        if rows.size:
            row = self._first + int(rows[0])
            raise UsageError(f"row {row} of column '{self._name}' of '{self._source.path}' {what}")

    def _refuse_unreadable(self) -> Any:
        return refuse_unreadable(self._source.path, "Arrow columns")

    @property
    def _type(self) -> Any:
        return self._source.schema.field(self._name).type

    @property
    def _is_list(self) -> bool:
        return str(self._type).startswith(_LISTS)


class _Parquet:
    """Row groups, read page by page; each column is read through a separate open file."""

    def __init__(self, parquet: Any, path: Path) -> None:
        self.path = path
        self._open = partial(parquet.ParquetFile, path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        with self._open() as file:
            self.schema = file.schema_arrow
            groups = range(file.num_row_groups)
            self.starts = list(accumulate((file.metadata.row_group(group).num_rows for group in groups), initial=0))

    def read(self, name: str, chunk: int, rows: int) -> Iterator[Any]:
        groups = list(range(chunk, len(self.starts) - 1))
        with self._open() as file:
            for batch in file.iter_batches(rows, groups, [name], use_threads=False):
                yield batch.column(0)


class _IpcFile:
    """Record batches, mapped one at a time; those of a compressed file are unpacked one at a time."""

    def __init__(self, arrow: Any, path: Path) -> None:
        self.path = path
        self._arrow = arrow
        with arrow.memory_map(str(path)) as mapped, arrow.ipc.open_file(mapped) as file:
            self.schema, count = file.schema, file.num_record_batches
        widths = [self.schema.field(index).type.num_fields for index in range(len(self.schema))]
        lightest = widths.index(min(widths)) if widths else 0  # to count rows, no list is read where there is another column
        batches = range(count if widths else 0)
        self.starts = list(accumulate((len(self._column(lightest, batch)) for batch in batches), initial=0))

    def read(self, name: str, chunk: int, rows: int) -> Iterator[Any]:
        for batch in range(chunk, len(self.starts) - 1):
            yield from _cut(self._column(self.schema.get_field_index(name), batch), rows)

    def _column(self, index: int, batch: int) -> Any:
        """Return a column of a batch. Of numbers, only this column is read; for lists, pyarrow maps the whole batch."""
        is_list = self.schema.field(index).type.num_fields
        options = self._arrow.ipc.IpcReadOptions(included_fields=[] if is_list else [index])
        with self._arrow.memory_map(str(self.path)) as mapped:
            return self._arrow.ipc.open_file(mapped, options=options).get_batch(batch).column(index if is_list else 0)


class _IpcStream:
    """Record batches that can only be read from the first on: one chunk."""

    def __init__(self, arrow: Any, path: Path) -> None:
        self.path = path
        self._arrow = arrow
        with arrow.OSFile(str(path)) as file, arrow.ipc.open_stream(file) as stream:
            self.schema = stream.schema
            self.starts = [0, sum(batch.num_rows for batch in stream)]

    def read(self, name: str, chunk: int, rows: int) -> Iterator[Any]:
        with self._arrow.OSFile(str(self.path)) as file, self._arrow.ipc.open_stream(file) as stream:
            for batch in stream:
                yield from _cut(batch.column(name), rows)


def _cut(column: Any, rows: int) -> Iterator[Any]:
    return (column.slice(start, rows) for start in range(0, len(column), rows))
