"""Pairs: every two numbers of a format as the logits of two classes, numbered so that smaller logits come first."""

import numpy as np

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, IntArray, from_ordinal

MOST_BITS = 16  # of a format: then all pairs are 2^32


def number_pairs(first: IntArray, second: IntArray, fmt: Format) -> IntArray:
    """Return positions of pairs of ordinals: by the larger magnitude, then by the bits of the first, then of the second."""
    largest = np.maximum(np.abs(first), np.abs(second))
    numbers: IntArray = (((largest << fmt.bits) | _code(first, fmt)) << fmt.bits) | _code(second, fmt)
    return numbers


def find_positions(numbers: IntArray, ends: tuple[int, int], fmt: Format) -> IntArray:
    """Return the positions of pairs of ordinals from one to another, numbered row by row, a row for each first one."""
    low, high = ends
    rows, columns = np.divmod(numbers, high - low + 1)
    return number_pairs(rows + low, columns + low, fmt)


def count_pairs(ends: tuple[int, int]) -> int:
    """Return how many pairs there are of ordinals from one to another."""
    return (ends[1] - ends[0] + 1) ** 2


def split_pairs(positions: IntArray, fmt: Format) -> tuple[IntArray, IntArray]:
    """Return both ordinals of each position."""
    mask = (1 << fmt.bits) - 1
    return _decode((positions >> fmt.bits) & mask, fmt), _decode(positions & mask, fmt)


def make_pairs(positions: IntArray, fmt: Format) -> FloatArray:
    """Return the logits (2, cases) at positions."""
    return np.stack([from_ordinal(ordinals, fmt) for ordinals in split_pairs(positions, fmt)])


def _code(ordinals: IntArray, fmt: Format) -> IntArray:
    """Return the bits of floats: the magnitude's, with a sign before them."""
    codes: IntArray = np.abs(ordinals) | ((ordinals < 0).astype(np.int64) << (fmt.bits - 1))
    return codes


def _decode(codes: IntArray, fmt: Format) -> IntArray:
    magnitude = codes & ((1 << (fmt.bits - 1)) - 1)
    ordinals: IntArray = np.where(codes >> (fmt.bits - 1), -magnitude, magnitude)
    return ordinals
