"""From `NAME[:key=value,…]` to a formulation with those parameters, each read and checked as the formulation declares it."""

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cestab.errors import UsageError, unknown_name
from cestab.formulations.registry import ADDED, FORMULATIONS, Formulation, Recipe, families

HIGHEST_EPS = 0.5  # where 1 − eps meets it


def find_formulation(text: str) -> Formulation:
    """Return the formulation that `NAME[:key=value,…]` names, with those parameters."""
    name, _, options = text.partition(":")
    if "," in name.strip(","):
        raise UsageError(f"'{text}' looks like a list; repeat the option: {' '.join(f'-f {part}' for part in text.split(','))}")
    available = FORMULATIONS | ADDED
    if name not in available:
        raise unknown_name("formulation", name, [member for family in families().values() for member in family])
    return with_parameters(available[name], text, options)


def with_parameters(formulation: Formulation, text: str, options: str) -> Formulation:
    """Return a formulation under the name `text`, with the parameters that `key=value,…` gives."""
    name, declared = formulation.name, formulation.defaults()
    parameters = {}
    for option in options.split(",") if options else []:
        key, equals, value = option.partition("=")
        if not equals and key in FORMULATIONS:
            raise UsageError(
                f"'{text}' holds a second formulation; repeat the option: -f {text.split(',', maxsplit=1)[0]} -f {key}"
            )
        if not declared:
            raise UsageError(f"formulation '{name}' has no parameters, so '{option}' means nothing")
        if key not in declared:
            raise unknown_name(f"parameter of {name}", key, declared)
        if not equals:
            raise UsageError(f"'{text}' gives {key} no value, e.g. {key}={declared[key].default}")
        if key in parameters:
            raise UsageError(f"'{text}' gives {key} twice")
        reader = _READERS.get(key) if key in formulation.option_names else None
        parameters[key] = _parse_parameter(formulation.recipe, declared[key], value) if reader is None else reader(key, value)
        if isinstance(parameters[key], float) and key not in formulation.option_names:  # LossOptions looks at those itself
            _check_number(key, value, parameters[key], is_eps=formulation.name not in ADDED)
    given = replace(formulation, name=text, parameters=parameters)
    _ = given.options  # raises what LossOptions refuses
    return given


def _read_weights(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"{name}={text} are not numbers with colons between, e.g. 0.2:0.8") from None


def _read_index(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not a whole number") from None


_READERS: Mapping[str, Callable[[str, str], Any]] = {"class_weights": _read_weights, "ignore_index": _read_index}


def _parse_parameter(recipe: Recipe, declared: inspect.Parameter, text: str) -> Any:
    """Return the value of a parameter: a choice, a positive integer, or a number, NaN for a text that is none."""
    annotation = _find_type(recipe, declared)
    choices = typing.get_args(annotation)
    if choices:
        if text not in choices:
            raise unknown_name(f"value of {declared.name}", text, choices)
        return text
    try:
        value = annotation(text)
    except ValueError:
        value = math.nan
    if annotation is int and not value >= 1:
        raise UsageError(f"{declared.name}={text} is not a whole number of at least 1")
    return value


def _check_number(name: str, text: str, value: float, *, is_eps: bool) -> None:
    """Refuse what is no number; for cestab's formulations, whose numbers are clips and guards, what is not from 0 up to 0.5."""
    if is_eps and not 0 <= value < HIGHEST_EPS:
        raise UsageError(f"{name}={text} is not a number from 0 up to {HIGHEST_EPS}")
    if math.isnan(value):
        raise UsageError(f"{name}={text} is not a number")


def _find_type(recipe: Recipe, declared: inspect.Parameter) -> Any:
    """Return a parameter's annotation; where there is none, or it names what only type checkers import, its default's type."""
    try:
        return typing.get_type_hints(recipe)[declared.name]
    except (KeyError, NameError):
        return type(declared.default)
