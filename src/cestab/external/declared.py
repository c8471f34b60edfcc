"""What a loaded function, class or instance declares: its parameters, its attributes, and which of them the name must state."""

import copy
import functools
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from cestab.errors import UsageError, unknown_name
from cestab.external.conventions import CONVENTION_KEYS, Input, find_convention, is_listed
from cestab.external.engines.base import SITE_KEYS, Engine, find_parameters
from cestab.external.loss_options import IGNORE_KEYS, OPTION_KEYS, REFUSED, WEIGHT_KEYS, read_options
from cestab.external.names import ADAPTER_OF, ExternalName, parse_value
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import NUMBERS, LossOptions


def refuse_unknown_keywords(name: ExternalName, loaded: Any) -> None:
    """Raise a UsageError for a parameter that the function or class does not declare, where its signature is available.

    A function that is in no table may have an option of the objective built in: then the name states it for the truth alone.
    """
    parameters = find_parameters(loaded)
    kinds = [parameter.kind for parameter in parameters.values()]
    if not parameters or inspect.Parameter.VAR_KEYWORD in kinds:
        return
    data = () if isinstance(loaded, type) else tuple(parameters)[:2]  # logits and target
    allowed = [key for key in parameters if key not in data]
    for key, _ in name.parameters:
        is_for_truth = key in OPTION_KEYS and not is_listed(name)
        if key not in allowed and key not in (*SITE_KEYS, *CONVENTION_KEYS) and not is_for_truth:
            if not allowed:
                raise UsageError(f"{name.last} has no parameters but logits and target, so '{key}' means nothing")
            raise unknown_name(f"parameter of {name.last}", key, allowed)


def refuse_hidden_options(name: ExternalName, loaded: Any) -> None:
    """Raise a UsageError where a default or an attribute changes the objective and the name does not state it."""
    options = read_options(name)
    for key in (*NUMBERS, *IGNORE_KEYS):
        value, stated = find_declared(loaded, key), options.ignore_index if key in IGNORE_KEYS else getattr(options, key)
        if type(value) not in {int, float} or value == stated or (key in IGNORE_KEYS and value < 0):  # −100 is no label
            continue
        if name.get(key) is None:
            hint = name.with_parameter(f"{key}={value}")
            raise UsageError(f"{name.last} has {key}={value}, which changes the objective: write {hint}")
        if is_attribute(loaded, key):
            raise UsageError(f"{name.last} has {key}={value}, not {name.get(key)}")
    given = [key for key in (*WEIGHT_KEYS, *REFUSED) if is_attribute(loaded, key) and getattr(loaded, key) is not None]
    for key in given:
        if key in REFUSED:
            raise UsageError(f"{name.last} has {key}: {REFUSED[key]}")
        if not options.class_weights:
            hint = name.with_parameter(f"{key}=0.2:0.8")
            raise UsageError(f"{name.last} has class weights, which change the objective: write {hint}, say")
    takes_logits = find_convention(name, loaded).input is Input.LOGITS and name.get("input") is name.get("from_logits") is None
    if takes_logits and find_declared(loaded, "from_logits") is False:
        raise UsageError(f"{name.last} has from_logits=False: write {name.with_parameter('input=softmax')} or from_logits=True")


def find_declared(loaded: Any, key: str) -> Any:
    """Return the default of a function's or class's parameter, or an instance's attribute; None where there is neither."""
    parameters = find_parameters(loaded)
    if key in parameters:
        return parameters[key].default
    return getattr(loaded, key) if is_attribute(loaded, key) else None


def takes(loaded: Any, key: str) -> bool:
    """Whether a function or class takes a parameter: it declares it, or any keywords, or its signature is not available."""
    parameters = find_parameters(loaded if isinstance(loaded, type) else getattr(loaded, "forward", loaded))
    kinds = [parameter.kind for parameter in parameters.values()]
    return not parameters or key in parameters or inspect.Parameter.VAR_KEYWORD in kinds


def is_attribute(loaded: Any, key: str) -> bool:
    """Whether a parameter is an attribute of an instance, set when it was made, and not a parameter of its call."""
    return not isinstance(loaded, type) and key not in find_parameters(loaded) and hasattr(loaded, key)


def make_call(
    name: ExternalName, loaded: Any, engine: Engine, options: LossOptions, fmt: Format, classes: int, reduction: str
) -> Any:
    """Return what is called with logits and target: the function with its keywords, or an instance of the class.

    Class weights become arrays of the format, the reduction is `reduction`, the rest is as written. An instance is copied
    before its attributes change.
    """
    keywords: dict[str, Any] = {"dim": engine.class_axis} if find_convention(name, loaded).takes_axis else {}
    attributes: dict[str, Any] = {}
    if name.get("reduction") is None and ("reduction" in find_parameters(loaded) or is_attribute(loaded, "reduction")):
        (attributes if is_attribute(loaded, "reduction") else keywords)["reduction"] = reduction
    for key, text in name.parameters:
        if key in WEIGHT_KEYS and (is_attribute(loaded, key) or takes(loaded, key)):
            weights = engine.convert(np.resize(options.class_weights, classes), fmt)
            (attributes if is_attribute(loaded, key) else keywords)[key] = weights
        elif is_passed(loaded, key):
            keywords[key] = parse_value(text)
    if isinstance(loaded, type):
        return loaded(**keywords)
    return functools.partial(_set_attributes(loaded, attributes), **keywords)


def find_framework(loaded: Any) -> str | None:
    """Return the adapter of the framework whose module a function's code uses; None where it uses none."""
    code, found = getattr(loaded, "__code__", None), getattr(loaded, "__globals__", {})
    for name in getattr(code, "co_names", ()):
        module = found.get(name)
        package = module.__name__.partition(".")[0] if isinstance(module, ModuleType) else ""
        if package in ADAPTER_OF:
            return ADAPTER_OF[package]
    return None


def list_passed(name: ExternalName, loaded: Any, engine: Engine) -> tuple[str, ...]:
    """Return what a call of single rows gets beside logits and target, as a report shows it."""
    shown = [f"dim={engine.class_axis}"] if find_convention(name, loaded).takes_axis else []
    if name.get("reduction") is None and ("reduction" in find_parameters(loaded) or is_attribute(loaded, "reduction")):
        shown.append("reduction=none")
    shown += [
        f"{key}={text}"
        for key, text in name.parameters
        if is_passed(loaded, key) or (key in WEIGHT_KEYS and is_attribute(loaded, key))
    ]
    return tuple(shown)


def is_passed(loaded: Any, key: str) -> bool:
    """Whether a parameter of the name is passed to the call: it is not the adapter's, and not built in."""
    is_reserved = key in (*SITE_KEYS, *CONVENTION_KEYS)
    return not is_reserved and not is_attribute(loaded, key) and (key not in OPTION_KEYS or takes(loaded, key))


def _set_attributes(loaded: Any, attributes: Mapping[str, Any]) -> Any:
    if not attributes:
        return loaded
    copied = copy.deepcopy(loaded)
    for key, value in attributes.items():
        setattr(copied, key, value)
    return copied
