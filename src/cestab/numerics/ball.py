"""Truth in ball arithmetic (python-flint's arb): one case, to any precision, every digit proven."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flint import arb, ctx

from cestab.results import Objective

_PRECISION = threading.RLock()  # flint's precision is one number for the whole process


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute balls with that many bits; other threads wait, and what is nested has its own number of bits."""
    with _PRECISION, ctx.workprec(bits):
        yield


@dataclass(frozen=True)
class ExactCase:
    """One case in plain numbers: logits, weights of the target (a single 1.0 for an index target), upstream factor."""

    objective: Objective
    logits: Sequence[float]
    weights: Sequence[float]
    upstream: float


@dataclass(frozen=True)
class Ball:
    """Enclosures of the loss and of upstream·gradient; a loss of None is exactly +inf (the target is masked)."""

    loss: arb | None
    gradient: list[arb]


def enclose(case: ExactCase) -> Ball:
    """Return enclosures of loss and gradient at the current precision."""
    return _enclose_binary(case) if case.objective is Objective.BINARY_CROSS_ENTROPY else _enclose_softmax(case)


def refine(case: ExactCase, decide: Callable[[Ball], bool], *, limit: int = 4096) -> bool:
    """Call `decide` with ever tighter enclosures, 128 bits doubling up to `limit`, until it says that all is decided."""
    bits = 128
    while bits <= limit:
        with precision(bits):
            if decide(enclose(case)):
                return True
        bits *= 2
    return False


def _enclose_softmax(case: ExactCase) -> Ball:
    """The formulas of truth.py on balls; masked classes (−inf) have p = 0."""
    peak_at = max(range(len(case.logits)), key=lambda j: case.logits[j])
    peak = arb(case.logits[peak_at])
    gaps = [None if math.isinf(z) else peak - arb(z) for z in case.logits]
    exponentials = [arb(0) if gap is None else (-gap).exp() for gap in gaps]
    rest = _total(e for j, e in enumerate(exponentials) if j != peak_at)
    weights = [arb(y) for y in case.weights]
    total = _total(weights)
    share = 1 / (1 + rest)
    gradient = [total * e * share - y for e, y in zip(exponentials, weights, strict=True)]
    if case.weights.count(0.0) == len(weights) - 1:  # then 1 − p_j is a sum of positive terms and nothing cancels
        j = next(j for j, y in enumerate(case.weights) if y)
        others = rest if j == peak_at else 1 + _total(e for i, e in enumerate(exponentials) if i not in (j, peak_at))
        gradient[j] = -weights[j] * others * share
    gradient = [entry * arb(case.upstream) for entry in gradient]
    if any(y != 0 and gap is None for y, gap in zip(case.weights, gaps, strict=True)):
        return Ball(None, gradient)
    gap = _total(w * g for w, g in zip(weights, gaps, strict=True) if g is not None)
    return Ball(gap + total * rest.log1p(), gradient)


def _enclose_binary(case: ExactCase) -> Ball:
    x, y = arb(case.logits[0]), arb(case.weights[0])
    tail = (-abs(x)).exp()
    share, log_tail = 1 / (1 + tail), tail.log1p()
    rising, falling = (share, tail * share) if case.logits[0] >= 0 else (tail * share, share)
    up, down = (arb(0), x) if case.logits[0] >= 0 else (-x, arb(0))  # max(−x, 0), max(x, 0)
    loss = y * (up + log_tail) + (1 - y) * (down + log_tail)
    return Ball(loss, [((1 - y) * rising - y * falling) * arb(case.upstream)])


def _total(values: Iterable[arb]) -> arb:
    return sum(values, start=arb(0))
