"""What the exact values of all objectives share: their types, and the softmax without cancellation in arrays and in balls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from flint import arb

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.target import IndexTarget, Target, first_maximum
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions, Reduction
from cestab.vocabulary.objectives import Objective

Wide = npt.NDArray[Any]  # float64 or quadruple precision, which mypy does not know


class Parts(NamedTuple):
    """Loss (cases,) and gradient (classes, cases) of one row before the upstream factor.

    The scales are sums of the magnitudes that were subtracted; where nothing is, they are the loss and the gradient
    themselves. `amplitude` bounds what an exponential is multiplied by, and so the error that its underflow makes.
    """

    loss: Wide
    loss_scale: Wide
    gradient: Wide
    scale: Wide
    amplitude: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ExactCase:
    """One case in plain numbers: logits, weights of the target (a single 1.0 for an index target), upstream factor."""

    objective: Objective
    logits: Sequence[float]
    weights: Sequence[float]
    upstream: float
    options: LossOptions = NO_OPTIONS
    is_index: bool = False


@dataclass(frozen=True, kw_only=True)
class Ball:
    """Enclosures of the loss and of the gradient; a loss of None is exactly +inf (the target is masked)."""

    loss: arb | None
    gradient: list[arb]


@dataclass(frozen=True, kw_only=True)
class ExactObjective:
    """An objective's exact value and gradient in arrays and in balls.

    `gradient_scale` gives s of cases, in float64 and within a factor 3 of the largest entry of a row's gradient. `bound` is
    the factor on the tier's error bound that the derivation beside `evaluate` gives.

    `turns`, from the weights (classes, cases), at most 1 each, of one logit x or of two and no further options: differences
    d = z_0 − z_1, or d = x, (turns, cases). Between neighbouring ones loss and gradient entries are monotone in either logit,
    and nowhere has the loss a slope beyond ±1. None where no such list is proven.
    """

    evaluate: Callable[[Wide, Target, LossOptions], Parts]
    enclose: Callable[[ExactCase], Ball]
    gradient_scale: Callable[[Wide, Target, LossOptions], Wide | float]
    bound: Callable[[LossOptions], float] = field(default=lambda _: 1.0)
    turns: Callable[[Wide], Wide] | None = None


class Softmax(NamedTuple):
    """With m the largest logit: exp(z − m), S = Σ of it over all but one maximum, log1p(S), 1/(1 + S)."""

    peak: Wide
    exponentials: Wide
    rest: Wide
    log_rest: Wide
    share: Wide

    def others(self, z: Wide) -> Wide:
        """Return 1 − p of every class, a sum of the other classes' positive terms: S/(1 + S) or (1 + (S − e_j))/(1 + S)."""
        others = (self.rest - self.exponentials) + 1.0
        return first_maximum(z).with_entry(others, self.rest) * self.share


def take_softmax(z: Wide) -> Softmax:
    """Return the parts of the softmax of logits (classes, cases)."""
    peak = np.max(z, axis=0)
    exponentials = np.exp(z - peak)
    is_peak = z == peak
    rest = sum_pairwise(exponentials * ~is_peak) + (np.count_nonzero(is_peak, axis=0) - 1)
    return Softmax(peak, exponentials, rest, np.log1p(rest), 1.0 / (rest + 1.0))


def subtract_weighted(z: Wide, softmax: Softmax, weights: Wide) -> tuple[Wide, Wide]:
    """Return p_k·Σw − w_k as p_k·Σ_{j≠k} w_j − w_k·(1 − p_k), and the sum of both terms' magnitudes.

    What both have in common is gone before anything is subtracted. Σ_{j≠k} w_j is Σw − w_k, at least half of Σw, but for the
    largest weight, where it is the sum of the others.
    """
    largest = first_maximum(weights)
    rest = sum_pairwise(largest.with_entry(weights, 0.0))
    others = largest.with_entry((rest + largest.pick(weights)) - weights, rest)
    pull, push = softmax.exponentials * softmax.share * others, weights * softmax.others(z)
    return pull - push, pull + push


def is_normalized(options: LossOptions, *, is_index: bool) -> bool:
    """Whether the rows' losses are divided by the sum of their class weights, so that the weight of the target cancels."""
    return bool(options.class_weights) and is_index and options.batch > 1 and options.reduction is Reduction.MEAN


def cycle_weights(options: LossOptions, classes: int, dtype: Any = np.float64) -> Wide:
    """Return the class weights (classes,); all are 1 where none is given."""
    return np.resize(np.array(options.class_weights or (1.0,)), classes).astype(dtype)


def sum_labels(_: Wide, target: Target, __: LossOptions) -> Wide | float:
    """Return Σ y of every case, 1 for an index target."""
    return 1.0 if isinstance(target, IndexTarget) else sum_pairwise(target.weights.astype(np.float64))


class SoftmaxBalls(NamedTuple):
    """The parts of one case's softmax in balls: m − z_j (None for −inf), its exponentials, S, and 1/(1 + S)."""

    peak_at: int
    peak: arb
    gaps: list[arb | None]
    exponentials: list[arb]
    rest: arb
    share: arb

    def others(self, j: int) -> arb:
        """Return 1 − p_j, a sum of positive terms."""
        if j == self.peak_at:
            return self.rest * self.share
        rest = total(e for i, e in enumerate(self.exponentials) if i not in (j, self.peak_at))
        return (1 + rest) * self.share


def enclose_softmax(logits: Sequence[float]) -> SoftmaxBalls:
    """Return the parts of the softmax; masked classes (−inf) have p = 0."""
    peak_at = max(range(len(logits)), key=lambda j: logits[j])
    peak = arb(logits[peak_at])
    gaps = [None if z == float("-inf") else peak - arb(z) for z in logits]
    exponentials = [arb(0) if gap is None else (-gap).exp() for gap in gaps]
    rest = total(e for j, e in enumerate(exponentials) if j != peak_at)
    return SoftmaxBalls(peak_at, peak, gaps, exponentials, rest, 1 / (1 + rest))


def total(values: Iterable[arb]) -> arb:
    """Return the sum of balls."""
    return sum(values, start=arb(0))


def logit(p: Wide) -> Wide:
    """Return log(p/(1 − p)), infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        odds: Wide = np.log(p) - np.log(1.0 - p)  # exactly 0 for 1/2
    return odds


def turns_of_square(y: Wide) -> Wide:
    """Return the turns, (3, cases), of (σ − y)² with σ = σ(d), whose least value is at σ = y.

    Its slope 2·(σ − y)·σ·(1 − σ), at most 1/2, turns where 3σ² − 2(1 + y)·σ + y = 0.
    """
    root = np.sqrt(1.0 - y + y * y)
    return logit(np.clip(np.stack((y, (1.0 + y - root) / 3.0, (1.0 + y + root) / 3.0)), 0.0, 1.0))
