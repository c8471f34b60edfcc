"""From what a caller names to the checked request of an audit of recorded logits."""

from collections.abc import Sequence
from os import PathLike

from cestab.commands import values
from cestab.commands.resolve import find_gates, find_objective
from cestab.errors import UsageError
from cestab.formulations import families
from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.requests import DEFAULT_IGNORE_INDEX, Arithmetics, AuditRequest


def make_audit_request(
    file: str | PathLike[str],
    labels: str | PathLike[str] | None,
    formulations: str | Sequence[str] | None,
    objective: str | None,
    arithmetics: Arithmetics,
    class_axis: int = 1,
    ignore_index: int = DEFAULT_IGNORE_INDEX,
    fail_on: str | Sequence[str] | None = None,
    sample: int | None = None,
    seed: int = 0,
    guard: Guard = DEFAULT_GUARD,
) -> AuditRequest:
    """Return the request of an audit of recorded logits."""
    given = values.read_names("formulations", formulations)
    chosen = find_objective(given, objective)
    names = values.select("formulation", given, families()[chosen])
    if sample is not None and values.read_integer("sample", sample) < 1:
        raise UsageError(f"--sample {sample} is not a number of rows from 1 on")
    return AuditRequest(
        objective=chosen,
        formulations=names,
        arithmetics=arithmetics,
        file=values.read_path("file", file),
        labels=None if labels is None else values.read_path("labels", labels),
        class_axis=values.read_class_axis(class_axis),
        ignore_index=values.read_integer("ignore_index", ignore_index),
        fail_on=find_gates(fail_on),
        sample=sample,
        seed=values.read_seed(seed),
        guard=guard,
    )
