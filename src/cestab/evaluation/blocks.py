"""A block of work: its conditions and cases, plain and picklable, and its outcomes by formulation."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cestab.external.engines.base import ExternalError, OtherObjectiveError, UnsupportedError
from cestab.judgement.rules import Limits
from cestab.judgement.summary import Summary
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, IntArray, round_number, round_quotient
from cestab.numerics.target import Target, join_targets
from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.kinds import Summation, Verdict
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.requests import Rules, rules_of

NUMBERS_PER_BLOCK = 2**17  # float64 truth of one block is 1 MiB: larger ones leave the cache, smaller ones wait for Python
FEWEST_CASES = 8  # with very many classes


@dataclass(frozen=True, kw_only=True)
class Conditions(Rules):
    """All that is fixed while t moves, except the formulation: plain and picklable.

    `fmt` is the dtype of logits, loss and gradient, `compute` the format of the arithmetic between. `curve_end` is the largest
    |t| of the range where curves of the errors, or cells of pairs, are wanted, else 0; `ends` are the smallest and the largest
    ordinal of pairs.
    """

    objective: Objective
    fmt: Format
    compute: Format
    summation: Summation
    classes: int
    loss_scale: float
    rtol: float
    atol: float
    pattern: str = ""
    target: str = ""
    seed: int = 0
    guard: Guard = DEFAULT_GUARD
    options: LossOptions = NO_OPTIONS
    curve_end: float = 0.0
    ends: tuple[int, int] = (0, 0)

    @property
    def has_map(self) -> bool:
        """Whether the cases are in an order of which a map can be drawn; pairs are not."""
        return self.ends == (0, 0)

    @property
    def upstream(self) -> float:
        """What formulations get: the loss scale, for a mean divided by the rows, rounded once to the compute format."""
        return round_quotient(self.loss_scale, self.options.divisor, self.compute)

    @property
    def true_upstream(self) -> float:
        """The same for the truth, which is that of real numbers where the rounded one is 0 or not finite."""
        rounded = self.upstream
        return rounded if 0 < rounded <= self.compute.max else self.loss_scale / self.options.divisor

    @property
    def rounded_options(self) -> LossOptions:
        """The options with the class weights as numbers of the format."""
        weights = tuple(round_number(weight, self.fmt) for weight in self.options.class_weights)
        return replace(self.options, class_weights=weights) if weights else self.options

    def arithmetic(self, fmt: Format) -> Arithmetic:
        """Return the arithmetic of these conditions in a format."""
        return Arithmetic(fmt=fmt, summation=self.summation, **rules_of(self))

    @property
    def limits(self) -> Limits:
        return Limits(
            fmt=self.fmt,
            rtol=self.rtol,
            atol=self.atol,
            upstream=self.true_upstream,
            multiplier=self.options.multiplier,
            largest_loss=self.largest_loss,
            flush_subnormals=self.flush_subnormals,
        )

    @property
    def largest_loss(self) -> float:
        """The smallest number that is beyond the compute format once it is multiplied by the loss scale."""
        if self.loss_scale <= 1:
            return math.inf
        exact = self.compute.overflow_threshold / Fraction(self.loss_scale)
        largest = float(exact)
        return largest if Fraction(largest) >= exact else math.nextafter(largest, math.inf)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Conditions and a slice of t, as ordinals of the format, a range of all of them or some, to be tried with formulations.

    precise: truth good enough for ulps of float64, else for judgement alone.
    """

    conditions: Conditions
    formulations: tuple[str, ...]
    ordinals: IntArray | range
    precise: bool = True

    def split(self) -> "Iterator[Block]":
        """Yield slices of the block that stay in cache."""
        size = max(FEWEST_CASES, NUMBERS_PER_BLOCK // self.conditions.classes)
        for start in range(0, len(self.ordinals), size):
            yield replace(self, ordinals=self.ordinals[start : start + size])


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Logits (classes, cases), numbers of the format, with their target and positions in ascending order."""

    positions: IntArray
    logits: FloatArray
    target: Target

    def select(self, chosen: npt.NDArray[Any]) -> "Cases":
        """Return a subset, flagged or by places; itself where all are flagged."""
        if chosen.dtype == np.bool_:
            if chosen.all():
                return self
            chosen = np.flatnonzero(chosen)
        return Cases(
            positions=self.positions[chosen],
            logits=self.logits.take(chosen, axis=1),
            target=self.target.select(chosen),
        )


def join_cases(parts: Sequence[Cases]) -> Cases:
    """Return the cases of several parts as one."""
    return Cases(
        positions=np.concatenate([cases.positions for cases in parts]),
        logits=np.concatenate([cases.logits for cases in parts], axis=1),
        target=join_targets([cases.target for cases in parts]),
    )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a formulation has no results in a setting: an external loss that failed, or that does not compute the setting."""

    verdict: Verdict
    reason: str


Outcome = Summary | Failure
Value = TypeVar("Value")


def attempt(action: Callable[[], Value]) -> Value | Failure:
    """Evaluate a formulation; the failure of an external loss is an outcome, not an exception."""
    try:
        return action()
    except UnsupportedError as error:
        return Failure(verdict=Verdict.UNSUPPORTED, reason=str(error))
    except OtherObjectiveError as error:
        return Failure(verdict=Verdict.OTHER_OBJECTIVE, reason=str(error))
    except ExternalError as error:
        return Failure(verdict=Verdict.ERROR, reason=str(error))


def merge_results(results: Iterable[Mapping[str, Outcome]]) -> dict[str, Outcome]:
    """Merge the outcomes of many blocks by formulation; one failure makes the whole a failure."""
    merged: dict[str, Outcome] = {}
    for result in results:
        for name, outcome in result.items():
            merged[name] = merge_outcomes(merged[name], outcome) if name in merged else outcome
    return merged


def merge_outcomes(first: Outcome, second: Outcome) -> Outcome:
    """Return the outcome of two parts of a setting."""
    if isinstance(first, Failure):
        return first
    return second if isinstance(second, Failure) else first.merge(second)


def evaluate_blocks(
    blocks: Iterable[Block], formulations: tuple[str, ...], evaluate: Callable[[Block], Mapping[str, Outcome]]
) -> dict[str, Outcome]:
    """Return the merged outcomes of all blocks by formulation; one that failed is not tried again.

    After Ctrl-C, which leaves some formulations of a block without outcome, it holds only those that were evaluated on
    every block, or failed.
    """
    merged: dict[str, Outcome] = {}
    left, waiting = formulations, iter(blocks)
    block = next(waiting, None)
    while block is not None and left:
        outcomes = evaluate(replace(block, formulations=left))
        block = next(waiting, None)
        merged = merge_results([merged, outcomes])
        if len(outcomes) < len(left):
            finished = outcomes if block is None else {}
            return {name: outcome for name, outcome in merged.items() if name in finished or isinstance(outcome, Failure)}
        left = tuple(name for name in left if not isinstance(outcomes[name], Failure))
    return merged


def evaluate_each(names: Iterable[str], evaluate: Callable[[str], Value]) -> dict[str, Value]:
    """Return a value by name; after Ctrl-C the remaining names are missing, which the caller checks."""
    finished: dict[str, Value] = {}
    with suppress(KeyboardInterrupt):
        for name in names:
            finished[name] = evaluate(name)
    return finished
