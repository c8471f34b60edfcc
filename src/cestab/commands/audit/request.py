"""From what a caller names to the checked request of an audit of recorded logits."""

from typing import Unpack

from cestab.commands import values
from cestab.commands.case_options import RecordingOptions
from cestab.commands.option_groups import FilePath, read_options
from cestab.commands.options import AuditOptions, FormulationOptions, GateOptions
from cestab.commands.resolve import find_objective, make_arithmetics, make_guard
from cestab.formulations import families
from cestab.vocabulary.requests import AuditRequest


def make_audit_request(file: FilePath, **options: Unpack[AuditOptions]) -> AuditRequest:
    """Return the request of an audit of recorded logits: by default of the whole family."""
    arithmetics, guard = make_arithmetics(options), make_guard(options)
    names = read_options(FormulationOptions, options).get("formulations")
    objective = find_objective(names, options.get("objective"))
    return AuditRequest(
        objective=objective,
        formulations=names or tuple(families()[objective]),
        arithmetics=arithmetics,
        file=values.read_path("file", file),
        fail_on=read_options(GateOptions, options).get("fail_on", ()),
        guard=guard,
        **read_options(RecordingOptions, options),
    )


def list_recorded(request: AuditRequest) -> list[str]:
    """Return the files of logits and labels that an audit reads."""
    return [request.file] if request.labels is None else [request.file, request.labels]
