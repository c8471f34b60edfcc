"""Targets of a block of cases: an index per case, or a distribution over the classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.numerics.rounding import FloatArray


@dataclass(frozen=True, kw_only=True)
class IndexTarget:
    """One class per case: index of shape (cases,)."""

    index: npt.NDArray[np.intp]

    @cached_property
    def flat(self) -> npt.NDArray[np.intp]:
        """Places of the target's entries in a flattened (classes, cases) array."""
        return self.index * self.index.size + np.arange(self.index.size)

    def pick(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the target's entry of every case: (classes, cases) → (cases,)."""
        return np.ascontiguousarray(values).reshape(-1).take(self.flat)

    def with_entry(self, values: npt.NDArray[Any], entries: npt.NDArray[Any] | float) -> npt.NDArray[Any]:
        """Return a copy of (classes, cases) values whose target entries are `entries`."""
        changed = values.astype(np.result_type(values, entries), order="C")  # objects where the entries are exact numbers
        changed.reshape(-1)[self.flat] = entries
        return changed

    def select(self, cases: npt.NDArray[Any]) -> "IndexTarget":
        """Return the target of a subset of the cases."""
        return IndexTarget(index=self.index[cases])


@dataclass(frozen=True, kw_only=True)
class DenseTarget:
    """A weight per class and case, numbers of the format: weights of shape (classes, cases)."""

    weights: FloatArray

    def select(self, cases: npt.NDArray[Any]) -> "DenseTarget":
        """Return the target of a subset of the cases."""
        return DenseTarget(weights=np.ascontiguousarray(self.weights[:, cases]))


Target = IndexTarget | DenseTarget


def first_maximum(values: FloatArray) -> IndexTarget:
    """Return the place of the largest value of every case, the first of equal ones: (classes, cases) → (cases,)."""
    if len(values) > 16:  # np.argmax over the leading axis costs 10 ns a case at 2 classes, this loop under 1
        return IndexTarget(index=np.argmax(values, axis=0))
    best, index = values[0], np.zeros(values.shape[1], dtype=np.intp)
    for row, candidate in enumerate(values[1:], start=1):
        index = np.where(candidate > best, row, index)
        best = np.maximum(best, candidate)
    return IndexTarget(index=index)
