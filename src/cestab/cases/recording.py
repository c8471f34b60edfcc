"""Recorded logits and labels: which arrays of a file they are, checked against each other, read in bounded memory."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cestab.cases.files import Rows, StoredArray, open_arrays
from cestab.cases.patterns import has_truth
from cestab.cases.recorded_labels import Labels, arrange_labels
from cestab.errors import UsageError, name_options, unknown_name
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, IntArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, Objective
from cestab.vocabulary.phrases import show_classes
from cestab.vocabulary.recorded import drop_axis
from cestab.vocabulary.requests import RecordingSource

LOGITS_NAMES = ("logits", "outputs", "scores", "y_pred")
LABELS_NAMES = ("labels", "label", "targets", "target", "y_true", "y")
PAIR = ("arr_0", "arr_1")  # what numpy.savez calls arrays without names


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Logits on disk, seen as (rows, classes), with their labels.

    `shape` is that of the logits as stored, with the classes on `class_axis` (None where every number is a row); `row_shape`
    that without the classes, in whose C order rows are numbered. The keys are the names of the arrays, empty where they have
    none.
    """

    logits: StoredArray
    labels: Labels
    objective: Objective
    shape: tuple[int, ...]
    class_axis: int | None
    logits_key: str
    labels_key: str

    @property
    def row_shape(self) -> tuple[int, ...]:
        return drop_axis(self.shape, self.class_axis)

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
        return np.ascontiguousarray(logits.T), self.labels.read(rows)


@contextmanager
def open_recording(source: RecordingSource, objective: Objective) -> Iterator[Recording]:
    """Open a file of logits, checked against its labels."""
    with ExitStack() as stack:
        arrays = open_arrays(Path(source.file), stack)
        beside = arrays if source.labels is None else open_arrays(Path(source.labels), stack)
        logits_key = _choose_logits(arrays, source)
        labels_key = _choose_labels(beside, source, logits_key)
        recording = _arrange(arrays[logits_key], beside[labels_key], objective, source, (logits_key, labels_key))
        recording.labels.check(source.ignore_index)
        yield recording


def draw_rows(rows: int, sample: int | None, seed: int) -> IntArray | None:
    """Return the numbers of `sample` rows drawn without replacement, ascending; None for all rows."""
    if sample is None or sample >= rows:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False, shuffle=False))


def _choose_logits(arrays: Mapping[str, StoredArray], source: RecordingSource) -> str:
    """Return the name of the logits: that given, a common one, the first of a pair, or the only one that is not of labels."""
    if source.logits_key is not None:
        return _find_key(arrays, source.logits_key, source.file)
    if not arrays:
        raise UsageError(f"'{source.file}' holds no arrays")
    others = [name for name in arrays if name not in LABELS_NAMES and name != source.labels_key]
    common = [name for name in LOGITS_NAMES if name in arrays] or ([PAIR[0]] if {*arrays} == {*PAIR} else [])
    if common or len(others) == 1:
        return (common or others)[0]
    unknown = unknown_name(f"array in '{source.file}'; it needs one called", LOGITS_NAMES[0], list(arrays))
    raise UsageError(*unknown.args, *name_options("; {logits_key=NAME} names another"))


def _choose_labels(arrays: Mapping[str, StoredArray], source: RecordingSource, logits_key: str) -> str:
    """Return the name of the labels in a file; in one of their own they may have any name if they are alone."""
    file = source.labels or source.file
    if source.labels_key is not None:
        return _find_key(arrays, source.labels_key, file)
    found = next((name for name in LABELS_NAMES if name in arrays), None)
    if found is None and source.labels is None and {*arrays} == {*PAIR} and logits_key == PAIR[0]:
        return PAIR[1]
    if found is None and source.labels is not None and len(arrays) == 1:
        return next(iter(arrays))
    if found is None and source.labels is not None:
        raise unknown_name(f"array in '{file}'; it needs one called", LABELS_NAMES[0], list(arrays))
    if found is None:
        raise UsageError(f"'{file}' holds no labels; give them with ", *name_options("{labels=FILE} or {labels_key=NAME}"))
    return found


def _find_key(arrays: Mapping[str, StoredArray], key: str, file: str) -> str:
    if key not in arrays:
        raise unknown_name(f"array in '{file}':", key, [name or "(one without a name)" for name in arrays])
    return key


def _arrange(
    logits: StoredArray, labels: StoredArray, objective: Objective, source: RecordingSource, keys: tuple[str, str]
) -> Recording:
    """Return logits and labels by rows; a UsageError if they do not fit each other or the objective."""
    axis = _check_logits(logits, objective, source)
    shape = logits.shape
    has_axis = not objective.is_binary or (bool(shape) and shape[axis] == 1)
    class_axis = axis if has_axis else None
    row_shape = drop_axis(shape, class_axis)
    by_rows = logits.unfold(class_axis) if len(shape) > 1 else logits
    if not by_rows.shape[0]:
        raise UsageError(f"'{source.file}' holds no rows")
    return Recording(
        logits=by_rows,
        labels=arrange_labels(labels, shape, row_shape, axis, is_binary=objective.is_binary),
        objective=objective,
        shape=shape,
        class_axis=class_axis,
        logits_key=keys[0],
        labels_key=keys[1],
    )


def _check_logits(logits: StoredArray, objective: Objective, source: RecordingSource) -> int:
    """Return the axis of the classes, from 0 on; a UsageError if these are no logits of the objective."""
    file, shape = source.file, logits.shape
    if logits.dtype.name not in FORMATS:
        hint = (
            " (NumPy's own files do not say what ml_dtypes' formats are; .safetensors does)" if logits.dtype.kind == "V" else ""
        )
        raise UsageError(f"the logits in '{file}' are of type {logits.dtype}; one of {', '.join(FORMATS)} is needed{hint}")
    if not shape or (len(shape) == 1 and not objective.is_binary):
        one = f" (one logit a row is {{objective={BINARY_CROSS_ENTROPY}}})" if shape else ""
        needed = f"; rows and classes, two axes or more, are needed{one}"
        raise UsageError(f"the logits in '{file}' have shape {shape}", *name_options(needed))
    if not -len(shape) <= source.class_axis < len(shape):
        given = name_options(f" have {len(shape)} axes, and {{class_axis={source.class_axis}}} is none of them")
        raise UsageError(f"the logits in '{file}'", *given)
    axis = source.class_axis % len(shape)
    if not objective.is_binary and shape[axis] <= 1:
        see = name_options(" (or see {class_axis} and {objective})")
        raise UsageError(f"the logits in '{file}' have {show_classes(shape[axis])}; a softmax needs at least 2", *see)
    return axis


class Rounded(NamedTuple):
    """Logits (classes, rows) in a format, and flags of the rows: which are judged, and why others are not.

    A row without a truth has a logit that is NaN or +inf (of one logit only NaN), or all are −inf. What overflows is finite
    as recorded and not in the format.
    """

    logits: FloatArray
    is_judged: npt.NDArray[np.bool_]
    lacks_truth: npt.NDArray[np.bool_]
    overflows: npt.NDArray[np.bool_]


def round_logits(originals: FloatArray, fmt: Format, objective: Objective) -> Rounded:
    """Return recorded logits (classes, rows) in the format."""
    rounded = round_to_format(originals, fmt)
    lacks_truth = ~has_recorded_truth(originals, objective)
    overflows = np.logical_or.reduce(~np.isfinite(rounded) & np.isfinite(originals), axis=0) & ~lacks_truth
    return Rounded(rounded, has_recorded_truth(rounded, objective) & ~lacks_truth & ~overflows, lacks_truth, overflows)


def has_recorded_truth(logits: FloatArray, objective: Objective) -> npt.NDArray[np.bool_]:
    """Return which rows have a true loss: no NaN and no +inf, not all −inf; of one logit, no NaN."""
    return ~np.isnan(logits[0]) if objective.is_binary else has_truth(logits, masks=True)


def make_recorded_target(objective: Objective, fmt: Format, labels: npt.NDArray[Any]) -> Target:
    """Return the target of recorded labels: (rows,), or dense (rows, classes)."""
    if labels.ndim == 2:
        return DenseTarget(weights=np.ascontiguousarray(round_to_format(labels.astype(np.float64), fmt).T))
    if objective.is_binary:
        return DenseTarget(weights=round_to_format(labels.astype(np.float64), fmt)[np.newaxis])
    return IndexTarget(index=labels.astype(np.intp))
