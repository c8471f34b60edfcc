"""Every pair of logits of a format of two classes: lines along the second logit, one for each first."""

from collections.abc import Iterator

import numpy as np

from cestab.cases.pairs import make_pairs, number_pairs
from cestab.cases.target_kinds import make_target
from cestab.evaluation.blocks import Block, Cases, Conditions
from cestab.evaluation.stretches import Slice
from cestab.numerics.formats import Format
from cestab.numerics.rounding import IntArray, from_ordinal
from cestab.numerics.target import repeat_target

CASES_PER_SLICE = 2**17


def count_pairs(ends: tuple[int, int]) -> int:
    """Return how many pairs there are of ordinals from one to another."""
    return (ends[1] - ends[0] + 1) ** 2


def find_positions(numbers: IntArray, ends: tuple[int, int], fmt: Format) -> IntArray:
    """Return the positions of pairs that are numbered row by row, a row for each first logit."""
    low, high = ends
    rows, columns = np.divmod(numbers, high - low + 1)
    return number_pairs(rows + low, columns + low, fmt)


def make_pair_cases(conditions: Conditions, positions: IntArray) -> Cases:
    """Return the cases of pairs."""
    logits = make_pairs(positions, conditions.fmt)
    target = make_target(conditions.target, logits, conditions.fmt, conditions.objective)
    return Cases(positions=positions, logits=logits, target=target)


def make_slices(block: Block) -> Iterator[Slice]:
    """Yield slices of whole rows of pairs: below and above the diagonal, where the target is one, and the rows' own columns."""
    conditions, numbers = block.conditions, block.ordinals
    low, high = conditions.ends
    count = high - low + 1
    assert isinstance(numbers, range) and not numbers.start % count and not len(numbers) % count, "whole rows"
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
    if has_one_target:
        target = repeat_target(target, positions.size)
    else:
        breaks[:] = True
    cases = Cases(positions=positions, logits=logits, target=target)
    return Slice(cases=cases, moving=np.abs(logits[1]), choose=cases.select, breaks=breaks[:-1])
