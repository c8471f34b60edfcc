"""Truth in ball arithmetic (python-flint's arb): one case, to any precision, every digit proven."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flint import arb, ctx

from cestab.truth.objectives import TRUTHS, Ball, ExactCase

__all__ = ["Ball", "ExactCase", "enclose", "precision", "refine"]

_PRECISION = threading.RLock()  # flint's precision is one number for the whole process


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute balls with that many bits; other threads wait; a nested call may choose other bits."""
    with _PRECISION, ctx.workprec(bits):
        yield


def enclose(case: ExactCase) -> Ball:
    """Return enclosures of the loss of the batch and of upstream·gradient at the current precision."""
    options = case.options
    if case.is_index and options.ignore_index is not None and case.weights.index(1.0) == options.ignore_index:
        return Ball(loss=arb(0), gradient=[arb(0)] * len(case.logits))
    row, upstream = TRUTHS[case.objective].enclose(case), arb(case.upstream)
    loss = None if row.loss is None else row.loss * options.multiplier
    return Ball(loss=loss, gradient=[entry * upstream for entry in row.gradient])


def refine(case: ExactCase, decide: Callable[[Ball], bool], *, limit: int = 4096) -> bool:
    """Call `decide` with ever tighter enclosures, 128 bits doubling up to `limit`, until it returns True."""
    bits = 128
    while bits <= limit:
        with precision(bits):
            if decide(enclose(case)):
                return True
        bits *= 2
    return False
