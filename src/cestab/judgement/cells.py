"""Cells: which kinds of findings there are in the cells of a plane of two logits, each axis in the bins of curves."""

from collections.abc import Mapping

import numpy as np

from cestab.judgement.curve import number_bins
from cestab.judgement.judge import Judgement
from cestab.judgement.rules import KINDS
from cestab.numerics.rounding import FloatArray
from cestab.vocabulary.curves import BINS
from cestab.vocabulary.kinds import FindingKind

Cells = Mapping[int, int]  # by number, row by row from the smallest logits on: a bit for each kind, that of its code


def find_cells(logits: FloatArray, judgement: Judgement, end: float) -> Cells:
    """Return the cells of logits (2, cases) that have findings, in a range with this largest magnitude."""
    has_findings = np.flatnonzero(judgement.loss_codes | judgement.gradient_codes)
    if not has_findings.size:
        return {}
    row, column = (number_bins(z.astype(np.float64), end) + BINS for z in logits.take(has_findings, axis=1))
    of_loss, of_gradient = (codes[has_findings].astype(np.int64) for codes in (judgement.loss_codes, judgement.gradient_codes))
    kinds = (np.int64(1) << of_loss) | (np.int64(1) << of_gradient)
    numbers = row * 2 * BINS + column
    order = np.argsort(numbers, kind="stable")
    cells, starts = np.unique(numbers[order], return_index=True)
    return dict(zip(cells.tolist(), np.bitwise_or.reduceat(kinds[order], starts).tolist(), strict=True))


def merge_cells(first: Cells, second: Cells) -> Cells:
    """Return the cells of both."""
    if not first or not second:
        return first or second
    return {number: first.get(number, 0) | second.get(number, 0) for number in first.keys() | second.keys()}


def list_kinds(cell: int) -> list[FindingKind]:
    """Return the kinds of a cell."""
    return [kind for code, kind in enumerate(KINDS, start=1) if cell >> code & 1]
