"""From what a caller names to the checked request of advise."""

from typing import Any, Unpack

from cestab.commands.option_groups import Names, read_options
from cestab.commands.options import AdviseOptions, FormulationOptions
from cestab.commands.resolve import assemble_arithmetics, find_objective, make_guard, make_rows
from cestab.errors import OptionName, UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import AdviseRequest

ADVISED = (SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY)
DEFAULT_CLASSES = 1000


def make_advise_request(formulations: Names | None = None, **options: Unpack[AdviseOptions]) -> AdviseRequest:
    """Return the request of advise: by default on the sound formulations of the family."""
    checked: dict[str, Any] = read_options(AdviseOptions, options)
    names = read_options(FormulationOptions, {"formulations": formulations}).get("formulations", ())
    objective = find_objective(names, options.get("objective"))
    if objective not in ADVISED:
        known = " and ".join(str(own) for own in ADVISED)
        raise UsageError(OptionName("objective"), f" {objective} has no advice; {known} have")
    classes = checked.get("classes", 1 if objective.is_binary else DEFAULT_CLASSES)
    arithmetic: dict[str, Any] = {name: checked[name] for name in ("dtypes", "compute") if name in checked}
    return AdviseRequest(
        objective=objective,
        formulations=names,
        arithmetics=assemble_arithmetics(arithmetic),
        logits=checked["logits"],
        classes=classes,
        guard=make_guard(options),
        **make_rows(options),
    )
