"""The facts of a recorded file, per format: rows without a truth, rows that overflow, rows whose label is masked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cestab.cases.recording import Rounded
from cestab.numerics.rounding import IntArray
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import FindingKind

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """In how many rows something is so, and in which first."""

    rows: int
    first: int

    def merge(self, other: "Fact") -> "Fact":
        return Fact(rows=self.rows + other.rows, first=min(self.first, other.first))


Facts = Mapping[FindingKind, Fact]


def find_facts(rows: IntArray, rounded: Rounded, truth: Truth) -> Facts:
    """Return the facts of a block: its rows by number, all of their logits, and the truth of those that are judged."""
    masked = np.zeros(rows.shape, dtype=np.bool_)
    with_mask = np.logical_or.reduce(np.isinf(rounded.logits[:, rounded.is_judged]), axis=0)
    masked[rounded.is_judged] = np.isinf(truth.loss) & with_mask
    flags: dict[FindingKind, Flags] = {
        FindingKind.NAN_LOGITS: rounded.lacks_truth,
        FindingKind.OVERFLOWING_LOGITS: rounded.overflows,
        FindingKind.MASKED_TARGET: masked,
    }
    return {
        kind: Fact(rows=int(np.count_nonzero(is_so)), first=int(rows[is_so].min()))
        for kind, is_so in flags.items()
        if is_so.any()
    }


def merge_facts(one: Facts, other: Facts) -> Facts:
    """Return the facts of two blocks."""
    both = {kind: one[kind].merge(other[kind]) for kind in one if kind in other}
    return {**one, **other, **both}
