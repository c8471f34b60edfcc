"""The JSON reports cestab.sweep/1 and cestab.audit/1, and how a report is written as one; restore.py reads them."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, convert

from cestab.commands.sweep import answer
from cestab.reports.json import write_json
from cestab.reports.wire.results import RowSettings, Settings, write_result
from cestab.reports.wire.settings import Environment, SettingName, write_environment
from cestab.reports.wire.types import Batch, Count, Interrupted, Names, Positive, Report, Scale, Size, Text, Wire, Word
from cestab.vocabulary import requests
from cestab.vocabulary.external import DEFAULT_TIMEOUT_SECONDS
from cestab.vocabulary.kinds import Fp8Overflow, Summation
from cestab.vocabulary.loss_options import Reduction

Tolerance = Size | None
SINGULAR = {"dtypes": "dtype", "summations": "summation", "loss_scales": "loss_scale"}
ARITHMETIC = {SINGULAR.get(own.name, own.name): own.name for own in fields(requests.Arithmetics) if own.name != "has_infinity"}


class Request(Wire):
    """Every option as resolved, by its name on the command line."""

    objective: Word
    formulation: Names
    dtype: Names
    compute: Word | None
    summation: Annotated[tuple[Summation, ...], Meta(min_length=1)]
    loss_scale: Annotated[tuple[Scale, ...], Meta(min_length=1)]
    rtol: Tolerance
    atol: Tolerance
    fp8_overflow: Fp8Overflow
    flush_subnormals: bool
    fail_on: tuple[Word, ...]
    timeout: Annotated[Scale, Meta(description="longest call of a loss that is not cestab's, in seconds")] = (
        DEFAULT_TIMEOUT_SECONDS
    )
    max_memory: Annotated[Positive | None, Meta(description="most memory of its process, in bytes; null: no limit")] = None


class SweepRequest(Request):
    """What a sweep was asked for."""

    logits: Word
    pattern: Names
    classes: Annotated[tuple[Positive, ...], Meta(min_length=1)]
    target: Names
    seed: Count
    batch: Batch = 1
    reduction: Reduction = Reduction.MEAN


class AuditRequest(Request):
    """What an audit was asked for."""

    file: Text
    labels: Text | None
    axis: Literal[0, 1]
    ignore_index: int
    sample: Positive | None = None
    seed: Count = 0


class Summary(Wire):
    """Numbers of settings by verdict, of cases, and of those that were decided in ball arithmetic."""

    pass_: Count
    warn: Count
    fail: Count
    undefined: Count | UnsetType = UNSET
    unsupported: Count | UnsetType = UNSET
    error: Count | UnsetType = UNSET
    cases: Count
    escalated: Count


class AuditSummary(Summary):
    """Of an audit also the rows that were read, and those that were ignored."""

    rows: Count
    ignored: Count


class Advice(Wire):
    """What to use in a dtype; null if none should be."""

    dtype: Word
    formulation: Word | None
    why: Text


class Cause(Wire):
    """Why a formulation fails: what goes wrong first in some dtypes, and in a sentence where."""

    formulation: Word
    operation: Text
    dtype: tuple[Word, ...]
    sentence: Text


class _Answer(Report):
    version: Word
    environment: Environment
    request: Request
    interrupted: Interrupted | UnsetType = UNSET
    settings: tuple[SettingName, ...]
    summary: Summary
    recommendation: tuple[Advice, ...]
    causes: tuple[Cause, ...]


class Sweep(_Answer, tag="cestab.sweep/1"):
    """The report of cestab sweep."""

    request: SweepRequest
    settings: Settings


class Audit(_Answer, tag="cestab.audit/1"):
    """The report of cestab audit."""

    request: AuditRequest
    settings: RowSettings
    summary: AuditSummary


def render(report: answer.Report) -> str:
    """Return the report as JSON, with a newline at the end."""
    is_sweep = isinstance(report.request, requests.SweepRequest)
    counts = report.verdict_counts()
    summary = {verdict.value: count for verdict, count in counts.items() if count or verdict.is_judged}
    summary |= {"cases": sum(r.cases for r in report.settings), "escalated": report.escalated}
    summary |= {} if is_sweep else {"rows": report.rows, "ignored": report.ignored_rows}
    kind: type[Sweep | Audit] = Sweep if is_sweep else Audit
    own: dict[str, Any] = {
        "version": report.version,
        "environment": write_environment(report.environment),
        "request": write_request(report.request),
        "interrupted": report.is_interrupted or UNSET,
        "settings": tuple(write_result(result) for result in report.settings),
        "summary": convert(summary, Summary if is_sweep else AuditSummary),
        "recommendation": tuple(Advice(**vars(advice)) for advice in report.recommendations),
        "causes": tuple(
            Cause(formulation=c.formulation, operation=c.operation, dtype=c.dtypes, sentence=c.sentence) for c in report.causes
        ),
    }
    return write_json(kind(**own))


def write_request(request: requests.SweepRequest | requests.AuditRequest) -> SweepRequest | AuditRequest:
    """Return the options as resolved, under the names of the command line."""
    shared: dict[str, Any] = {
        "objective": request.objective.name,
        "formulation": request.formulations,
        **{name: getattr(request.arithmetics, own) for name, own in ARITHMETIC.items()},
        "fail_on": request.fail_on,
        "timeout": request.guard.timeout_seconds,
        "max_memory": request.guard.max_memory_bytes,
        "seed": request.seed,
    }
    if isinstance(request, requests.AuditRequest):
        shared["axis"] = request.class_axis
        return AuditRequest(
            **shared, file=request.file, labels=request.labels, ignore_index=request.ignore_index, sample=request.sample
        )
    return SweepRequest(
        **shared,
        logits=str(request.logits),
        pattern=request.patterns,
        classes=request.classes,
        target=request.targets,
        batch=request.batch,
        reduction=request.reduction,
    )
