"""The portrait of recorded logits: quantiles in one pass, and extremes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.recording import Recording, has_recorded_truth
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.recorded import QUANTILES, Portrait, Quantity

LOST_BITS = 18  # of a float32: what is left of a number is known within a 64th
BUCKETS = 2 ** (32 - LOST_BITS)
SUM_SLACK = 1e-2  # of the probabilities of a row, which may be of 16 bits
Doubles = npt.NDArray[np.float64]


def _no_counts() -> npt.NDArray[np.int64]:
    return np.zeros(BUCKETS, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """How many numbers are in each bucket, and the smallest and the largest of them."""

    counts: npt.NDArray[np.int64] = field(default_factory=_no_counts)
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, numbers: Doubles) -> "Spectrum":
        """Return that of some numbers, of which those that are not finite are left out."""
        is_finite = np.isfinite(numbers)
        finite = numbers.reshape(-1) if is_finite.all() else numbers[is_finite]
        if not finite.size:
            return cls()
        with np.errstate(over="ignore"):
            bits = finite.astype(np.float32).view(np.int32)
        ordinals = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits) >> LOST_BITS
        counts = np.bincount(ordinals + BUCKETS // 2, minlength=BUCKETS)
        return cls(counts=counts, low=float(finite.min()), high=float(finite.max()))

    def merge(self, other: "Spectrum") -> "Spectrum":
        return Spectrum(counts=self.counts + other.counts, low=min(self.low, other.low), high=max(self.high, other.high))

    def quantiles(self) -> tuple[float, ...]:
        """Return the numbers at QUANTILES of all of them, in order; the first and the last exactly; empty without any."""
        total = int(self.counts.sum())
        if not total:
            return ()
        buckets = np.searchsorted(np.cumsum(self.counts), np.ceil(np.array(QUANTILES) * total).clip(1, total))
        ordinals = ((buckets - BUCKETS // 2) << LOST_BITS) + (1 << (LOST_BITS - 1))  # the middle of the bucket
        middle = np.where(ordinals < 0, -ordinals | -(2**31), ordinals).astype(np.int64).astype(np.uint32).view(np.float32)
        inner = [float(np.clip(number, self.low, self.high)) for number in middle[1:-1]]
        return self.low, *inner, self.high


@dataclass(frozen=True, kw_only=True)
class PortraitTotals:
    """The numbers of a portrait over the rows so far."""

    rows: int = 0
    logits: Spectrum = field(default_factory=Spectrum)
    margins: Spectrum = field(default_factory=Spectrum)
    extremes: tuple[float, ...] = (-np.inf,) * len(Quantity)
    probability_rows: int = 0

    def merge(self, other: "PortraitTotals") -> "PortraitTotals":
        return PortraitTotals(
            rows=self.rows + other.rows,
            logits=self.logits.merge(other.logits),
            margins=self.margins.merge(other.margins),
            extremes=tuple(map(max, self.extremes, other.extremes)),
            probability_rows=self.probability_rows + other.probability_rows,
        )

    def portray(self, recording: Recording) -> Portrait:
        """Return the portrait of a recording."""
        return Portrait(
            logits_key=recording.logits_key,
            labels_key=recording.labels_key,
            dtype=recording.logits.dtype.name,
            shape=recording.shape,
            class_axis=recording.class_axis,
            rows=self.rows,
            logits=self.logits.quantiles(),
            margins=self.margins.quantiles(),
            extremes={q: number for q, number in zip(Quantity, self.extremes, strict=True) if np.isfinite(number)},
            probability_rows=self.probability_rows,
        )


def sketch(logits: Doubles, labels: npt.NDArray[Any], objective: Objective) -> PortraitTotals:
    """Return the numbers of some rows, logits (classes, rows): of those that have a truth."""
    has_truth = has_recorded_truth(logits, objective)
    if not has_truth.all():
        logits, labels = np.ascontiguousarray(logits[:, has_truth]), labels[has_truth]
    rows = logits.shape[1]
    if not rows:
        return PortraitTotals()
    peak = logits.max(axis=0)
    with np.errstate(invalid="ignore"):
        smallest = np.min(logits, axis=0, where=np.isfinite(logits), initial=np.inf)
        margins = _find_margins(logits, labels, objective)
        sums = np.sum(logits, axis=0)
        spread = peak - smallest
    is_probability = (smallest >= 0) & (np.abs(sums - 1) <= SUM_SLACK) & (len(logits) > 1)
    extremes = (peak, spread, np.abs(peak))
    return PortraitTotals(
        rows=rows,
        logits=Spectrum.of(logits),
        margins=Spectrum.of(margins),
        extremes=tuple(_largest(numbers) for numbers in extremes),
        probability_rows=int(np.count_nonzero(is_probability)),
    )


def _largest(numbers: Doubles) -> float:
    return float(np.max(numbers, where=np.isfinite(numbers), initial=-np.inf))


def _find_margins(logits: Doubles, labels: npt.NDArray[Any], objective: Objective) -> Doubles:
    """Return per row the logit of the true class minus the best other; of one logit, it itself towards its label."""
    if objective.is_binary:
        margins: Doubles = np.where(labels >= 0.5, logits[0], -logits[0])
        return margins
    true = labels.argmax(axis=1) if labels.ndim == 2 else labels.astype(np.intp)
    columns = np.arange(logits.shape[1])
    others = logits.copy()
    others[true, columns] = -np.inf
    margins = logits[true, columns]
    margins -= others.max(axis=0)
    return margins
