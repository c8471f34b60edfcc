"""Every pair of logits of a format of two classes: lines along the second logit, one for each first."""

from collections.abc import Iterator

import numpy as np

from cestab.cases.pairs import find_positions
from cestab.cases.target_kinds import make_target
from cestab.evaluation.blocks import Block, Cases, Conditions, Outcome
from cestab.evaluation.lines import judge_slices
from cestab.evaluation.stretches import Slice
from cestab.judgement.curve import number_bins
from cestab.numerics.rounding import from_ordinal
from cestab.numerics.target import repeat_target

CASES_PER_SLICE = 2**17


def evaluate_pairs(block: Block) -> dict[str, Outcome]:
    """Return a summary per formulation of whole rows of pairs; after Ctrl-C some are missing."""
    conditions = block.conditions
    return judge_slices(block, make_slices, number=lambda own: find_positions(own, conditions.ends, conditions.fmt))


def make_slices(block: Block) -> Iterator[Slice]:
    """Yield slices of whole rows of pairs: below and above the diagonal, where the target is one, and the rows' own columns."""
    conditions, numbers = block.conditions, block.ordinals
    low, high = conditions.ends
    count = high - low + 1
    assert isinstance(numbers, range), "consecutive pairs"
    size = max(1, CASES_PER_SLICE // count)
    for start in range(numbers.start // count, numbers.stop // count, size):
        stop = min(start + size, numbers.stop // count)
        rows = range(start, stop)
        for columns in (range(start + 1), range(stop, count)):
            if columns:
                yield _make_slice(conditions, rows, columns, has_one_target=True)
        if stop - start > 1:
            yield _make_slice(conditions, rows, range(start + 1, stop), has_one_target=False)


def _make_slice(conditions: Conditions, rows: range, columns: range, *, has_one_target: bool) -> Slice:
    """Return a rectangle of pairs, row by row; positions are numbers of pairs."""
    low, high = conditions.ends
    first, second = (from_ordinal(np.arange(own.start, own.stop) + low, conditions.fmt) for own in (rows, columns))
    grid = np.empty((2, first.size, second.size), dtype=first.dtype)
    grid[0], grid[1] = first[:, np.newaxis], second
    logits = grid.reshape(2, -1)
    starts = np.arange(rows.start, rows.stop) * (high - low + 1)
    positions = (starts[:, np.newaxis] + np.arange(columns.start, columns.stop)).reshape(-1)
    some = logits[:, :1] if has_one_target else logits
    target = make_target(conditions.target, some, conditions.fmt, conditions.objective)
    breaks = np.zeros(positions.size, dtype=np.bool_)
    breaks[second.size - 1 :: second.size] = True
    if columns.start < -low < columns.stop:
        breaks[-low - columns.start - 1 :: second.size] = True  # the next one is 0
    if conditions.curve_end:  # a stretch is in one cell
        changes = np.flatnonzero(np.diff(number_bins(second.astype(np.float64), conditions.curve_end)))
        breaks.reshape(first.size, second.size)[:, changes] = True
    if has_one_target:
        target = repeat_target(target, positions.size)
    else:
        breaks[:] = True
    cases = Cases(positions=positions, logits=logits, target=target)
    return Slice(cases=cases, moving=np.abs(logits[1]), choose=cases.select, breaks=breaks[:-1])
