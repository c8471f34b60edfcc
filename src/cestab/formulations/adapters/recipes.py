"""Functions on cestab's own array type: no framework's code, but formulations like cestab's own."""

from typing import Any

from cestab.formulations.adapters.loading import load
from cestab.formulations.adapters.names import TargetName
from cestab.formulations.registry import Formulation, find_recipe, with_parameters


def as_recipe(name: TargetName, found: Any) -> Formulation | None:
    """Return the formulation whose recipe a loaded function is, with the name's parameters; None where it is none."""
    recipe = find_recipe(found)
    return None if recipe is None else with_parameters(recipe, name.text, name.options)


def load_recipe(name: TargetName) -> Formulation:
    """Load a function that is known to be a recipe into this process."""
    recipe = as_recipe(name, load(name.path))
    assert recipe is not None, "it was a recipe in its own process"
    return recipe
