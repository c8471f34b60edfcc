"""Settings, results, conditions and requests as tests need them: what a test does not name has a usual value.

One more field of such a class touches this file alone.
"""

from typing import Any

from cestab.evaluation.blocks import Conditions
from cestab.numerics.formats import FORMATS, Format
from cestab.vocabulary.kinds import Coverage, FindingKind, Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.requests import (
    Arithmetics,
    AuditRequest,
    ExplainRequest,
    GeneratedCase,
    GivenCase,
    LogitRange,
    RecordedCase,
    SweepRequest,
)
from cestab.vocabulary.settings import Finding, LargestError, Place, Setting, SettingResult

CASE = GivenCase(logits=(100.0, 0.0), target="1")


def build_place(value: float, *, position: int | None = None, decimal: str | None = None, **given: Any) -> Place:
    """A place whose position is the whole part of its value, and whose decimal is Python's; a row without a hexadecimal."""
    place = int(value) if position is None else position
    index = () if "hexadecimal" in given else (place,)
    return Place(position=place, value=value, decimal=repr(value) if decimal is None else decimal, **{"index": index} | given)


def build_finding(
    kind: FindingKind,
    first: Place,
    *,
    cases: int = 1,
    lowest: Place | None = None,
    highest: Place | None = None,
    worst: Place | None = None,
    is_at_most: bool = False,
) -> Finding:
    """A finding at one place, but for those that are given; of a sweep, on its side of 0."""
    is_positive = None if first.hexadecimal is None else first.value >= 0
    return Finding(
        kind=kind,
        cases=cases,
        first=first,
        lowest=lowest or first,
        highest=highest or first,
        worst=worst or first,
        first_positive=first if is_positive else None,
        first_negative=first if is_positive is False else None,
        is_at_most=is_at_most,
    )


def build_setting(
    formulation: str = "naive",
    *,
    dtype: str = "float32",
    compute: str | None = None,
    objective: Objective = SOFTMAX_CROSS_ENTROPY,
    summation: Summation = Summation.WIDE,
    pattern: str | None = "margin",
    classes: int = 2,
    target: str | None = "wrong",
    loss_scale: float = 1.0,
    **given: Any,
) -> Setting:
    """A setting that computes in its dtype."""
    return Setting(
        formulation=formulation,
        objective=objective,
        dtype=dtype,
        compute=compute or dtype,
        summation=summation,
        pattern=pattern,
        classes=classes,
        target=target,
        loss_scale=loss_scale,
        **given,
    )


def build_result(
    setting: Setting,
    verdict: Verdict,
    *,
    cases: int = 1,
    undefined: int = 0,
    ties: int = 0,
    coverage: Coverage = Coverage.SAMPLED,
    findings: tuple[Finding, ...] = (),
    largest_error: LargestError | None = None,
    **given: Any,
) -> SettingResult:
    """A result without findings and errors."""
    return SettingResult(
        setting=setting,
        verdict=verdict,
        cases=cases,
        undefined=undefined,
        ties=ties,
        coverage=coverage,
        findings=findings,
        largest_error=largest_error or LargestError(loss=None, gradient=None),
        **given,
    )


def build_conditions(
    fmt: Format = FORMATS["float32"],
    *,
    objective: Objective = SOFTMAX_CROSS_ENTROPY,
    compute: Format | None = None,
    summation: Summation = Summation.WIDE,
    classes: int = 2,
    loss_scale: float = 1.0,
    rtol: float | None = None,
    atol: float | None = None,
    **given: Any,
) -> Conditions:
    """Conditions that compute in the format and judge by its tolerances."""
    return Conditions(
        objective=objective,
        fmt=fmt,
        compute=compute or fmt,
        summation=summation,
        classes=classes,
        loss_scale=loss_scale,
        rtol=fmt.rtol if rtol is None else rtol,
        atol=fmt.atol if atol is None else atol,
        **given,
    )


def build_sweep_request(
    *,
    objective: Objective = SOFTMAX_CROSS_ENTROPY,
    formulations: tuple[str, ...] = ("naive",),
    arithmetics: Arithmetics | None = None,
    logits: LogitRange | None = None,
    patterns: tuple[str, ...] = ("margin",),
    classes: tuple[int, ...] = (2,),
    targets: tuple[str, ...] = ("wrong",),
    seed: int = 0,
    fail_on: tuple[str, ...] = (),
    **given: Any,
) -> SweepRequest:
    """A sweep of one formulation over all logits."""
    return SweepRequest(
        objective=objective,
        formulations=formulations,
        arithmetics=arithmetics or Arithmetics(),
        logits=logits or LogitRange(),
        patterns=patterns,
        classes=classes,
        targets=targets,
        seed=seed,
        fail_on=fail_on,
        **given,
    )


def build_audit_request(
    file: str,
    *,
    objective: Objective = SOFTMAX_CROSS_ENTROPY,
    formulations: tuple[str, ...] = ("naive",),
    arithmetics: Arithmetics | None = None,
    labels: str | None = None,
    class_axis: int = 1,
    ignore_index: int = -100,
    fail_on: tuple[str, ...] = (),
    **given: Any,
) -> AuditRequest:
    """An audit of one file, which holds its labels, by one formulation."""
    return AuditRequest(
        objective=objective,
        formulations=formulations,
        arithmetics=arithmetics or Arithmetics(),
        file=file,
        labels=labels,
        class_axis=class_axis,
        ignore_index=ignore_index,
        fail_on=fail_on,
        **given,
    )


def build_explain_request(
    *,
    objective: Objective = SOFTMAX_CROSS_ENTROPY,
    formulation: str = "naive",
    arithmetics: Arithmetics | None = None,
    case: GivenCase | GeneratedCase | RecordedCase = CASE,
    against: str | None = None,
    **given: Any,
) -> ExplainRequest:
    """An explanation of logits that overflow in float16."""
    return ExplainRequest(
        objective=objective,
        formulation=formulation,
        arithmetics=arithmetics or Arithmetics(dtypes=("float32",)),
        case=case,
        against=against,
        **given,
    )
