"""The JSON reports cestab.sweep/1 and cestab.audit/1, and how a report is written as one; restore.py reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, convert

from cestab.commands.sweep import answer
from cestab.reports.json import write_json
from cestab.reports.wire.results import RowSettings, Settings, write_result
from cestab.reports.wire.settings import Environment, FirstRow, SettingName, write_environment, write_place
from cestab.reports.wire.types import Batch, Count, Interrupted, Kind, Names, Positive, Report, Scale, Size, Text, Wire, Word
from cestab.vocabulary import requests, settings
from cestab.vocabulary.external import DEFAULT_TIMEOUT_SECONDS
from cestab.vocabulary.kinds import Fp8Overflow, Severity, Summation
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.recorded import Quantity, Safety

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
    curves: bool = False
    exhaustive: bool = False
    certify: bool = False


class AuditRequest(Request):
    """What an audit was asked for."""

    file: Text
    labels: Text | None
    logits_key: Text | None = None
    labels_key: Text | None = None
    axis: int
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


class Fact(Wire):
    """What is so in some rows of a file whatever computes the loss, in a dtype."""

    kind: Kind
    severity: Severity
    dtype: Word
    rows: Positive
    first: FirstRow


class Portrait(Wire):
    """What the logits are like that have a truth: their arrays, quantiles at 0, 1, 50, 99 and 100 %, largest values of rows."""

    logits_key: str
    labels_key: str
    dtype: Word
    shape: tuple[Count, ...]
    axis: Count | None
    rows: Count
    logits: tuple[float, ...]
    margins: tuple[float, ...]
    largest_logit: float | None
    spread: float | None
    offset: float | None
    probability_rows: Count


class Conclusion(Wire):
    """The answer for a dtype: safe, safe with what the sentence names, or not safe; a command line for the worst case."""

    dtype: Word
    safety: Safety
    sentence: Text
    reproduce: Text | None


class Advice(Wire):
    """What to use in a dtype; null if none should be. `cure` makes one that fails sound."""

    dtype: Word
    formulation: Word | None
    why: Text
    cure: Text | None


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
    portrait: Portrait
    conclusions: tuple[Conclusion, ...]
    data: tuple[Fact, ...]
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
    data = {} if is_sweep else _write_file(report)
    own: dict[str, Any] = {
        "version": report.version,
        "environment": write_environment(report.environment),
        "request": write_request(report.request),
        "interrupted": report.is_interrupted or UNSET,
        **data,
        "settings": tuple(write_result(result) for result in report.settings),
        "summary": convert(summary, Summary if is_sweep else AuditSummary),
        "recommendation": tuple(Advice(**vars(advice)) for advice in report.recommendations),
        "causes": tuple(
            Cause(formulation=c.formulation, operation=c.operation, dtype=c.dtypes, sentence=c.sentence) for c in report.causes
        ),
    }
    return write_json(kind(**own))


def _write_file(report: answer.Report) -> dict[str, Any]:
    """Return the parts that only an audit has."""
    portrait = report.portrait
    assert portrait is not None, "an audit has one"
    own: dict[str, Any] = {name: value for name, value in vars(portrait).items() if name not in ("extremes", "class_axis")}
    own |= {quantity.value.replace(" ", "_"): portrait.extremes.get(quantity) for quantity in Quantity}
    return {
        "portrait": Portrait(**own, axis=portrait.class_axis),
        "conclusions": tuple(Conclusion(**vars(conclusion)) for conclusion in report.conclusions),
        "data": tuple(write_facts(report.data)),
    }


def write_facts(data: Iterable[settings.SettingResult]) -> Iterator[Fact]:
    """Yield the facts of a file."""
    for result in data:
        for finding in result.findings:
            yield Fact(
                kind=finding.kind.label,
                severity=finding.kind.severity,
                dtype=result.setting.dtype,
                rows=finding.cases,
                first=FirstRow(**write_place(finding.first), reproduce=finding.first.reproduce),
            )


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
            **shared,
            **{name: value for name, value in requests.source_of(request).items() if name != "class_axis"},
            sample=request.sample,
        )
    return SweepRequest(
        **shared,
        logits=str(request.logits),
        pattern=request.patterns,
        classes=request.classes,
        target=request.targets,
        batch=request.batch,
        reduction=request.reduction,
        curves=request.curves,
        exhaustive=request.exhaustive,
        certify=request.certify,
    )
