"""Recipes: functions on cestab's array type, which need no framework and are formulations like cestab's."""

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

from cestab.errors import UsageError
from cestab.external.loading import load
from cestab.external.names import ExternalName
from cestab.formulations.parameters import with_parameters
from cestab.formulations.registry import Formulation, Recipe, find_recipe


def as_recipe(name: ExternalName, loaded: Any) -> Formulation | None:
    """Return the formulation whose recipe a loaded function is, with the name's parameters; None where it is no recipe."""
    recipe = find_recipe(loaded)
    return None if recipe is None else with_parameters(recipe, name.text, name.options)


def load_recipe(name: ExternalName) -> Formulation:
    """Load a recipe into this process; what it prints goes to standard error, as in a worker."""
    with _current_folder_on_path(), redirect_stdout(sys.stderr):
        recipe = as_recipe(name, load(name.path))
    assert recipe is not None, "it was a recipe in its own process"
    return replace(recipe, recipe=_guarded(recipe.recipe, name.text))


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    """Let modules of the current folder be imported, as they are in a worker."""
    before = list(sys.path)
    sys.path.append(os.getcwd())  # noqa: PTH109  # a string, as all of them
    try:
        yield
    finally:
        sys.path[:] = before


def _guarded(recipe: Recipe, name: str) -> Recipe:
    """Return a recipe whose exceptions become UsageErrors: it may rely on floats, which exact arithmetic does not have."""

    @functools.wraps(recipe)
    def run(*arguments: Any, **parameters: Any) -> Any:
        try:
            with redirect_stdout(sys.stderr):
                return recipe(*arguments, **parameters)
        except Exception as error:
            sentence = f"{name} cannot be followed step by step: it raised {type(error).__name__}: {error}"
            raise UsageError(" ".join(sentence.split())) from error

    return run
