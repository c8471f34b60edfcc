"""Targets of a block of cases: an index per case, or a distribution over the classes."""

from collections.abc import Sequence
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

    def weigh(self, classes: int) -> npt.NDArray[np.float64]:
        """Return the target as a weight per class and case: (classes, cases)."""
        return self.with_entry(np.zeros((classes, self.index.size)), 1.0)

    @cached_property
    def flat(self) -> npt.NDArray[np.intp]:
        """Places of the target's entries in a flattened (classes, cases) array."""
        return self.index * self.index.size + np.arange(self.index.size)

    @cached_property
    def common(self) -> int | None:
        """The class, where all cases have the same one: then a row is taken or set, in a fifth of the time."""
        first = int(self.index[0]) if self.index.size else 0
        return first if (self.index == first).all() else None

    def pick(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the target's entry of every case: (classes, cases) → (cases,)."""
        if self.common is not None:
            row: npt.NDArray[Any] = values[self.common].copy()
            return row
        return np.ascontiguousarray(values).reshape(-1).take(self.flat)

    def with_entry(self, values: npt.NDArray[Any], entries: npt.NDArray[Any] | float) -> npt.NDArray[Any]:
        """Return a copy of (classes, cases) values whose target entries are `entries`."""
        changed = values.astype(np.result_type(values, entries), order="C")  # objects where the entries are exact numbers
        if self.common is not None:
            changed[self.common] = entries
        else:
            changed.reshape(-1)[self.flat] = entries
        return changed

    def select(self, cases: npt.NDArray[Any]) -> "IndexTarget":
        """Return the target of a subset of the cases."""
        return IndexTarget(index=self.index[cases])


@dataclass(frozen=True, kw_only=True)
class DenseTarget:
    """A weight per class and case, numbers of the format: weights of shape (classes, cases)."""

    weights: FloatArray

    def weigh(self, _: int) -> npt.NDArray[np.float64]:
        """Return the weights in float64."""
        return self.weights.astype(np.float64)

    def select(self, cases: npt.NDArray[Any]) -> "DenseTarget":
        """Return the target of a subset of the cases."""
        places = np.flatnonzero(cases) if cases.dtype == np.bool_ else cases
        return DenseTarget(weights=self.weights.take(places, axis=1))


Target = IndexTarget | DenseTarget


def join_targets(targets: Sequence[Target]) -> Target:
    """Return the targets of several blocks, all of one kind, as one."""
    indices = [target.index for target in targets if isinstance(target, IndexTarget)]
    if indices:
        return IndexTarget(index=np.concatenate(indices))
    weights = [target.weights for target in targets if isinstance(target, DenseTarget)]
    return DenseTarget(weights=np.concatenate(weights, axis=1))


def repeat_target(target: Target, count: int) -> Target:
    """Return the target of the first case for many."""
    if isinstance(target, IndexTarget):
        return IndexTarget(index=np.full(count, target.index[0]))
    return DenseTarget(weights=np.repeat(target.weights[:, :1], count, axis=1))


def first_maximum(values: FloatArray) -> IndexTarget:
    """Return the place of the largest value of every case, the first of equal ones: (classes, cases) → (cases,)."""
    if len(values) > 16:  # np.argmax over the leading axis costs 10 ns a case at 2 classes, this loop under 1
        return IndexTarget(index=np.argmax(values, axis=0))
    best, index = values[0], np.zeros(values.shape[1], dtype=np.intp)
    for row, candidate in enumerate(values[1:], start=1):
        index = np.where(candidate > best, row, index)
        best = np.maximum(best, candidate)
    return IndexTarget(index=index)
