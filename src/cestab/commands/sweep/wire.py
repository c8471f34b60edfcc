"""The JSON reports cestab.sweep/1 and cestab.audit/1: strict RFC 8259, the same bytes for the same report.

Within a version fields are only added. Numbers that JSON cannot hold are the strings "nan", "inf", "-inf".
"""

from cestab.commands.sweep.answer import Report
from cestab.reports.json import Json, _number, _ulps, describe_setting, show_environment, show_place, write_json
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Finding, Interval, SettingResult


def render(report: Report) -> str:
    """Return the report as JSON, with a newline at the end."""
    return write_json(_report(report))


def _report(report: Report) -> Json:
    is_sweep = isinstance(report.request, SweepRequest)
    counts = report.verdict_counts()
    summary = {verdict.value: count for verdict, count in counts.items() if count or verdict.is_judged}
    rows = {} if is_sweep else {"rows": report.rows, "ignored": report.ignored_rows}
    return {
        "schema": "cestab.sweep/1" if is_sweep else "cestab.audit/1",
        "version": report.version,
        "environment": show_environment(report.environment),
        "request": show_request(report.request),
        **({"interrupted": True} if report.is_interrupted else {}),
        "settings": [show_setting(result) for result in report.settings],
        "summary": summary | {"cases": sum(r.cases for r in report.settings), "escalated": report.escalated} | rows,
        "recommendation": [
            {"dtype": advice.dtype, "formulation": advice.formulation, "why": advice.why} for advice in report.recommendations
        ],
        "causes": [{"formulation": name, "sentence": sentence} for name, sentence in report.causes],
    }


def show_request(request: SweepRequest | AuditRequest) -> Json:
    """The options as resolved, under the names of the command line."""
    shared = request.arithmetics
    options: Json = {
        "objective": request.objective.name,
        "formulation": request.formulations,
        "dtype": shared.dtypes,
        "compute": shared.compute,
        "summation": shared.summations,
        "loss_scale": shared.loss_scales,
        "rtol": shared.rtol,
        "atol": shared.atol,
        "fp8_overflow": shared.fp8_overflow,
        "flush_subnormals": shared.flush_subnormals,
        "fail_on": request.fail_on,
        "timeout": request.guard.timeout_seconds,
        "max_memory": request.guard.max_memory_bytes,
    }
    if isinstance(request, SweepRequest):
        cases = {"logits": str(request.logits), "pattern": request.patterns, "classes": request.classes}
        rows = {"batch": request.batch, "reduction": request.reduction}
        return options | cases | {"target": request.targets, "seed": request.seed} | rows
    source = {"file": request.file, "labels": request.labels, "axis": request.class_axis}
    return options | source | {"ignore_index": request.ignore_index, "sample": request.sample, "seed": request.seed}


def show_setting(result: SettingResult) -> Json:
    """Return a setting with its verdict and its evidence."""
    is_sweep = result.setting.pattern is not None
    shown: Json = {
        **describe_setting(result.setting),
        "cases": result.cases,
        "undefined": result.undefined,
        "ties": result.ties,
        "coverage": result.coverage,
        "verdict": result.verdict,
    }
    if result.reason is not None:
        shown["reason"] = result.reason
    shown["findings"] = [_finding(finding) for finding in result.findings]
    if is_sweep:
        shown["intervals"] = [_interval(interval) for interval in result.intervals]
        shown["interval_count"] = result.interval_count
        shown["unrefined_boundaries"] = result.unrefined_boundaries
    shown["max_error"] = {
        "loss_ulps": _ulps(result.largest_error.loss),
        "loss_at": _number(result.largest_error.loss),
        "gradient_ulps": _ulps(result.largest_error.gradient),
        "gradient_at": _number(result.largest_error.gradient),
    }
    if result.rounding_cost is not None:
        cost = result.rounding_cost
        shown["worst_rows"] = [{"row": place.position, "ulps": place.ulps} for place in result.worst_rows]
        shown["rounding_cost"] = {
            "loss_ulps": _ulps(cost.loss),
            "loss_row": _number(cost.loss),
            "loss_change": cost.loss_change,
            "gradient_ulps": _ulps(cost.gradient),
            "gradient_row": _number(cost.gradient),
            "gradient_change": cost.gradient_change,
        }
    return shown


def _finding(finding: Finding) -> Json:
    return {
        "kind": finding.kind.label,
        "severity": finding.kind.severity,
        "cases": finding.cases,
        "first": show_place(finding.first) | {"reproduce": finding.first.reproduce},
        "lowest": show_place(finding.lowest),
        "highest": show_place(finding.highest),
        "worst": show_place(finding.worst) | {"ulps": finding.worst.ulps},
    }


def _interval(interval: Interval) -> Json:
    return {
        "from": show_place(interval.start),
        "to": show_place(interval.stop),
        "loss": None if interval.loss is None else interval.loss.label,
        "gradient": None if interval.gradient is None else interval.gradient.label,
    }
