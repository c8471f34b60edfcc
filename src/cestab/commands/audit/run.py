"""Run an audit of recorded logits: the same judgement as a sweep, row by row of a file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.recording import Recording, draw_rows, make_recorded_target, open_recording, round_logits
from cestab.commands.reproduce import row_command
from cestab.commands.sweep.advice import recommend
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.causes import explain_failures
from cestab.commands.sweep.cures import advise
from cestab.evaluation.assemble import (
    assemble_failure,
    describe_unjudged,
    find_verdict,
    make_findings,
    make_largest,
    make_setting,
    place_row,
)
from cestab.evaluation.blocks import Cases, Conditions, Failure, attempt
from cestab.evaluation.environment import describe_environment, ignore_progress, version
from cestab.evaluation.evaluate import evaluate_at, find_truth, judge_cases
from cestab.evaluation.plan import NUMBERS_PER_BLOCK, group_by_options, plan_arithmetics
from cestab.external.formulation import find_any_formulation
from cestab.external.loaded import loaded_losses
from cestab.judgement.judge import Judgement
from cestab.judgement.rules import KINDS
from cestab.judgement.screen import measure_ulps
from cestab.judgement.summary import NO_ERROR, Error, Summary, largest_error
from cestab.numerics.rounding import FloatArray, IntArray
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.requests import Arithmetics, AuditRequest
from cestab.vocabulary.settings import Place, RoundingCost, SettingResult

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
    failure: Failure | None = None

    def merge(self, other: "RowTotals") -> "RowTotals":
        if self.failure is not None or other.failure is not None:
            return RowTotals(failure=self.failure or other.failure)
        worst = sorted(self.worst + other.worst, key=lambda row: row.key)[:WORST_ROWS]
        return RowTotals(summary=self.summary.merge(other.summary), worst=tuple(worst))


@dataclass(frozen=True, kw_only=True)
class GroupTotals:
    """The totals of one set of conditions: those of each formulation by name, and the cost of rounding."""

    conditions: Conditions
    totals_by_name: dict[str, RowTotals]
    cost: Cost = Cost()

    def merge(self, other: "GroupTotals") -> "GroupTotals":
        totals_by_name = {name: totals.merge(other.totals_by_name[name]) for name, totals in self.totals_by_name.items()}
        return replace(self, totals_by_name=totals_by_name, cost=self.cost.merge(other.cost))


def run_audit(
    request: AuditRequest, *, progress: Callable[[int, int], Any] = ignore_progress, folder: Path | None = None
) -> Report:
    """Return the report of recorded logits; `progress` is called with the numbers of rows done and of all rows.

    After Ctrl-C the report holds the rows that are done. The files are relative to `folder`, else to the current one.
    """
    where = folder or Path()
    labels_file = None if request.labels is None else str(where / request.labels)
    source = (str(where / request.file), labels_file, request.objective, request.class_axis, request.ignore_index)
    with loaded_losses(request.formulations, request.guard) as targets, open_recording(*source) as recording:
        total = _audit_rows(request, recording, progress)
        results = total.assemble(request)
        causes = explain_failures(results, request)

        def evaluate(arithmetics: Arithmetics, names: tuple[str, ...]) -> tuple[SettingResult, ...]:
            changed = replace(request, formulations=names, arithmetics=arithmetics)
            return _audit_rows(changed, recording, ignore_progress).assemble(changed)

        recommendations = recommend(results) if total.is_interrupted else advise(request, results, evaluate)
    return Report(
        version=version(),
        environment=describe_environment(targets),
        request=request,
        settings=results,
        recommendations=recommendations,
        causes=causes,
        escalated=sum(totals.summary.escalated for group in total.groups for totals in group.totals_by_name.values()),
        rows=total.rows,
        ignored_rows=total.ignored,
        is_interrupted=total.is_interrupted,
    )


@dataclass(frozen=True, kw_only=True)
class FileTotals:
    """The totals of a file, or of the rows up to Ctrl-C."""

    groups: tuple[GroupTotals, ...]
    rows: int
    ignored: int
    is_interrupted: bool

    def assemble(self, request: AuditRequest) -> tuple[SettingResult, ...]:
        return tuple(
            _assemble(request, group, name)
            for name in request.formulations
            for group in self.groups
            if name in group.totals_by_name
        )


def _audit_rows(request: AuditRequest, recording: Recording, progress: Callable[[int, int], Any]) -> FileTotals:
    """Evaluate all rows, or those that the request draws; Ctrl-C before any is done propagates."""
    groups = list(_begin_totals(request, recording.classes))
    drawn = draw_rows(recording.rows, request.sample, request.seed)
    wanted = recording.rows if drawn is None else drawn.size
    done, ignored, is_interrupted = 0, 0, False
    try:
        for count, rows, logits, labels in _read_blocks(recording, drawn, request.ignore_index):
            groups = [group.merge(_audit_block(group, rows, logits, labels)) for group in groups]
            done, ignored = done + count, ignored + count - rows.size
            progress(done, wanted)
    except KeyboardInterrupt:
        if not done:
            raise
        is_interrupted = True
    return FileTotals(groups=tuple(groups), rows=done, ignored=ignored, is_interrupted=is_interrupted)


def _begin_totals(request: AuditRequest, classes: int) -> Iterator[GroupTotals]:
    """Yield empty totals for every set of conditions; formulations with other options have other conditions."""
    for options, names in group_by_options(request.formulations).items():
        for conditions in plan_arithmetics(request.arithmetics, request.objective, options, request.guard):
            yield GroupTotals(
                conditions=replace(conditions, classes=classes), totals_by_name={name: RowTotals() for name in names}
            )


def _read_blocks(
    recording: Recording, drawn: IntArray | None, ignore_index: int
) -> Iterator[tuple[int, IntArray, Doubles, npt.NDArray[Any]]]:
    """Yield, for blocks of the drawn rows or of all: rows read, then numbers, logits and labels of those not ignored."""
    size = max(1, NUMBERS_PER_BLOCK // recording.classes)
    for start in range(0, recording.rows if drawn is None else drawn.size, size):
        stop = min(start + size, recording.rows)
        rows = np.arange(start, stop) if drawn is None else drawn[start : start + size]
        logits, labels = recording.read(slice(start, stop) if drawn is None else rows)
        is_binary = recording.objective.is_binary
        kept = np.ones(labels.shape, dtype=np.bool_) if is_binary else labels != ignore_index
        yield rows.size, rows[kept], np.ascontiguousarray(logits[:, kept]), labels[kept]


def _audit_block(group: GroupTotals, rows: npt.NDArray[Any], originals: Doubles, labels: npt.NDArray[Any]) -> GroupTotals:
    """Return the totals of one block under the conditions of a group; a formulation that has failed is not tried again."""
    conditions = group.conditions
    rounded, is_kept = round_logits(originals, conditions.fmt)
    undefined = rows.size - int(np.count_nonzero(is_kept))
    cases = Cases(
        positions=rows, logits=rounded, target=make_recorded_target(conditions.objective, conditions.fmt, labels)
    ).select(is_kept)
    truth = find_truth(conditions, cases, precise=True)
    totals_by_name = {}
    for name, before in group.totals_by_name.items():
        judge = partial(judge_cases, conditions, find_any_formulation(name), cases, truth, has_map=False, undefined=undefined)
        judged = attempt(judge) if before.failure is None else before.failure
        if isinstance(judged, Failure):
            totals_by_name[name] = RowTotals(failure=judged)
        else:
            totals_by_name[name] = RowTotals(summary=judged[1], worst=_rank_rows(cases.positions, judged[0]))
    return GroupTotals(
        conditions=conditions,
        totals_by_name=totals_by_name,
        cost=_measure_cost(conditions, cases, originals[:, is_kept], truth),
    )


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


def _assemble(request: AuditRequest, group: GroupTotals, name: str) -> SettingResult:
    conditions, totals = group.conditions, group.totals_by_name[name]
    if totals.failure is not None:
        return assemble_failure(conditions, name, totals.failure, Coverage.RECORDED)
    summary = totals.summary

    def reproduce(place: Place) -> str:
        return row_command(conditions, name, request, place.position)

    return SettingResult(
        setting=make_setting(conditions, name),
        verdict=find_verdict(summary),
        cases=summary.cases,
        undefined=summary.undefined,
        ties=summary.ties,
        coverage=Coverage.RECORDED,
        findings=make_findings(summary, place_row, reproduce, Coverage.RECORDED),
        largest_error=make_largest(summary, place_row),
        worst_rows=tuple(_place_error(row.error) for row in totals.worst),
        rounding_cost=_place_cost(group.cost),
        reason=describe_unjudged(summary),
    )


def _place_cost(cost: Cost) -> RoundingCost:
    loss, gradient = (_place_error(error) if error.ulps >= 0 else None for error in (cost.loss, cost.gradient))
    return RoundingCost(loss=loss, loss_change=cost.loss_change, gradient=gradient, gradient_change=cost.gradient_change)


def _place_error(error: Error) -> Place:
    return replace(place_row(error.position), ulps=error.ulps if error.ulps >= 0 else None)
