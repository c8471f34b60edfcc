"""The labels of recorded logits: which shape they have, and their check before anything is computed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.files import Rows, StoredArray
from cestab.errors import UsageError, name_options
from cestab.numerics.formats import FORMATS

NUMBERS_PER_BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels by rows: an index each, the probability of one logit, or (`is_dense`) a weight per class."""

    array: StoredArray
    rows: int
    classes: int
    is_binary: bool
    is_dense: bool = False

    def read(self, rows: Rows) -> npt.NDArray[Any]:
        """Return labels of some of the rows: (rows,), or dense (rows, classes)."""
        labels = self.array.take(rows)
        return labels if self.is_dense else labels.reshape(-1)

    def check(self, ignore_index: int) -> None:
        """Refuse labels that are no numbers, or out of range; the error names the first bad row."""
        dtype = self.array.dtype
        is_truth_value = dtype.kind == "b" and (self.is_binary or self.is_dense)
        if dtype.kind not in "iu" and dtype.name not in FORMATS and not is_truth_value:
            kind = "numbers" if self.is_binary or self.is_dense else "whole numbers"
            raise UsageError(f"labels are of type {dtype}; {kind} are needed")
        count, first = 0, ""
        step = max(1, NUMBERS_PER_BLOCK // (self.classes if self.is_dense else 1))
        for start in range(0, self.rows, step):
            labels = self.read(slice(start, min(start + step, self.rows)))
            bad = np.argwhere(self._find_bad(labels, ignore_index))
            if bad.size and not count:
                first = f"row {start + bad[0][0]} has label {labels[tuple(bad[0])]}"
            count += len(np.unique(bad[:, 0]))
        if count:
            raise UsageError(f"{first}; {self._describe_range(ignore_index)} ({count} such rows)")

    def _find_bad(self, labels: npt.NDArray[Any], ignore_index: int) -> npt.NDArray[np.bool_]:
        numbers: npt.NDArray[Any] = labels if labels.dtype.kind in "iu" else labels.astype(np.float64)
        is_allowed: npt.NDArray[np.bool_]
        with np.errstate(invalid="ignore"):
            if self.is_dense:
                is_allowed = (numbers >= 0) & np.isfinite(numbers)
            elif self.is_binary:
                is_allowed = (numbers >= 0) & (numbers <= 1)
            else:
                is_index = (numbers >= 0) & (numbers < self.classes) & (numbers == np.floor(numbers))
                is_allowed = (numbers == ignore_index) | is_index
        return ~is_allowed

    def _describe_range(self, ignore_index: int) -> str:
        if self.is_dense:
            return "finite weights from 0 on are allowed"
        if self.is_binary:
            return "from 0 to 1 is allowed"
        return f"whole numbers from 0 to {self.classes - 1}, or {ignore_index} to ignore the row, are allowed"


def arrange_labels(
    array: StoredArray, shape: tuple[int, ...], row_shape: tuple[int, ...], axis: int, *, is_binary: bool
) -> Labels:
    """Return labels by rows: a label per row, in the rows' shape or flat, or a weight per class, in the logits' shape."""
    rows, own = int(np.prod(row_shape, dtype=np.int64)), array.shape
    is_dense = not is_binary and own == shape
    if len(own) == 1 and own[0] == rows:
        by_rows = array
    elif own == row_shape or (is_binary and own == shape):
        by_rows = array.unfold(None)
    elif is_dense:
        by_rows = array.unfold(axis)
    elif own == (*row_shape, 1):
        by_rows = array.unfold(len(row_shape))
    else:
        other = next((at for at in range(len(shape)) if own == shape[:at] + shape[at + 1 :]), None)
        hint = "" if other is None or is_binary else f"; are the classes on another axis ({{class_axis={other}}})?"
        rows_are = f"there are {rows} rows of logits" + (f", of shape {row_shape}," if len(row_shape) > 1 else "")
        raise UsageError(f"{rows_are} but labels of shape {own}", *name_options(hint))
    return Labels(array=by_rows, rows=rows, classes=1 if is_binary else shape[axis], is_binary=is_binary, is_dense=is_dense)
