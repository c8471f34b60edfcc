"""Why formulations fail: the root cause of each cell's first failure, read off that case."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cestab.commands.explain.short_cause import describe_cause
from cestab.commands.sweep.answer import Cause
from cestab.errors import UsageError
from cestab.vocabulary.kinds import FindingKind, Severity
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.requests import (
    AuditRequest,
    ExplainRequest,
    GeneratedCase,
    GivenCase,
    RecordedCase,
    SweepRequest,
    source_of,
)
from cestab.vocabulary.settings import Finding, Setting, SettingResult, find_worst

MOST_BYTES = 2**28  # of a recorded file that is opened again for each cause: packed ones are unpacked up to the row
Case = GivenCase | GeneratedCase | RecordedCase
Failure = tuple[Setting, Finding]


def explain_failures(results: Sequence[SettingResult], request: SweepRequest | AuditRequest) -> tuple[Cause, ...]:
    """Return every distinct first failure of each formulation, those that begin nearest to 0 first."""
    return tuple(
        cause
        for name in dict.fromkeys(result.setting.formulation for result in results)
        for cause in _explain_one([r for r in results if r.setting.formulation == name], request)
    )


def _explain_one(results: Sequence[SettingResult], request: SweepRequest | AuditRequest) -> Iterator[Cause]:
    by_cause: dict[tuple[str, FindingKind], list[Failure]] = {}
    failures = [failure for dtype in _dtypes(results) if (failure := find_first_failure(results, dtype)) is not None]
    for setting, finding in sorted(failures, key=lambda failure: abs(failure[1].first.value)):
        cause = _find_cause(setting, finding, request)
        by_cause.setdefault((cause or finding.kind.summary, finding.kind), []).append((setting, finding))
    for (cause, kind), own in by_cause.items():
        yield Cause(
            formulation=own[0][0].formulation,
            operation=cause,
            dtypes=tuple(setting.dtype for setting, _ in own),
            sentence=f"{cause}: {kind.label} {_describe_beginnings(own)}",
        )


def _dtypes(results: Sequence[SettingResult]) -> Iterator[str]:
    yield from dict.fromkeys(result.setting.dtype for result in results)


def find_first_failure(results: Sequence[SettingResult], dtype: str) -> Failure | None:
    """Return the failure that a cell of the table shows; None where nothing fails."""
    own = [result for result in results if result.setting.dtype == dtype]
    worst = find_worst(own)
    if worst is None or worst.kind.severity is not Severity.FAIL:
        return None
    return next((result.setting, worst) for result in own if any(finding is worst for finding in result.findings))


def _find_cause(setting: Setting, finding: Finding, request: SweepRequest | AuditRequest) -> str | None:
    """Return the cause of a finding's first case in a few words; None where nothing is seen inside the loss."""
    with suppress(UsageError, OSError):  # a file that is gone meanwhile
        if isinstance(request, SweepRequest) or Path(request.file).stat().st_size <= MOST_BYTES:
            return describe_cause(make_explain(setting, finding, request), finding.kind)
    return None


def make_explain(setting: Setting, finding: Finding, request: SweepRequest | AuditRequest) -> ExplainRequest:
    """Return the request of an explanation of a finding's first case."""
    arithmetics = replace(
        request.arithmetics, dtypes=(setting.dtype,), summations=(setting.summation,), loss_scales=(setting.loss_scale,)
    )
    return ExplainRequest(
        objective=setting.objective,
        formulation=setting.formulation,
        arithmetics=arithmetics,
        case=_make_case(setting, finding, request),
        against=None,
        batch=setting.options.batch,
        reduction=setting.options.reduction,
        guard=request.guard,
    )


def _make_case(setting: Setting, finding: Finding, request: SweepRequest | AuditRequest) -> Case:
    if isinstance(request, AuditRequest):
        return RecordedCase(row=finding.first.position, **source_of(request))
    if finding.first.pair is not None:
        return GivenCase(logits=tuple(own.value for own in finding.first.pair), target=setting.target or "")
    return GeneratedCase(
        pattern=setting.pattern or "",
        classes=setting.classes,
        target=setting.target or "",
        at=finding.first.value,
        seed=request.seed,
    )


def _describe_beginnings(failures: Sequence[Failure]) -> str:
    """Return where failures of one kind begin, those of the same pattern and classes together.

    E.g. `from |t| = 46.2 (bfloat16), ≤ 51.38 (float32) in margin, K=2`; of recorded logits, in how many rows.
    """
    by_case: dict[str, dict[str, list[str]]] = {}
    for setting, finding in failures:
        if setting.pattern is None:
            case, start = "", show_count(finding.cases, "row")
        else:
            case = f" in {setting.pattern}, K={setting.classes}"
            start = f"{'≤ ' if finding.is_at_most else ''}{abs(finding.first.value):.4g}"
        by_case.setdefault(case, {}).setdefault(start, []).append(setting.dtype)
    parts = [f"{_list_starts(starts)}{case}" for case, starts in by_case.items()]
    listed = "; ".join(parts)
    return f"in {listed}" if "" in by_case else f"from |t| {'' if listed.startswith('≤') else '= '}{listed}"


def _list_starts(starts: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{start} ({', '.join(dtypes)})" for start, dtypes in starts.items())
