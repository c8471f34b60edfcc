"""How a formulation computes: the compute format, its rounding, and the order of sums over classes."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, cast_narrow, flush_subnormals, round_number, round_to_odd_float32
from cestab.vocabulary.kinds import Fp8Overflow, Summation
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.requests import Rules


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Rules):
    """Rounded arithmetic in `fmt`; values are arrays of the format's storage type."""

    fmt: Format
    summation: Summation = Summation.WIDE

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
            x = cast_narrow(x, fmt)
        return flush_subnormals(x, fmt) if self.flush_subnormals else x

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
        return self.round(self._accumulate(x))

    def sum_once(self, x: FloatArray) -> FloatArray:
        """Return the sum over classes of float64 numbers, rounded once whatever the order of `summation`."""
        return self.round(sum_pairwise(x))

    def mean(self, x: FloatArray) -> FloatArray:
        """Return the mean over classes; `wide` rounds once, after the division."""
        mean: FloatArray = self._accumulate(x) / len(x)
        return self.round(mean)

    def _accumulate(self, x: FloatArray) -> FloatArray:
        """Return the sum over classes, not yet rounded where the order is `wide`."""
        match self.summation:
            case Summation.WIDE:
                return sum_pairwise(x)
            case Summation.PAIRWISE:
                return sum_pairwise(x, self.round)
            case Summation.SEQUENTIAL:
                return sum_sequentially(x, self.round)

    def reduce_rows(self, x: FloatArray, rows: int, *, is_mean: bool) -> FloatArray:
        """Return the sum or the mean of a batch of `rows` rows that all have the loss x, in the order of `summation`."""
        match self.summation:
            case Summation.WIDE:
                total = sum_equal_pairwise(x, rows)
            case Summation.PAIRWISE:
                total = sum_equal_pairwise(x, rows, self.round)
            case Summation.SEQUENTIAL:
                total = sum_equal_sequentially(x, rows, self.round)
        return self.round(total / rows if is_mean else total)


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


Run = tuple[FloatArray, int]  # a value, and how many rows in sequence have it


def sum_equal_pairwise(x: FloatArray, rows: int, round_sum: Callable[[FloatArray], FloatArray] = _as_is) -> FloatArray:
    """Return what sum_pairwise makes of `rows` rows that all are x, in log² of the time."""
    runs, count = [(x, rows)], rows
    while count > 1:
        half = count // 2
        folded = _add_runs(_take_runs(runs, 0, half), _take_runs(runs, count - half, count), round_sum)
        runs, count = [*folded, *_take_runs(runs, half, count - half)], count - half
    return runs[0][0]


def _take_runs(runs: list[Run], start: int, stop: int) -> list[Run]:
    """Return the rows from start to before stop."""
    taken, place = [], 0
    for value, count in runs:
        kept = min(stop, place + count) - max(start, place)
        taken += [(value, kept)] if kept > 0 else []
        place += count
    return taken


def _add_runs(first: list[Run], second: list[Run], round_sum: Callable[[FloatArray], FloatArray]) -> list[Run]:
    """Return the sums of two equally long sequences of rows, row by row."""
    added, ends = [], [list(accumulate(count for _, count in runs)) for runs in (first, second)]
    start = 0
    for end in sorted({*ends[0], *ends[1]}):
        (a, _), (b, _) = (runs[bisect_right(run_ends, start)] for runs, run_ends in zip((first, second), ends, strict=True))
        added.append((round_sum(a + b), end - start))
        start = end
    return added


def sum_equal_sequentially(x: FloatArray, rows: int, round_sum: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Return what sum_sequentially makes of `rows` rows that all are x; it stops where no sum changes any more."""
    total: FloatArray = x
    for _ in range(rows - 1):
        longer = round_sum(total + x)
        if np.all((longer == total) | np.isnan(longer)):
            return longer
        total = longer
    return total


def reduce_rows(options: LossOptions, loss: FloatArray, arithmetic: Arithmetic) -> FloatArray:
    """Return the loss of a batch of equal rows from the loss of one, as the arithmetic computes it."""
    if options.batch == 1:
        return loss
    return arithmetic.reduce_rows(loss, options.kept_rows, is_mean=options.reduction is Reduction.MEAN)
