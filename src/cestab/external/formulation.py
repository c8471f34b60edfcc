"""External formulations: in every command, the name of an external loss may stand for a formulation's."""

from dataclasses import dataclass

from cestab.external.conventions import find_convention, suggest_objective
from cestab.external.loss_options import read_options
from cestab.external.names import ExternalName, is_external_name, parse_external_name, refuse_near_name
from cestab.formulations.parameters import find_formulation
from cestab.formulations.registry import ADDED, FORMULATIONS, Formulation
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import Objective


@dataclass(frozen=True, kw_only=True)
class ExternalFormulation:
    """An external loss, as its name describes it; nothing of it is imported here.

    `objective` is None where the name does not state it: then the request's is used, or else the `suggestion`, if any.
    """

    name: str
    parsed: ExternalName
    objective: Objective | None
    options: LossOptions
    suggestion: Objective | None = None


AnyFormulation = Formulation | ExternalFormulation


def find_any_formulation(text: str) -> AnyFormulation:
    """Return the formulation that `NAME[:key=value,…]` or `ADAPTER:PATH[:key=value,…]` names."""
    if not is_external_name(text):
        refuse_near_name(text, FORMULATIONS | ADDED)
        return find_formulation(text)
    parsed = parse_external_name(text)
    convention = find_convention(parsed)
    return ExternalFormulation(
        name=text,
        parsed=parsed,
        objective=convention.objective,
        options=read_options(parsed),
        suggestion=suggest_objective(convention),
    )
