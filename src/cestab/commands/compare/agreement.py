"""How two formulations' results agree, block by block: counts that merge in any order."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from cestab.commands.compare.answer import Agreement
from cestab.evaluation.assemble import find_placing
from cestab.evaluation.blocks import Block, Conditions, Failure, Outcome, attempt, evaluate_each
from cestab.evaluation.compute import Results, compute
from cestab.evaluation.evaluate import find_truth, judge_results, make_cases
from cestab.external.formulation import find_any_formulation
from cestab.judgement.rules import Bools, Doubles
from cestab.judgement.screen import find_error, measure_ulps
from cestab.judgement.summary import NO_ERROR, Error, largest_error
from cestab.numerics.rounding import FloatArray, IntArray
from cestab.truth.tiers import Truth


@dataclass(frozen=True, kw_only=True)
class AgreementTally:
    """The counts of an Agreement over some cases, with a position instead of a place."""

    cases: int = 0
    equal: int = 0
    nearer_reference: int = 0
    nearer_other: int = 0
    distance: Error = NO_ERROR

    def merge(self, other: "AgreementTally") -> "AgreementTally":
        return AgreementTally(
            cases=self.cases + other.cases,
            equal=self.equal + other.equal,
            nearer_reference=self.nearer_reference + other.nearer_reference,
            nearer_other=self.nearer_other + other.nearer_other,
            distance=other.distance if other.distance.is_worse_than(self.distance) else self.distance,
        )

    def place(self, conditions: Conditions) -> Agreement:
        """Return the tally with its position as a float of the format."""
        distance = None
        if self.distance.ulps >= 0:
            distance = find_placing(conditions)(self.distance.position).noted(ulps=self.distance.ulps)
        return Agreement(
            cases=self.cases,
            equal=self.equal,
            nearer_reference=self.nearer_reference,
            nearer_other=self.nearer_other,
            distance=distance,
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Loss and gradient of one formulation beside those of the reference."""

    loss: AgreementTally = AgreementTally()
    gradient: AgreementTally = AgreementTally()

    def merge(self, other: "Pair") -> "Pair":
        return Pair(loss=self.loss.merge(other.loss), gradient=self.gradient.merge(other.gradient))


def compare_block(block: Block, reference: str) -> tuple[dict[str, Outcome], dict[str, Pair]]:
    """Return an outcome per formulation and, where both have results, how each other one agrees with the reference.

    The reference is the first of the block. After Ctrl-C some formulations are missing.
    """
    conditions = block.conditions
    cases = make_cases(conditions, block.ordinals)
    truth = find_truth(conditions, cases, precise=block.precise)
    base: list[Results] = []
    pairs: dict[str, Pair] = {}

    def compare(name: str) -> Outcome:
        results = attempt(partial(compute, conditions, find_any_formulation(name), cases, truth))
        if isinstance(results, Failure):
            return results
        outcome = judge_results(conditions, cases, results, truth, has_map=True)[1]
        if name == reference:
            base.append(results)
        elif base:
            pairs[name] = _compare(cases.positions, base[0], results, truth, conditions)
        return outcome

    return evaluate_each(block.formulations, compare), pairs


def _compare(positions: IntArray, reference: Results, other: Results, truth: Truth, conditions: Conditions) -> Pair:
    losses = reference[0][np.newaxis], other[0][np.newaxis]
    loss_low = None if truth.loss_low is None else truth.loss_low[np.newaxis]
    loss_bound = truth.relative * truth.loss_scale + truth.absolute
    gradient_bound = np.max(truth.relative * np.abs(truth.scale), axis=0) + truth.absolute
    with np.errstate(all="ignore"):
        loss = _tally(positions, *losses, truth.loss[np.newaxis], loss_low, loss_bound, conditions)
        if reference[1] is None or other[1] is None:
            return Pair(loss=loss)
        gradients = reference[1], other[1]
        return Pair(
            loss=loss, gradient=_tally(positions, *gradients, truth.gradient, truth.gradient_low, gradient_bound, conditions)
        )


def _tally(
    positions: IntArray,
    reference: FloatArray,
    other: FloatArray,
    true: Doubles,
    low: Doubles | None,
    bound: Doubles,
    conditions: Conditions,
) -> AgreementTally:
    """Compare values (values, cases); errors that differ by no more than their bounds are equally near."""
    errors = [_largest_error(find_error(values, true, low), values, true) for values in (reference, other)]
    slack = 2 * bound
    distance = np.abs(reference.astype(np.float64) - other.astype(np.float64))
    return AgreementTally(
        cases=positions.size,
        equal=int(np.count_nonzero(np.logical_and.reduce(_is_equal(reference, other), axis=0))),
        nearer_reference=int(np.count_nonzero(errors[0] + slack < errors[1])),
        nearer_other=int(np.count_nonzero(errors[1] + slack < errors[0])),
        distance=largest_error(positions, measure_ulps(distance, true, conditions.fmt)),
    )


def _is_equal(a: FloatArray, b: FloatArray) -> Bools:
    """Whether values are equal, 0 and −0 too, where all NaN are equal."""
    equal: Bools = (a == b) | (np.isnan(a) & np.isnan(b))
    return equal


def _largest_error(error: Doubles, computed: FloatArray, true: Doubles) -> Doubles:
    """Return the largest error of each case; a NaN's is infinite, a correct infinity's is 0."""
    errors = np.where(np.isinf(computed) & (computed == true), 0.0, np.where(np.isnan(error), np.inf, error))
    worst: Doubles = np.maximum.reduce(errors, axis=0)
    return worst
