"""The numbers of the walk-through, computed when it is shown: the question that started cestab, in three cases.

Two logits (t, 0), the true class losing or winning, and one logit whose label is 1.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from flint import arb

from cestab.commands.explain.numbers import show_ball
from cestab.errors import OptionName, UsageError
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import exact_case
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import find_formulation
from cestab.numerics.exact_numbers import Exact
from cestab.numerics.formats import FORMATS, Format, find_format
from cestab.numerics.operations import sigmoid, softmax
from cestab.numerics.rounding import FloatArray, round_number
from cestab.numerics.tape import Array, Tape
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.balls import enclose, precision
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, SOFTMAX_MEAN_SQUARED_ERROR, Objective
from cestab.vocabulary.requests import Arithmetics

# with infinity, and with digits enough for the usual clip at 1e-7; the narrowest first
WITH_CLIP = [fmt for fmt in FORMATS.values() if fmt.has_infinity and round_number(1e-7, fmt) > 0]
DTYPES = tuple(fmt.name for fmt in sorted(WITH_CLIP, key=lambda fmt: fmt.bits))
WINNING, LOSING = 0, 1
LABEL_MAGNITUDES = (1, 10, 17, 40)
DIGITS = 5
TRUTH_BITS = 4096  # p is known to DIGITS where it is exp(−1000)


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The first whole t at which 1 + exp(−t) is 1, 1/p is infinite, and p is 0, where p = exp(−t)/(1 + exp(−t))."""

    absorption: int
    overflow: int
    underflow: int

    @classmethod
    def of(cls, fmt: Format) -> "Edges":
        """Return those of a format: p̂·ln 2, ln max and −ln(smallest subnormal / 2), rounded up."""
        return cls(
            absorption=math.ceil(fmt.precision * math.log(2)),
            overflow=math.ceil(math.log(fmt.max)),
            underflow=math.ceil(math.log(2) - math.log(fmt.smallest_subnormal)),
        )


Columns = dict[str, Sequence[str]]  # by their heads, a number for each magnitude


@dataclass(frozen=True, kw_only=True)
class Walkthrough:
    """The tables of the page. Gradients are those of the logit of the true class."""

    dtype: str
    edges: Edges
    losing: Columns
    losing_gradients: Columns
    winning: Columns
    binary: Columns


@dataclass(frozen=True, kw_only=True)
class Series:
    """One case for each magnitude; numbers and gradients are shown of the logit at `place`, in the format."""

    fmt: Format
    magnitudes: Sequence[int]
    logits: FloatArray
    target: Target
    place: int = 0

    @classmethod
    def margins(cls, fmt: Format, magnitudes: Iterable[int], true_class: int) -> "Series":
        """Return the logits (t, 0); the gradient is the true class's."""
        ascending = sorted(set(magnitudes))
        target = IndexTarget(index=np.full(len(ascending), true_class))
        logits = np.array([ascending, np.zeros(len(ascending))], dtype=fmt.storage)
        return cls(fmt=fmt, magnitudes=ascending, logits=logits, target=target, place=true_class)

    @classmethod
    def labels(cls, fmt: Format, magnitudes: Sequence[int]) -> "Series":
        """Return one logit x, whose label is 1."""
        logits = np.array([magnitudes], dtype=fmt.storage)
        return cls(fmt=fmt, magnitudes=magnitudes, logits=logits, target=DenseTarget(weights=np.ones_like(logits)))

    @property
    def names(self) -> list[str]:
        return [str(magnitude) for magnitude in self.magnitudes]

    def numbers(self, compute: Callable[[Array], Array], place: int | None = None) -> list[str]:
        """Return what is computed of the logits, op by op."""
        tape = Tape(arithmetic=self._conditions(SOFTMAX_CROSS_ENTROPY).arithmetic(self.fmt))
        with np.errstate(all="ignore"):
            values = compute(tape.variable(self.logits, "z")).value
        return [*map(_show, values[self.place if place is None else place].tolist())]

    def gradients(self, name: str) -> list[str]:
        """Return the gradients of a formulation."""
        formulation = find_formulation(name)
        _, gradient = compute_formulation(self._conditions(formulation.objective), formulation, self._cases)
        return [*map(_show, gradient[self.place].tolist())]

    def truths(self, objective: Objective) -> list[str]:
        """Return the true gradients."""
        conditions = self._conditions(objective)
        with precision(TRUTH_BITS):
            balls = [enclose(exact_case(conditions, self._cases, case)) for case in range(len(self.magnitudes))]
            return [_show(ball.gradient[self.place]) for ball in balls]

    @property
    def _cases(self) -> Cases:
        return Cases(positions=np.arange(len(self.magnitudes)), logits=self.logits, target=self.target)

    def _conditions(self, objective: Objective) -> Conditions:
        conditions = next(plan_arithmetics(Arithmetics(dtypes=(self.fmt.name,)), objective))
        return replace(conditions, classes=len(self.logits))


def compute_walkthrough(dtype: str) -> Walkthrough:
    """Return the tables in a format; a UsageError if it is not one of DTYPES."""
    fmt = find_format(dtype)
    if dtype not in DTYPES:
        raise UsageError(OptionName("dtype"), f" of the page without a case is one of {', '.join(DTYPES)}, not {dtype}")
    edges = Edges.of(fmt)
    lost = Series.margins(fmt, (1, 10, 17, edges.overflow, edges.underflow, 1000), LOSING)
    won = Series.margins(fmt, (1, edges.absorption, 10, edges.underflow), WINNING)
    one = Series.labels(fmt, LABEL_MAGNITUDES)
    return Walkthrough(
        dtype=dtype,
        edges=edges,
        losing={"t": lost.names, "p": lost.numbers(softmax), "−1/p": lost.numbers(lambda z: -1.0 / softmax(z))},
        losing_gradients={
            "t": lost.names,
            "chain rule": lost.gradients("softmax-log"),
            "clipped": lost.gradients("clipped"),
            "fused": lost.gradients("log-softmax"),
            "truth": lost.truths(SOFTMAX_CROSS_ENTROPY),
            "squared error": lost.gradients("softmax-squared-error"),
            "its truth": lost.truths(SOFTMAX_MEAN_SQUARED_ERROR),
        },
        winning={
            "t": won.names,
            "other p": won.numbers(softmax, LOSING),
            "chain rule": won.gradients("softmax-log"),
            "fused": won.gradients("log-softmax"),
            "compensated": won.gradients("compensated"),
            "truth": won.truths(SOFTMAX_CROSS_ENTROPY),
        },
        binary={
            "x": one.names,
            "p": one.numbers(sigmoid),
            "1 − p": one.numbers(lambda x: 1.0 - sigmoid(x)),
            "(1−y)/(1−p)": one.numbers(lambda x: 0.0 / (1.0 - sigmoid(x))),
            "chain rule": one.gradients("sigmoid-naive"),
            "fused": one.gradients("bce-with-logits"),
            "truth": one.truths(BINARY_CROSS_ENTROPY),
        },
    )


def _show(number: float | arb) -> str:
    return show_ball(Exact(arb(number)), DIGITS) if math.isfinite(number) else repr(number)
