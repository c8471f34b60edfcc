"""Run an audit of recorded logits: the same judgement as a sweep, row by row of a file."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.cases.recording import Recording, draw_rows, open_recording
from cestab.commands.audit.conclude import conclude
from cestab.commands.audit.headroom import find_headroom
from cestab.commands.audit.portrait import PortraitTotals, sketch
from cestab.commands.audit.totals import Cost, GroupTotals, RowTotals, audit_block
from cestab.commands.reproduce import row_command
from cestab.commands.sweep.advice import recommend
from cestab.commands.sweep.answer import Report, find_fact, judge_file
from cestab.commands.sweep.causes import explain_failures
from cestab.commands.sweep.cures import advise
from cestab.evaluation.assemble import (
    Placing,
    assemble_failure,
    describe_unjudged,
    find_verdict,
    make_findings,
    make_largest,
    make_setting,
    place_row,
)
from cestab.evaluation.blocks import NUMBERS_PER_BLOCK
from cestab.evaluation.environment import describe_environment, ignore_progress, ignore_sentence, version
from cestab.evaluation.plan import group_by_options, plan_arithmetics
from cestab.external.loaded import loaded_losses
from cestab.judgement.summary import Error
from cestab.numerics.rounding import IntArray
from cestab.vocabulary.kinds import Coverage, FindingKind
from cestab.vocabulary.phrases import show_classes, show_count, show_duration
from cestab.vocabulary.requests import Arithmetics, AuditRequest
from cestab.vocabulary.settings import Finding, Place, RoundingCost, SettingResult

LONG_NUMBERS = 5e8
SECONDS_PER_NUMBER = 6e-8  # measured: 38 ns in float32 with 50,257 classes, 100 in float16; losses of one's own take longer
SINGLE_CLASSES = 4096  # from here on one row a block: NumPy's loops over two or three rows are several times slower


def run_audit(
    request: AuditRequest,
    *,
    progress: Callable[[int, int], Any] = ignore_progress,
    announce: Callable[[str], Any] = ignore_sentence,
    folder: Path | None = None,
) -> Report:
    """Return the report of recorded logits; `progress` is called with the numbers of rows done and of all rows.

    `announce` gets a sentence on the size of long work before it begins.

    After Ctrl-C the report holds the rows that are done. The files are relative to `folder`, else to the current one.
    """
    where = folder or Path()
    labels = None if request.labels is None else str(where / request.labels)
    source = replace(request, file=str(where / request.file), labels=labels)
    with loaded_losses(request.formulations, request.guard) as targets, open_recording(source, request.objective) as recording:
        _announce_size(request, recording, announce)
        total = _audit_rows(request, recording, progress)
        portrait = total.portrait.portray(recording)
        results = total.assemble(request, recording.row_shape)
        causes = explain_failures(results, request)

        def evaluate(arithmetics: Arithmetics, names: tuple[str, ...]) -> tuple[SettingResult, ...]:
            changed = replace(request, formulations=names, arithmetics=arithmetics)
            return _audit_rows(changed, recording, ignore_progress).assemble(changed, recording.row_shape)

        if total.is_interrupted:
            recommendations = recommend(results)
        else:
            recommendations = advise(request, results, evaluate)
            with suppress(KeyboardInterrupt):  # the audit is done: it is shown without headroom
                results = find_headroom(request, portrait, results)
    data = total.judge_file(request, results, portrait.row_shape)
    return Report(
        version=version(),
        environment=describe_environment(targets),
        request=request,
        settings=results,
        recommendations=recommendations,
        causes=causes,
        escalated=sum(totals.summary.escalated for group in total.groups for totals in group.totals_by_name.values()),
        data=data,
        portrait=portrait,
        conclusions=conclude(request, results, data, recommendations),
        rows=total.rows,
        ignored_rows=total.ignored,
        is_interrupted=total.is_interrupted,
    )


def _announce_size(request: AuditRequest, recording: Recording, announce: Callable[[str], Any]) -> None:
    """Say how much work it is, if it takes longer than a moment."""
    rows = min(recording.rows, request.sample or recording.rows)
    arithmetics = request.arithmetics
    settings = len(request.formulations) * math.prod(
        map(len, (arithmetics.dtypes, arithmetics.summations, arithmetics.loss_scales))
    )
    numbers = rows * recording.classes * settings
    if numbers >= LONG_NUMBERS:
        size = f"{show_count(rows, 'row')} of {show_classes(recording.classes)} in {show_count(settings, 'setting')}"
        announce(f"{size}: {numbers:,} numbers, about {show_duration(numbers * SECONDS_PER_NUMBER)}")


@dataclass(frozen=True, kw_only=True)
class FileTotals:
    """The totals of a file, or of the rows up to Ctrl-C."""

    groups: tuple[GroupTotals, ...]
    rows: int
    ignored: int
    is_interrupted: bool
    portrait: PortraitTotals

    def judge_file(
        self, request: AuditRequest, results: Sequence[SettingResult], row_shape: tuple[int, ...]
    ) -> tuple[SettingResult, ...]:
        """Return the facts of the file in each dtype; all its groups have the same, but for masks and label smoothing."""
        findings: dict[str, list[Finding]] = {}
        for group in self.groups:
            name = group.conditions.fmt.name
            if name not in findings:
                findings[name] = [_place_fact(request, group, kind, row_shape) for kind in FindingKind if kind in group.facts]
        return judge_file(results, findings, self.rows - self.ignored)

    def assemble(self, request: AuditRequest, row_shape: tuple[int, ...]) -> tuple[SettingResult, ...]:
        return tuple(
            _assemble(request, group, name, row_shape)
            for name in request.formulations
            for group in self.groups
            if name in group.totals_by_name
        )


def _audit_rows(request: AuditRequest, recording: Recording, progress: Callable[[int, int], Any]) -> FileTotals:
    """Evaluate all rows, or those that the request draws; Ctrl-C before any is done propagates."""
    groups = list(_begin_totals(request, recording.classes))
    drawn = draw_rows(recording.rows, request.sample, request.seed)
    wanted = recording.rows if drawn is None else drawn.size
    done, ignored, is_interrupted, portrait = 0, 0, False, PortraitTotals()
    try:
        for count, rows, logits, labels in _read_blocks(recording, drawn, request.ignore_index):
            groups = [group.merge(audit_block(group, rows, logits, labels)) for group in groups]
            portrait = portrait.merge(sketch(logits, labels, request.objective))
            done, ignored = done + count, ignored + count - rows.size
            progress(done, wanted)
    except KeyboardInterrupt:
        if not done:
            raise
        is_interrupted = True
    return FileTotals(groups=tuple(groups), rows=done, ignored=ignored, is_interrupted=is_interrupted, portrait=portrait)


def _begin_totals(request: AuditRequest, classes: int) -> Iterator[GroupTotals]:
    """Yield empty totals for every set of conditions; formulations with other options have other conditions."""
    for options, names in group_by_options(request.formulations).items():
        for conditions in plan_arithmetics(request.arithmetics, request.objective, options, request.guard):
            yield GroupTotals(
                conditions=replace(conditions, classes=classes), totals_by_name={name: RowTotals() for name in names}
            )


def _read_blocks(
    recording: Recording, drawn: IntArray | None, ignore_index: int
) -> Iterator[tuple[int, IntArray, npt.NDArray[np.float64], npt.NDArray[Any]]]:
    """Yield, for blocks of the drawn rows or of all: rows read, then numbers, logits and labels of those not ignored."""
    size = max(1, NUMBERS_PER_BLOCK // recording.classes) if recording.classes < SINGLE_CLASSES else 1
    for start in range(0, recording.rows if drawn is None else drawn.size, size):
        stop = min(start + size, recording.rows)
        rows = np.arange(start, stop) if drawn is None else drawn[start : start + size]
        logits, labels = recording.read(slice(start, stop) if drawn is None else rows)
        is_binary = recording.objective.is_binary
        kept = np.ones(len(labels), dtype=np.bool_) if is_binary or labels.ndim == 2 else labels != ignore_index
        yield rows.size, rows[kept], np.ascontiguousarray(logits[:, kept]), labels[kept]


def _place_fact(request: AuditRequest, group: GroupTotals, kind: FindingKind, row_shape: tuple[int, ...]) -> Finding:
    fact, name = group.facts[kind], next(iter(group.totals_by_name))
    is_shown = kind is FindingKind.MASKED_TARGET  # explain shows no row that has no truth
    reproduce = row_command(group.conditions, name, request, fact.first) if is_shown else None
    return find_fact(kind, fact.rows, replace(place_row(fact.first, row_shape), reproduce=reproduce))


def _assemble(request: AuditRequest, group: GroupTotals, name: str, row_shape: tuple[int, ...]) -> SettingResult:
    conditions, totals = group.conditions, group.totals_by_name[name]
    if totals.failure is not None:
        return assemble_failure(conditions, name, totals.failure, Coverage.RECORDED)
    summary = totals.summary

    place = partial(place_row, row_shape=row_shape)

    def reproduce(place: Place) -> str:
        return row_command(conditions, name, request, place.position)

    return SettingResult(
        setting=make_setting(conditions, name),
        verdict=find_verdict(summary),
        cases=summary.cases,
        undefined=summary.undefined,
        ties=summary.ties,
        coverage=Coverage.RECORDED,
        findings=make_findings(summary, place, reproduce, Coverage.RECORDED),
        largest_error=make_largest(summary, place_row),
        worst_rows=tuple(_place_error(row.error, place) for row in totals.worst),
        rounding_cost=_place_cost(group.cost),
        effect=totals.effect.sum_up(),
        reason=describe_unjudged(summary),
    )


def _place_cost(cost: Cost) -> RoundingCost:
    loss, gradient = (_place_error(error, place_row) if error.ulps >= 0 else None for error in (cost.loss, cost.gradient))
    return RoundingCost(loss=loss, loss_change=cost.loss_change, gradient=gradient, gradient_change=cost.gradient_change)


def _place_error(error: Error, place: Placing) -> Place:
    return replace(place(error.position), ulps=error.ulps if error.ulps >= 0 else None)
