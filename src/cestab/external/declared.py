"""What a loaded function, class or instance declares: its parameters, its attributes, and which of them the name must tell."""

import copy
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from cestab.errors import UsageError, unknown_name
from cestab.external.conventions import CONVENTION_KEYS, Input, find_convention, is_known
from cestab.external.engines.base import SITE_KEYS, Engine, find_parameters
from cestab.external.loss_options import IGNORE_KEYS, OPTION_KEYS, REFUSED, WEIGHT_KEYS, read_options
from cestab.external.names import TargetName, parse_value
from cestab.numerics.formats import Format
from cestab.vocabulary.loss_options import LossOptions


def refuse_unknown_keywords(name: TargetName, found: Any) -> None:
    """Raise a UsageError for a parameter that the function or class does not declare, where its signature is known.

    What changes the objective may be built into a function that is in no table: then the name tells it to the truth alone.
    """
    parameters = find_parameters(found)
    kinds = [parameter.kind for parameter in parameters.values()]
    if not parameters or inspect.Parameter.VAR_KEYWORD in kinds:
        return
    data = () if isinstance(found, type) else tuple(parameters)[:2]  # logits and target
    known = [key for key in parameters if key not in data]
    for key, _ in name.parameters:
        is_told = key in OPTION_KEYS and not is_known(name)
        if key not in known and key not in (*SITE_KEYS, *CONVENTION_KEYS) and not is_told:
            if not known:
                raise UsageError(f"{name.last} has no parameters but logits and target, so '{key}' means nothing")
            raise unknown_name(f"parameter of {name.last}", key, known)


def refuse_hidden_options(name: TargetName, found: Any) -> None:
    """Raise a UsageError where a default of the function, or an attribute of the instance, changes the objective untold."""
    options = read_options(name)
    for key in ("label_smoothing", "gamma", "z_weight", *IGNORE_KEYS):
        value, told = find_declared(found, key), options.ignore_index if key in IGNORE_KEYS else getattr(options, key)
        if type(value) not in {int, float} or value == told or (key in IGNORE_KEYS and value < 0):  # −100 is no label
            continue
        if name.get(key) is None:
            hint = name.spell(f"{key}={value}")
            raise UsageError(f"{name.last} has {key}={value}, which changes the objective: write {hint}")
        if is_attribute(found, key):
            raise UsageError(f"{name.last} has {key}={value}, not {name.get(key)}")
    given = [key for key in (*WEIGHT_KEYS, *REFUSED) if is_attribute(found, key) and getattr(found, key) is not None]
    for key in given:
        if key in REFUSED:
            raise UsageError(f"{name.last} has {key}: {REFUSED[key]}")
        if not options.class_weights:
            hint = name.spell(f"{key}=0.2:0.8")
            raise UsageError(f"{name.last} has class weights, which change the objective: write {hint}, say")
    takes_logits = find_convention(name, found).input is Input.LOGITS and name.get("input") is name.get("from_logits") is None
    if takes_logits and find_declared(found, "from_logits") is False:
        raise UsageError(f"{name.last} has from_logits=False: write {name.spell('input=softmax')} or from_logits=True")


def find_declared(found: Any, key: str) -> Any:
    """Return the default of a function's or class's parameter, or an instance's attribute; None where there is neither."""
    parameters = find_parameters(found)
    if key in parameters:
        return parameters[key].default
    return getattr(found, key) if is_attribute(found, key) else None


def takes(found: Any, key: str) -> bool:
    """Whether a function or class is given a parameter: it declares it, or any, or its signature is not known."""
    parameters = find_parameters(found if isinstance(found, type) else getattr(found, "forward", found))
    kinds = [parameter.kind for parameter in parameters.values()]
    return not parameters or key in parameters or inspect.Parameter.VAR_KEYWORD in kinds


def is_attribute(found: Any, key: str) -> bool:
    """Whether a parameter was given to an instance when it was made, and is none of its call."""
    return not isinstance(found, type) and key not in find_parameters(found) and hasattr(found, key)


def make_call(
    name: TargetName, found: Any, engine: Engine, options: LossOptions, fmt: Format, classes: int, reduction: str
) -> Any:
    """Return what is called with logits and target: the function with its keywords, or an instance of the class.

    Class weights are arrays of the format, the reduction what is asked for, the rest as written. An instance is copied where
    something of it is set anew.
    """
    keywords: dict[str, Any] = {"dim": engine.class_axis} if find_convention(name, found).takes_axis else {}
    attributes: dict[str, Any] = {}
    if name.get("reduction") is None and ("reduction" in find_parameters(found) or is_attribute(found, "reduction")):
        (attributes if is_attribute(found, "reduction") else keywords)["reduction"] = reduction
    for key, text in name.parameters:
        if key in WEIGHT_KEYS and (is_attribute(found, key) or takes(found, key)):
            weights = engine.convert(np.resize(options.class_weights, classes), fmt)
            (attributes if is_attribute(found, key) else keywords)[key] = weights
        elif is_passed(found, key):
            keywords[key] = parse_value(text)
    if isinstance(found, type):
        known = {key: value for key, value in engine.class_keywords(fmt).items() if key in find_parameters(found)}
        return found(**{**known, **keywords})
    return functools.partial(_set_attributes(found, attributes), **keywords)


def is_passed(found: Any, key: str) -> bool:
    """Whether a parameter of the name is one of the call: none of the adapter's, none that is built in."""
    is_ours = key in (*SITE_KEYS, *CONVENTION_KEYS)
    return not is_ours and not is_attribute(found, key) and (key not in OPTION_KEYS or takes(found, key))


def _set_attributes(found: Any, attributes: Mapping[str, Any]) -> Any:
    if not attributes:
        return found
    own = copy.deepcopy(found)
    for key, value in attributes.items():
        setattr(own, key, value)
    return own
