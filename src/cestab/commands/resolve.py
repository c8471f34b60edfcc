"""From what a caller names to checked values that several requests share."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cestab.commands import values
from cestab.commands.case_options import RowOptions
from cestab.commands.option_groups import read_options
from cestab.commands.options import ArithmeticOptions, GuardOptions
from cestab.errors import UsageError
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.numerics.formats import find_format
from cestab.vocabulary.external import DEFAULT_TIMEOUT_SECONDS, Guard
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, Objective
from cestab.vocabulary.requests import Arithmetics


def make_arithmetics(options: ArithmeticOptions) -> Arithmetics:
    """Return the options of format and judgement, checked."""
    return assemble_arithmetics(read_options(ArithmeticOptions, options))


def assemble_arithmetics(checked: Mapping[str, Any]) -> Arithmetics:
    """Return the arithmetics of these fields, of which those that are missing are as by default."""
    made = Arithmetics(**checked)
    return replace(made, has_infinity=all(find_format(name).has_infinity for name in made.dtypes))


def make_guard(options: GuardOptions) -> Guard:
    """Return what a call of an external loss may use: seconds, and bytes as a number or as 512M, 2G."""
    checked = read_options(GuardOptions, options)
    return Guard(timeout_seconds=checked.get("timeout", DEFAULT_TIMEOUT_SECONDS), max_memory_bytes=checked.get("max_memory"))


def make_rows(options: RowOptions) -> dict[str, Any]:
    """Return the number of rows and how they are reduced, checked."""
    checked = read_options(RowOptions, options)
    LossOptions(**checked)  # refuses a number of rows that makes no batch
    return checked


def find_objective(formulations: Sequence[str] | None, objective: str | None) -> Objective:
    """Return the one objective that is named, or that the formulations compute; softmax cross-entropy by default."""
    named = None if objective is None else values.read_entry(OBJECTIVES, "objective", objective)
    suggested: dict[str, Objective] = {}
    for name in formulations or ():
        formulation = find_any_formulation(name)
        own = formulation.objective
        if own is None:  # a target whose name does not tell
            if isinstance(formulation, ExternalFormulation) and formulation.suggestion is not None:
                suggested[name] = formulation.suggestion
            continue
        if named is not None and own != named:
            raise UsageError(f"formulation '{name}' computes {own}, not {named}; audit them separately")
        named = own
    chosen = named or next(iter(suggested.values()), DEFAULT_OBJECTIVE)
    for name, likely in suggested.items():
        if likely.is_binary is not chosen.is_binary:  # a sigmoid is of one logit, a softmax of several
            raise UsageError(f"formulation '{name}' computes {likely}, not {chosen}; audit them separately")
    for name in formulations or ():
        _refuse_options(name, chosen)
    return chosen


def _refuse_options(name: str, objective: Objective) -> None:
    """Refuse an option of the loss that the objective does not have: the truth would be that of another loss."""
    formulation = find_any_formulation(name)
    for option in formulation.options.given():
        if option in objective.option_names:
            continue
        others = [other.name for other in OBJECTIVES.values() if option in other.option_names]
        raise UsageError(f"{option} of '{name}' is no option of {objective}, but of {', '.join(others)}")
    if isinstance(formulation, ExternalFormulation) and objective.needed is not None:
        key, example = objective.needed
        if formulation.parsed.get(key) is None and not getattr(formulation.options, key):
            hint = formulation.parsed.with_parameter(f"{key}={example}")
            raise UsageError(f"'{name}' does not tell the {key} of {objective}, e.g. {hint}")
    count = len(formulation.options.class_weights)
    if objective.is_binary and count > 1:
        raise UsageError(f"'{name}' has {count} class weights, but {objective} has one logit and so one weight")
