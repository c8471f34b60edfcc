"""Recorded logits: .npy and .npz files, read without pickle and in bounded memory, with their labels."""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.errors import UsageError, unknown_name
from cestab.results import Objective

LABEL_NAMES = ("labels", "label", "targets", "target", "y")


@dataclass(frozen=True)
class Recording:
    """Logits on disk, seen as (rows, classes), and a label per row: an index, or a probability for one logit."""

    logits: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    objective: Objective

    @property
    def rows(self) -> int:
        return len(self.logits)

    @property
    def classes(self) -> int:
        return int(self.logits.shape[1])

    def read(self, start: int, stop: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        """Return logits (classes, rows) as float64, which holds them exactly, and labels of a slice of the rows."""
        return np.ascontiguousarray(np.asarray(self.logits[start:stop], dtype=np.float64).T), np.asarray(
            self.labels[start:stop]
        )


@contextmanager
def open_recording(
    file: str, labels: str | None, objective: Objective, class_axis: int, ignore_index: int
) -> Iterator[Recording]:
    """Open a file of logits, checked against its labels; a compressed .npz is unpacked to a temporary folder.

    class_axis: 1 where rows are cases (as frameworks write them), 0 where rows are classes.
    """
    with ExitStack() as stack:
        arrays = _load(Path(file), stack)
        if labels is not None:
            arrays["labels"] = _only(_load(Path(labels), stack), labels, LABEL_NAMES)
        logits = _only(arrays, file, ("logits",))
        found = next((arrays[name] for name in LABEL_NAMES if name in arrays), None)
        if found is None:
            raise UsageError(f"'{file}' holds no labels; give them with --labels FILE")
        is_binary = objective.is_binary
        recording = Recording(_as_rows(logits, file, class_axis, is_binary=is_binary), found, objective)
        _check_labels(recording, ignore_index)
        yield recording


def _load(path: Path, stack: ExitStack) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file by name, mapped from disk, not read."""
    if path.suffix not in (".npy", ".npz"):
        raise UsageError(f"'{path}' is not a .npy or .npz file")
    try:
        if path.suffix == ".npy":
            return {"": _map(path)}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cestab-")))
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy") and "/" not in name and ".." not in name]
            return {name.removesuffix(".npy"): _map(Path(archive.extract(name, folder))) for name in members}
    except FileNotFoundError:
        raise UsageError(f"there is no file '{path}'") from None
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"'{path}' cannot be read as NumPy arrays without pickle: {error}") from None


def _map(path: Path) -> npt.NDArray[Any]:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(mapped, np.ndarray):
        raise ValueError("it is an archive; call it .npz")  # noqa: TRY004  # told with the other unreadable files
    return mapped


def _only(arrays: dict[str, npt.NDArray[Any]], file: str, names: tuple[str, ...]) -> npt.NDArray[Any]:
    """Return the array of one of these names, or the only one there is."""
    for name in names:
        if name in arrays:
            return arrays[name]
    unlabelled = {name: array for name, array in arrays.items() if name not in LABEL_NAMES or names == LABEL_NAMES}
    if len(unlabelled) == 1:
        return next(iter(unlabelled.values()))
    if not arrays:
        raise UsageError(f"'{file}' holds no arrays")
    raise unknown_name(f"array in '{file}'; it needs one called", names[0], list(arrays))


def _as_rows(logits: npt.NDArray[Any], file: str, class_axis: int, *, is_binary: bool) -> npt.NDArray[Any]:
    """Return logits as (rows, classes), without copying."""
    if logits.dtype.kind != "f" or logits.dtype.itemsize > 8:
        raise UsageError(f"the logits in '{file}' are of type {logits.dtype}; float16, float32 or float64 is needed")
    if is_binary and logits.ndim == 1:
        return logits[:, np.newaxis]
    if logits.ndim != 2:  # rows and classes
        raise UsageError(f"the logits in '{file}' have shape {logits.shape}; two axes, cases and classes, are needed")
    rows = logits if class_axis == 1 else logits.T
    if is_binary and rows.shape[1] != 1:
        raise UsageError(f"the logits in '{file}' have {rows.shape[1]} classes; the binary objective takes one logit a row")
    if not is_binary and rows.shape[1] <= 1:
        raise UsageError(f"the logits in '{file}' have {rows.shape[1]} class; a softmax needs at least 2 (or see --axis)")
    if not len(rows):
        raise UsageError(f"'{file}' holds no rows")
    return rows


def _check_labels(recording: Recording, ignore_index: int) -> None:
    """Refuse labels of another length or type, or out of range: the first bad row is told."""
    labels = recording.labels
    if labels.shape != (recording.rows,):
        hint = "; are the classes first (--axis 0)?" if labels.shape == (recording.classes,) else ""
        raise UsageError(f"there are {recording.rows} rows of logits but labels of shape {labels.shape}{hint}")
    is_binary = recording.objective.is_binary
    if labels.dtype.kind not in ("fiu" if is_binary else "iu"):
        raise UsageError(f"labels are of type {labels.dtype}; {'numbers' if is_binary else 'integers'} are needed")
    if is_binary:
        is_bad, allowed = ~((labels >= 0) & (labels <= 1)), "from 0 to 1"
    else:
        is_bad = (labels != ignore_index) & ((labels < 0) | (labels >= recording.classes))
        allowed = f"from 0 to {recording.classes - 1}, or {ignore_index} to ignore the row"
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise UsageError(f"row {row} has label {labels[row]}; {allowed} is allowed ({np.count_nonzero(is_bad)} such rows)")
