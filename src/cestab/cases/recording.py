"""Recorded logits: arrays of a file and their labels, checked against each other and read in bounded memory."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.files import Rows, StoredArray, open_arrays
from cestab.cases.patterns import has_truth
from cestab.errors import UsageError, name_options, unknown_name
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, IntArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.phrases import show_classes

LABEL_NAMES = ("labels", "label", "targets", "target", "y")
LABELS_PER_BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Logits on disk, seen as (rows, classes), and a label per row: an index, or a probability for one logit."""

    logits: StoredArray
    labels: StoredArray
    objective: Objective

    @property
    def rows(self) -> int:
        return self.logits.shape[0]

    @property
    def classes(self) -> int:
        return 1 if len(self.logits.shape) == 1 else self.logits.shape[1]

    def read(self, rows: Rows) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        """Return logits (classes, rows) as float64, which holds them exactly, and labels of some of the rows."""
        with np.errstate(invalid="ignore"):  # a signalling NaN
            logits = np.asarray(self.logits.take(rows), dtype=np.float64).reshape(-1, self.classes)
        return np.ascontiguousarray(logits.T), self.labels.take(rows)


@contextmanager
def open_recording(
    file: str, labels: str | None, objective: Objective, class_axis: int, ignore_index: int
) -> Iterator[Recording]:
    """Open a file of logits, checked against its labels.

    class_axis: 1 where rows are cases (as frameworks write them), 0 where rows are classes.
    """
    with ExitStack() as stack:
        arrays = open_arrays(Path(file), stack)
        if labels is not None:
            arrays["labels"] = _choose_array(open_arrays(Path(labels), stack), labels, LABEL_NAMES)
        logits = _choose_array(arrays, file, ("logits",))
        label_array = next((arrays[name] for name in LABEL_NAMES if name in arrays), None)
        if label_array is None:
            raise UsageError(f"'{file}' holds no labels; give them with ", *name_options("{labels=FILE}"))
        is_binary = objective.is_binary
        recording = Recording(
            logits=_as_rows(logits, file, class_axis, is_binary=is_binary), labels=label_array, objective=objective
        )
        _check_labels(recording, ignore_index)
        yield recording


def draw_rows(rows: int, sample: int | None, seed: int) -> IntArray | None:
    """Return the numbers of `sample` rows drawn without replacement, ascending; None for all rows."""
    if sample is None or sample >= rows:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False, shuffle=False))


def _choose_array(arrays: Mapping[str, StoredArray], file: str, names: tuple[str, ...]) -> StoredArray:
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


def _as_rows(logits: StoredArray, file: str, class_axis: int, *, is_binary: bool) -> StoredArray:
    """Return logits as (rows, classes), with at least one row; one logit per row may be (rows,)."""
    if logits.dtype.name not in FORMATS:
        hint = (
            " (NumPy's own files do not say what ml_dtypes' formats are; .safetensors does)" if logits.dtype.kind == "V" else ""
        )
        raise UsageError(f"the logits in '{file}' are of type {logits.dtype}; one of {', '.join(FORMATS)} is needed{hint}")
    axes = len(logits.shape)
    if axes != 2 and not (is_binary and axes == 1):
        raise UsageError(f"the logits in '{file}' have shape {logits.shape}; two axes, cases and classes, are needed")
    logits = logits.turn() if axes == 2 and class_axis == 0 else logits
    classes = logits.shape[1] if axes == 2 else 1
    if is_binary and classes != 1:
        raise UsageError(f"the logits in '{file}' have {show_classes(classes)}; the binary objective takes one logit a row")
    if not is_binary and classes <= 1:
        see = name_options(" (or see {class_axis} and {objective})")
        raise UsageError(f"the logits in '{file}' have {show_classes(classes)}; a softmax needs at least 2", *see)
    if not logits.shape[0]:
        raise UsageError(f"'{file}' holds no rows")
    return logits


def _check_labels(recording: Recording, ignore_index: int) -> None:
    """Refuse labels of another length or type, or out of range; the error names the first bad row."""
    shape, dtype = recording.labels.shape, recording.labels.dtype
    if shape != (recording.rows,):
        hint = "; are the classes first ({class_axis=0})?" if shape == (recording.classes,) else ""
        raise UsageError(f"there are {recording.rows} rows of logits but labels of shape {shape}", *name_options(hint))
    is_binary = recording.objective.is_binary
    if not (dtype.kind in "iu" or (is_binary and dtype.name in FORMATS)):
        raise UsageError(f"labels are of type {dtype}; {'numbers' if is_binary else 'integers'} are needed")
    count, first = 0, (0, "")
    for start in range(0, recording.rows, LABELS_PER_BLOCK):
        labels = recording.labels.take(slice(start, min(start + LABELS_PER_BLOCK, recording.rows)))
        bad = np.flatnonzero(_find_bad(labels, recording, ignore_index))
        if bad.size and not count:
            first = start + int(bad[0]), str(labels[bad[0]])
        count += bad.size
    if count:
        ends = "1" if is_binary else f"{recording.classes - 1}, or {ignore_index} to ignore the row"
        raise UsageError(f"row {first[0]} has label {first[1]}; from 0 to {ends} is allowed ({count} such rows)")


def _find_bad(labels: npt.NDArray[Any], recording: Recording, ignore_index: int) -> npt.NDArray[np.bool_]:
    if recording.objective.is_binary:
        is_allowed: npt.NDArray[np.bool_] = (labels >= 0) & (labels <= 1)
    else:
        is_allowed = (labels == ignore_index) | ((labels >= 0) & (labels < recording.classes))
    return ~is_allowed


def round_logits(originals: FloatArray, fmt: Format) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return logits (classes, rows) in the format, and which rows have a truth: no NaN, no overflow, not all masked."""
    rounded = round_to_format(originals, fmt)
    overflows = np.logical_or.reduce(np.isinf(rounded) & np.isfinite(originals), axis=0)
    return rounded, has_truth(originals, masks=True) & has_truth(rounded, masks=True) & ~overflows


def make_recorded_target(objective: Objective, fmt: Format, labels: npt.NDArray[Any]) -> Target:
    """Return the target of recorded labels (rows,)."""
    if objective.is_binary:
        return DenseTarget(weights=round_to_format(labels.astype(np.float64), fmt)[np.newaxis])
    return IndexTarget(index=labels.astype(np.intp))
