"""The public Python functions, and the report they return."""

from collections.abc import Sequence

from cestab import results
from cestab.audit.recorded import run_audit
from cestab.audit.request import make_arithmetics, make_audit_request, make_sweep_request
from cestab.audit.sweep import run_sweep
from cestab.reports import json_v1
from cestab.results import DEFAULT_IGNORE_INDEX


class Report(results.Report):
    """A report of sweep or audit: what the commands print."""

    def to_json(self) -> str:
        """Return the report as the strict JSON that the commands write."""
        return json_v1.render(self)


def sweep(
    formulations: Sequence[str] | None = None,
    *,
    objective: str | None = None,
    dtypes: Sequence[str] | None = None,
    compute: str | None = None,
    summations: Sequence[str] | None = None,
    logits: str = "all",
    patterns: Sequence[str] | None = None,
    classes: Sequence[int] | None = None,
    targets: Sequence[str] | None = None,
    loss_scales: Sequence[float] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    fp8_overflow: str = "nan",
    flush_subnormals: bool = False,
    fail_on: Sequence[str] | None = None,
) -> Report:
    """Sweep logits through formulations and judge every loss and gradient, as `cestab sweep` does.

    None means the default of the command's option of the same name (its singular). Raises errors.UsageError.

    >>> report = sweep(["naive"], dtypes=["float16"], patterns=["margin"], classes=[2], targets=["wrong"])
    >>> report.settings[0].verdict.value
    'fail'
    """
    arithmetics = make_arithmetics(
        dtypes, compute, summations, loss_scales, rtol, atol, fp8_overflow, flush_subnormals=flush_subnormals
    )
    request = make_sweep_request(formulations, objective, arithmetics, logits, patterns, classes, targets, seed, fail_on)
    return Report(**vars(run_sweep(request)))


def audit(
    file: str,
    *,
    labels: str | None = None,
    formulations: Sequence[str] | None = None,
    objective: str | None = None,
    dtypes: Sequence[str] | None = None,
    compute: str | None = None,
    summations: Sequence[str] | None = None,
    class_axis: int = 1,
    ignore_index: int = DEFAULT_IGNORE_INDEX,
    loss_scales: Sequence[float] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    fp8_overflow: str = "nan",
    flush_subnormals: bool = False,
    fail_on: Sequence[str] | None = None,
) -> Report:
    """Judge formulations on recorded logits, as `cestab audit` does. Raises errors.UsageError."""
    arithmetics = make_arithmetics(
        dtypes, compute, summations, loss_scales, rtol, atol, fp8_overflow, flush_subnormals=flush_subnormals
    )
    request = make_audit_request(file, labels, formulations, objective, arithmetics, class_axis, ignore_index, fail_on)
    return Report(**vars(run_audit(request)))
