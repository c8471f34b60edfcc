"""From the JSON of a sweep or an audit back to the report that it was written from, whose parts must agree."""

from typing import Any

from cestab.cases.ranges import parse_range
from cestab.commands.sweep import wire
from cestab.commands.sweep.answer import Cause, Recommendation, Report, find_fact, judge_file
from cestab.commands.sweep.restore_result import (
    MismatchError,
    at_row,
    find_short_format,
    restore_results,
    within,
)
from cestab.errors import UsageError
from cestab.reports.reading import name_source, read_report
from cestab.reports.wire.settings import find_objective, read_environment
from cestab.reports.wire.types import KINDS, name_schema, shorten
from cestab.vocabulary.external import Guard
from cestab.vocabulary.recorded import Conclusion, Portrait, Quantity
from cestab.vocabulary.requests import Arithmetics, AuditRequest, SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult


def load_report(path: str) -> Report:
    """Return the report of `cestab sweep` or `cestab audit` at a path; `-` is standard input."""
    kinds: tuple[type[wire.Sweep | wire.Audit], ...] = (wire.Sweep, wire.Audit)
    shown = read_report(path, kinds)
    if shown.interrupted:
        raise UsageError(f"{name_source(path)} was interrupted and holds only what was finished; make the report anew")
    try:
        return restore_report(shown)
    except MismatchError as error:
        raise UsageError(f"{name_source(path)} is no valid {name_schema(type(shown))}: {error}") from None


def restore_report(shown: wire.Sweep | wire.Audit) -> Report:
    """Return the report that was written."""
    results = restore_results(shown.settings)
    return Report(
        version=shown.version,
        environment=read_environment(shown.environment),
        request=within("request", _restore_request, shown.request),
        settings=results,
        recommendations=tuple(
            Recommendation(dtype=advice.dtype, formulation=advice.formulation, why=advice.why, cure=advice.cure)
            for advice in shown.recommendation
        ),
        causes=tuple(
            Cause(formulation=cause.formulation, operation=cause.operation, dtypes=cause.dtype, sentence=cause.sentence)
            for cause in shown.causes
        ),
        escalated=shown.summary.escalated,
        **(_restore_file(shown, results) if isinstance(shown, wire.Audit) else {}),
    )


def _restore_request(shown: wire.SweepRequest | wire.AuditRequest) -> SweepRequest | AuditRequest:
    objective, guard = find_objective(shown.objective), Guard(timeout_seconds=shown.timeout, max_memory_bytes=shown.max_memory)
    arithmetics = Arithmetics(
        **{own: getattr(shown, name) for name, own in wire.ARITHMETIC.items()},
        has_infinity=all(find_short_format(name).has_infinity for name in shown.dtype),
    )
    if isinstance(shown, wire.AuditRequest):
        return AuditRequest(
            objective=objective,
            formulations=shown.formulation,
            arithmetics=arithmetics,
            file=shown.file,
            labels=shown.labels,
            logits_key=shown.logits_key,
            labels_key=shown.labels_key,
            class_axis=shown.axis,
            ignore_index=shown.ignore_index,
            fail_on=shown.fail_on,
            sample=shown.sample,
            seed=shown.seed,
            guard=guard,
        )
    try:
        logits = parse_range(shown.logits)
    except ValueError:  # digits that are no number, or too many
        raise MismatchError(f"logits: {shorten(shown.logits)!r} is no range") from None
    return SweepRequest(
        objective=objective,
        formulations=shown.formulation,
        arithmetics=arithmetics,
        logits=logits,
        patterns=shown.pattern,
        classes=shown.classes,
        targets=shown.target,
        seed=shown.seed,
        fail_on=shown.fail_on,
        batch=shown.batch,
        reduction=shown.reduction,
        curves=shown.curves,
        exhaustive=shown.exhaustive,
        certify=shown.certify,
        guard=guard,
    )


def _restore_file(shown: wire.Audit, results: tuple[SettingResult, ...]) -> dict[str, Any]:
    """Return the fields of a report that only an audit has."""
    rows, ignored = shown.summary.rows, shown.summary.ignored
    portrait = shown.portrait
    extremes = {quantity: getattr(portrait, quantity.value.replace(" ", "_")) for quantity in Quantity}
    names = ("logits_key", "labels_key", "dtype", "shape", "rows", "logits", "margins", "probability_rows")
    facts: dict[str, list[Finding]] = {}
    for fact in shown.data:
        first = at_row(fact.first.row, fact.first.index)
        facts.setdefault(fact.dtype, []).append(
            find_fact(KINDS[fact.kind], fact.rows, first.noted(reproduce=fact.first.reproduce))
        )
    return {
        "data": judge_file(results, facts, rows - ignored),
        "portrait": Portrait(
            **{name: getattr(portrait, name) for name in names},
            class_axis=portrait.axis,
            extremes={quantity: number for quantity, number in extremes.items() if number is not None},
        ),
        "conclusions": tuple(
            Conclusion(dtype=c.dtype, safety=c.safety, sentence=c.sentence, reproduce=c.reproduce) for c in shown.conclusions
        ),
        "rows": rows,
        "ignored_rows": ignored,
    }
