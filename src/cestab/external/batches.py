"""Rows of one call that differ where nothing should depend on it, so that a row mixed up with another is seen.

Of a batch they differ by what leaves the loss of a row as it is. The classes of a row are turned together with its label,
which permutes its gradient, and a constant is added to its logits where that is exact; a binary logit changes its sign
together with its label, and its gradient does. Where each row has its own loss, the upstream factors differ.
"""

import math
from dataclasses import dataclass

import numpy as np

from cestab.external.engines.base import Numbers
from cestab.numerics.formats import Format
from cestab.numerics.rounding import round_to_format
from cestab.vocabulary.loss_options import LossOptions

BENIGN = 3.0  # logits up to here
MOST_DOUBLINGS = 3  # of their upstream factors
MIXER = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: logits (classes,) or (), its label or weights, and what was done to them."""

    logits: Numbers
    target: Numbers
    turn: int = 0
    is_mirrored: bool = False

    def restore(self, gradient: Numbers) -> Numbers:
        """Return gradients (rows, classes) of such rows as those of the case that it was made of."""
        return -gradient if self.is_mirrored else np.roll(gradient, -self.turn, axis=1)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The batch of one case: its logits, its targets, which rows are ignored, and of which kind each row is."""

    rows: tuple[Row, ...]
    kinds: Numbers
    logits: Numbers
    target: Numbers
    is_ignored: Numbers

    def take_extremes(self, gradient: Numbers) -> Numbers:
        """Return the gradient of the first row, and that of the row that differs most from it, one after the other.

        All should be equal, once what was done to the rows is undone, so that a row that differs is wrong, or the first one
        is. An ignored row, never the first, has gradient 0: what it has is added to the first one's.
        """
        restored = np.empty_like(gradient)
        for kind, row in enumerate(self.rows):
            restored[self.kinds == kind] = row.restore(gradient[self.kinds == kind])
        first = restored[0]
        if self.is_ignored.any():
            restored[self.is_ignored] += first
        if (restored == first).all():
            return np.concatenate((first, first))[np.newaxis]
        with np.errstate(all="ignore"):
            distance = np.sum(np.abs(restored - first), axis=1)
        distance[np.isnan(distance)] = np.inf
        return np.concatenate((first, restored[int(np.argmax(distance))]))[np.newaxis]


def make_batch(z: Numbers, target: Numbers, fmt: Format, options: LossOptions) -> Batch:
    """Return the batch of a case: logits (classes,) or (), and its label or weights.

    With an `ignore_index` every second row carries it.
    """
    rows = tuple(_vary(z, target, fmt, options))
    numbers = np.arange(options.batch)
    is_ignored = np.zeros(options.batch, dtype=np.bool_)
    if options.ignore_index is not None and not target.ndim:
        is_ignored, numbers = numbers % 2 == 1, numbers // 2
    kinds = (numbers % len(rows)).astype(np.int8)
    labels = np.stack([row.target for row in rows])[kinds]
    if is_ignored.any():
        labels[is_ignored] = options.ignore_index
    logits = np.stack([row.logits for row in rows])[kinds]
    return Batch(rows=rows, kinds=kinds, logits=logits, target=labels, is_ignored=is_ignored)


def _vary(z: Numbers, target: Numbers, fmt: Format, options: LossOptions) -> list[Row]:
    """Return the case itself, and the rows of the same loss that can be made of it."""
    row = Row(logits=z, target=target)
    if not z.ndim:
        mirrored = 1.0 - target
        is_exact = bool(round_to_format(mirrored, fmt) == mirrored)
        return [row, Row(logits=-z, target=mirrored, is_mirrored=True)] if is_exact else [row]
    low, high = (_shift(z, end, fmt, options) for end in (np.min(z[np.isfinite(z)]), np.max(z)))
    return [
        row,
        _turn(row, options),
        Row(logits=high, target=target),
        _turn(Row(logits=low, target=target), options),
    ]


def _shift(z: Numbers, end: Numbers, fmt: Format, options: LossOptions) -> Numbers:
    """Return z − end where every difference is a number of the format and the loss does not depend on it, else z."""
    finite = np.isfinite(z)
    with np.errstate(all="ignore"):
        shifted = z - end
        back = shifted - z
        lost = (z - (shifted - back)) - (end + back)  # what the subtraction rounded away
    is_exact = np.all(lost[finite] == 0) and np.all(round_to_format(shifted[finite], fmt) == shifted[finite])
    return shifted if is_exact and not options.z_weight else z


def _turn(row: Row, options: LossOptions) -> Row:
    """Return a row whose classes are turned, by a step after which they have the same weights, together with its label."""
    step, classes = max(1, len(options.class_weights)), len(row.logits)
    if classes % step or step == classes:
        return row
    if row.target.ndim:
        target = np.roll(row.target, step)
    else:
        target = (row.target + step) % classes
        if target == options.ignore_index:
            return row
    return Row(logits=np.roll(row.logits, step), target=target, turn=step)


def spread_factors(z: Numbers, classes: int, upstream: float, fmt: Format) -> Numbers:
    """Return a power of two for each row (rows, classes) or (rows,), by which its upstream factor is to be multiplied.

    It depends on the logits of the row alone, and is 1 where they are not benign, or where results with it could leave the
    format's normal numbers. So a backward that ignores its upstream gradient, or takes another row's, is seen.
    """
    largest = classes * math.exp(2 * BENIGN)  # 1/p
    if upstream * largest * 2**MOST_DOUBLINGS > fmt.max or upstream / largest < fmt.smallest_normal:
        return np.ones(len(z))
    rows = z.reshape(len(z), -1).astype(np.float64)
    is_benign = np.max(np.abs(rows), axis=1, where=np.isfinite(rows), initial=0.0) <= BENIGN
    with np.errstate(over="ignore"):
        mixed = rows.view(np.uint64).sum(axis=1, dtype=np.uint64) * np.uint64(MIXER) >> np.uint64(32)
    return np.where(is_benign, np.ldexp(1.0, (mixed % (MOST_DOUBLINGS + 1)).astype(np.int64)), 1.0)
