"""Curves: the worst relative errors of loss and gradient in the bins of |t|, on either side of 0."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cestab.judgement.judge import Judgement
from cestab.judgement.rules import Doubles
from cestab.numerics.rounding import IntArray
from cestab.vocabulary.curves import BINS, DECADES

Curve = Mapping[int, "Worst"]  # by bin: 0 to BINS − 1 for t ≥ 0, −1 to −BINS for t < 0


class Worst(NamedTuple):
    """The largest relative errors of a bin, NaN where there is none, and the position of the larger one."""

    loss: float
    gradient: float
    position: int

    @property
    def largest(self) -> float:
        """The larger of the two; −1 where there is neither."""
        return max((error for error in self[:2] if not math.isnan(error)), default=-1.0)

    def merge(self, other: "Worst") -> "Worst":
        """Return the worst of both; at equal errors the place nearest to 0."""
        nearer = min(self, other, key=lambda worst: (-worst.largest, abs(worst.position)))
        return Worst(_larger(self.loss, other.loss), _larger(self.gradient, other.gradient), nearer.position)


def find_curve(positions: IntArray, t: Doubles, judgement: Judgement, end: float) -> Curve:
    """Return the worst errors by bin at ascending positions, whose magnitudes are t, in a range with this largest |t|."""
    bins = number_bins(t, end)
    starts = np.flatnonzero(np.diff(bins, prepend=bins[:1] - 1))
    with np.errstate(all="ignore"):
        losses, gradients = (np.fmax.reduceat(e, starts) for e in (judgement.loss_relative, judgement.gradient_relative))
        larger = np.nan_to_num(np.fmax(judgement.loss_relative, judgement.gradient_relative), nan=-1.0, posinf=np.inf)
    curve = {}
    for start, stop, loss, gradient in zip(starts, [*starts[1:], positions.size], losses, gradients, strict=True):
        places, errors = positions[start:stop], larger[start:stop]
        worst = places[errors == errors.max()]
        curve[int(bins[start])] = Worst(float(loss), float(gradient), int(worst[np.argmin(np.abs(worst))]))
    return curve


def merge_curves(first: Curve, second: Curve) -> Curve:
    """Return the curve of both."""
    both = {number: first[number].merge(second[number]) for number in first.keys() & second.keys()}
    return {**first, **second, **both} if first and second else first or second


def number_bins(t: Doubles, end: float) -> IntArray:
    """Return the bin of every magnitude, which ascends with t."""
    with np.errstate(divide="ignore"):
        steps = np.floor(((np.log10(np.abs(t)) - math.log10(end)) / DECADES + 1) * BINS)
    inner: IntArray = np.clip(steps, 0, BINS - 1).astype(np.int64)
    return np.where(t < 0, -1 - inner, inner)


def _larger(a: float, b: float) -> float:
    return float(np.fmax(a, b))
