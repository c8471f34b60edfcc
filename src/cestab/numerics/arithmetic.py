"""How a formulation computes: the compute format, its rounding, and the order of sums over classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, flush_subnormals, round_number, round_to_odd_float32
from cestab.results import Fp8Overflow, Summation


@dataclass(frozen=True)
class Arithmetic:
    """Rounded arithmetic in `fmt`; values are arrays of the format's storage type."""

    fmt: Format
    summation: Summation = Summation.WIDE
    fp8_overflow: Fp8Overflow = Fp8Overflow.NAN
    flush: bool = False

    @property
    def has_guards(self) -> bool:
        """Whether clips and epsilons act; not so in the exact computation."""
        return True

    def round(self, x: FloatArray) -> FloatArray:
        """Return x (float32 or float64) rounded once to the format, with its overflow and flush rules."""
        fmt = self.fmt
        if x.dtype != fmt.storage:
            x = round_to_odd_float32(x) if fmt.is_narrow else x.astype(fmt.storage)
        if fmt.is_narrow:
            if self.fp8_overflow is Fp8Overflow.SATURATE and not fmt.has_infinity:
                x = np.clip(x, -fmt.max, fmt.max)
            x = x.astype(fmt.dtype).astype(np.float32)
        return flush_subnormals(x, fmt) if self.flush else x

    def weigh(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the products with the weights of a dense target, not yet rounded."""
        product: FloatArray = x * weights
        return product

    def constant(self, x: float) -> FloatArray:
        """Return the number RN(x) as a scalar array, so that 1e-8 is 0 in float16."""
        return self.round(np.array(round_number(x, self.fmt), dtype=self.fmt.storage))

    def sum(self, x: FloatArray) -> FloatArray:
        """Return the sum over classes, (classes, cases) → (cases,), in the order of `summation`.

        Never np.sum: its order over the leading axis is sequential, but pairwise when there is one case.
        """
        match self.summation:
            case Summation.WIDE:
                return self.round(sum_pairwise(x))
            case Summation.PAIRWISE:
                return sum_pairwise(x, self.round)
            case Summation.SEQUENTIAL:
                return sum_sequentially(x, self.round)


def _as_is(x: FloatArray) -> FloatArray:
    return x


def sum_pairwise(x: FloatArray, round_sum: Callable[[FloatArray], FloatArray] = _as_is) -> FloatArray:
    """Sum over the leading axis by halving: row i is added to row i + ⌈n/2⌉ until one row is left."""
    while len(x) > 1:
        half = len(x) // 2
        folded = round_sum(x[:half] + x[len(x) - half :])
        x = folded if len(x) % 2 == 0 else np.concatenate((folded, x[half : half + 1]))
    total: FloatArray = x[0]
    return total


def sum_sequentially(x: FloatArray, round_sum: Callable[[FloatArray], FloatArray] = _as_is) -> FloatArray:
    """Sum over the leading axis from first to last, every partial sum rounded."""
    total: FloatArray = x[0]
    for row in x[1:]:
        total = round_sum(total + row)
    return total
