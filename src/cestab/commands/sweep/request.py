"""From what a caller names to the checked request of a sweep, with every default filled in."""

from typing import Any, Unpack

from cestab.cases.target_kinds import expand_target
from cestab.commands.case_options import CaseOptions
from cestab.commands.option_groups import Names, read_options
from cestab.commands.options import FormulationOptions, GateOptions, SweepOptions, WorkOptions
from cestab.commands.resolve import find_objective, make_arithmetics, make_guard, make_rows
from cestab.formulations import families
from cestab.vocabulary.requests import PAIRS, SweepRequest


def make_sweep_request(formulations: Names | None = None, **options: Unpack[SweepOptions]) -> SweepRequest:
    """Return the request of a sweep: by default the whole family, patterns margin and offset, 2 and 1000 classes."""
    arithmetics, guard = make_arithmetics(options), make_guard(options)
    names = read_options(FormulationOptions, {"formulations": formulations}).get("formulations")
    objective = find_objective(names, options.get("objective"))
    is_binary = objective.is_binary
    defaults: dict[str, Any] = {
        "patterns": ("margin",) if is_binary else ("margin", "offset"),
        "classes": (1,) if is_binary else (2, 1000),
        "targets": ("correct", "wrong"),
    }
    cases = defaults | read_options(CaseOptions, options)
    if cases["patterns"] == (PAIRS,) and options.get("classes") is None:
        cases["classes"] = (2,)
    cases["targets"] = tuple(dict.fromkeys(target for text in cases["targets"] for target in expand_target(text, objective)))
    return SweepRequest(
        objective=objective,
        formulations=names or tuple(families()[objective]),
        arithmetics=arithmetics,
        fail_on=read_options(GateOptions, options).get("fail_on", ()),
        guard=guard,
        curves=options.get("curves", False),
        certify=options.get("certify", False),
        **read_options(WorkOptions, options),
        **cases,
        **make_rows(options),
    )
