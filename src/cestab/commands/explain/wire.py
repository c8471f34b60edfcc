"""The JSON report cestab.explain/1."""

from cestab.commands.explain.answer import Explanation, Number, Operation, Outcome
from cestab.reports.json import Json, show_environment, write_json
from cestab.vocabulary.requests import GeneratedCase, GivenCase, RecordedCase


def render(explanation: Explanation) -> str:
    """Return the explanation as JSON, with a newline at the end."""
    request, setting, root = explanation.request, explanation.setting, explanation.root_cause
    return write_json(
        {
            "schema": "cestab.explain/1",
            "version": explanation.version,
            "environment": show_environment(explanation.environment),
            "request": {
                "formulation": setting.formulation,
                "objective": setting.objective.name,
                "dtype": setting.dtype,
                "compute": setting.compute,
                "summation": setting.summation,
                "loss_scale": setting.loss_scale,
                **setting.options.show(),
                "rtol": explanation.rtol,
                "atol": explanation.atol,
                "fp8_overflow": request.arithmetics.fp8_overflow,
                "flush_subnormals": request.arithmetics.flush_subnormals,
                "case": _named_case(request.case),
                "against": request.against,
            },
            "case": {
                "source": explanation.source,
                "roundings": explanation.roundings,
                "classes": setting.classes,
                "shown": explanation.shown,
                "logits": [_number(logit) for logit in explanation.logits],
                "target": explanation.target,
            },
            "operations": [_operation(operation) for operation in explanation.operations],
            "root_cause": None
            if root is None
            else {
                "operation": root.operation,
                "cause": root.cause,
                "finding": root.finding.label,
                "sole": root.is_sole,
                "sentence": root.sentence,
            },
            "limits": explanation.limits,
            "truth": {"loss": explanation.true_loss, "gradient": explanation.true_gradient},
            **_outcome(explanation.outcome),
            "against": None if explanation.against is None else _outcome(explanation.against),
        }
    )


def _named_case(case: GivenCase | GeneratedCase | RecordedCase) -> Json:
    """Return the case as it was named, under the names of the options."""
    match case:
        case GivenCase():
            return {"logits": case.logits, "target": case.target}
        case GeneratedCase():
            return vars(case)
        case RecordedCase():
            return {
                "from": case.file,
                "row": case.row,
                "labels": case.labels,
                "axis": case.class_axis,
                "ignore_index": case.ignore_index,
            }


def _operation(operation: Operation) -> Json:
    return {
        "name": operation.name,
        "expression": operation.expression,
        "pass": "backward" if operation.is_backward else "forward",
        "entries": [
            {"class": entry.index}
            | _number(entry.computed)
            | {"exact": entry.exact, "ulps": entry.ulps, "cause": entry.cause, "words": entry.words}
            for entry in operation.entries
        ],
    }


def _outcome(outcome: Outcome) -> Json:
    return {
        "formulation": outcome.formulation,
        "loss": _number(outcome.loss) | {"ulps": outcome.loss_ulps},
        "gradient": [_number(entry) for entry in outcome.gradient],
        "gradient_ulps": outcome.gradient_ulps,
        "findings": [{"kind": kind.label, "severity": kind.severity} for kind in outcome.findings],
    }


def _number(number: Number) -> Json:
    return {"value": float(number.decimal), "hex": number.hexadecimal}
