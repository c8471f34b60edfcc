"""The totals of an audit: blocks of recorded rows through formulations, judged, and added up."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.recording import make_recorded_target, round_logits
from cestab.commands.audit.effect import EffectTotals
from cestab.commands.audit.facts import Facts, find_facts, merge_facts
from cestab.evaluation.blocks import Cases, Conditions, Failure, attempt
from cestab.evaluation.compute import compute
from cestab.evaluation.evaluate import evaluate_at, find_truth, judge_results
from cestab.external.formulation import find_any_formulation
from cestab.judgement.judge import Judgement
from cestab.judgement.rules import KINDS
from cestab.judgement.screen import measure_ulps
from cestab.judgement.summary import NO_ERROR, Error, Summary, largest_error
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import Truth

WORST_ROWS = 5
Doubles = npt.NDArray[np.float64]
_SEVERITY_RANK = np.array([0, *(kind.severity.rank for kind in KINDS)])


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Largest change of loss and gradient by rounding the logits: in ulps, with the row, and as a plain difference."""

    loss: Error = NO_ERROR
    loss_change: float = 0.0
    gradient: Error = NO_ERROR
    gradient_change: float = 0.0

    def merge(self, other: "Cost") -> "Cost":
        return Cost(
            loss=other.loss if other.loss.is_worse_than(self.loss) else self.loss,
            loss_change=max(self.loss_change, other.loss_change),
            gradient=other.gradient if other.gradient.is_worse_than(self.gradient) else self.gradient,
            gradient_change=max(self.gradient_change, other.gradient_change),
        )


@dataclass(frozen=True, kw_only=True)
class RankedRow:
    """A row with a finding: severity rank, error, row."""

    rank: int
    error: Error

    @property
    def key(self) -> tuple[int, float, int]:
        return -self.rank, -self.error.ulps, self.error.position


@dataclass(frozen=True, kw_only=True)
class RowTotals:
    """The totals of one formulation under one set of conditions, over the rows so far."""

    summary: Summary = field(default_factory=Summary)
    worst: tuple[RankedRow, ...] = ()
    effect: EffectTotals = field(default_factory=EffectTotals)
    failure: Failure | None = None

    def merge(self, other: "RowTotals") -> "RowTotals":
        if self.failure is not None or other.failure is not None:
            return RowTotals(failure=self.failure or other.failure)
        worst = sorted(self.worst + other.worst, key=lambda row: row.key)[:WORST_ROWS]
        effect = self.effect.merge(other.effect)
        return RowTotals(summary=self.summary.merge(other.summary), worst=tuple(worst), effect=effect)


@dataclass(frozen=True, kw_only=True)
class GroupTotals:
    """The totals of one set of conditions: those of each formulation by name, and the cost of rounding."""

    conditions: Conditions
    totals_by_name: dict[str, RowTotals]
    cost: Cost = Cost()
    facts: Facts = field(default_factory=dict)

    def merge(self, other: "GroupTotals") -> "GroupTotals":
        totals_by_name = {name: totals.merge(other.totals_by_name[name]) for name, totals in self.totals_by_name.items()}
        facts = merge_facts(self.facts, other.facts)
        return replace(self, totals_by_name=totals_by_name, cost=self.cost.merge(other.cost), facts=facts)


def audit_block(group: GroupTotals, rows: npt.NDArray[Any], originals: Doubles, labels: npt.NDArray[Any]) -> GroupTotals:
    """Return the totals of one block under the conditions of a group; a formulation that has failed is not tried again."""
    conditions = group.conditions
    rounded = round_logits(originals, conditions.fmt, conditions.objective)
    is_kept = rounded.is_judged
    undefined = rows.size - int(np.count_nonzero(is_kept))
    cases = Cases(
        positions=rows, logits=rounded.logits, target=make_recorded_target(conditions.objective, conditions.fmt, labels)
    ).select(is_kept)
    truth = find_truth(conditions, cases, precise=True)
    totals_by_name = {}
    for name, before in group.totals_by_name.items():
        judge = partial(_judge_rows, conditions, name, cases, truth, undefined)
        judged = attempt(judge) if before.failure is None else before.failure
        totals_by_name[name] = RowTotals(failure=judged) if isinstance(judged, Failure) else judged
    return GroupTotals(
        conditions=conditions,
        totals_by_name=totals_by_name,
        cost=_measure_cost(conditions, cases, originals[:, is_kept], truth),
        facts=find_facts(rows, rounded, truth),
    )


def _judge_rows(conditions: Conditions, name: str, cases: Cases, truth: Truth, undefined: int) -> RowTotals:
    results = compute(conditions, find_any_formulation(name), cases, truth)
    judgement, summary = judge_results(conditions, cases, results, truth, has_map=False, undefined=undefined)
    return RowTotals(summary=summary, worst=_rank_rows(cases.positions, judgement), effect=EffectTotals.of(results, truth))


def _rank_rows(rows: npt.NDArray[Any], judgement: Judgement) -> tuple[RankedRow, ...]:
    """Return the worst rows of a block: by severity, then by error, then the first."""
    rank = np.maximum(_SEVERITY_RANK[judgement.loss_codes], _SEVERITY_RANK[judgement.gradient_codes])
    ulps = np.nan_to_num(np.fmax(judgement.loss_ulps, judgement.gradient_ulps), nan=-1.0, posinf=np.inf)
    chosen = np.lexsort((rows, -ulps, -rank))[:WORST_ROWS]
    return tuple(RankedRow(rank=int(rank[i]), error=Error(float(ulps[i]), int(rows[i]))) for i in chosen if rank[i])


def _measure_cost(conditions: Conditions, cases: Cases, originals: FloatArray, truth: Truth) -> Cost:
    """Compare the truth at the rounded logits with the truth at the logits as recorded."""
    if not cases.positions.size:
        return Cost()
    if np.array_equal(originals, cases.logits):
        none = Error(0.0, int(cases.positions[0]))
        return Cost(loss=none, gradient=none)
    exact = evaluate_at(conditions, np.ascontiguousarray(originals), cases.target, precise=False)
    plain = find_truth(conditions, cases, precise=False) if truth.loss_low is not None else truth
    with np.errstate(invalid="ignore"):
        loss_change, gradient_change = np.abs(plain.loss - exact.loss), np.abs(plain.gradient - exact.gradient)
    loss_ulps, gradient_ulps = (
        measure_ulps(loss_change[np.newaxis], exact.loss[np.newaxis], conditions.fmt),
        measure_ulps(gradient_change, exact.gradient, conditions.fmt),
    )
    return Cost(
        loss=largest_error(cases.positions, loss_ulps),
        loss_change=float(np.fmax.reduce(loss_change, initial=0.0)),
        gradient=largest_error(cases.positions, gradient_ulps),
        gradient_change=float(np.max(gradient_change)),
    )
