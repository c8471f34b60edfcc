"""What a target's parameters mean: which change the objective, which the function gets, which are the adapter's."""

import inspect
from typing import Any

import numpy as np

from cestab.errors import UsageError, unknown_name
from cestab.formulations.adapters.conventions import CONVENTION_KEYS, Input, find_convention, is_known
from cestab.formulations.adapters.engine import SITE_KEYS, Engine, find_parameters
from cestab.formulations.adapters.names import TargetName, parse_value
from cestab.numerics.formats import Format
from cestab.results import LossOptions

WEIGHT_KEYS = ("weight", "class_weight", "class_weights")
IGNORE_KEYS = ("ignore_index", "ignore_class")
OPTION_KEYS = ("label_smoothing", "gamma", "z_weight", *WEIGHT_KEYS, *IGNORE_KEYS)  # that change the objective
REFUSED = {"pos_weight": "cestab has no truth for it"}


def read_options(name: TargetName) -> LossOptions:
    """Return what the parameters of a name change about the objective's exact value."""
    for key, _ in name.parameters:
        if key in REFUSED:
            raise UsageError(f"{key} of '{name.text}' changes the objective: {REFUSED[key]}")
    convention = find_convention(name)
    if _number(name, "alpha", convention.alpha) != 1.0:
        raise UsageError(f"'{name.text}' weighs its loss by alpha, for which cestab has no truth: add alpha=1.0")
    return LossOptions(
        label_smoothing=_number(name, "label_smoothing", 0.0),
        class_weights=_weights(name),
        ignore_index=_ignored(name),
        gamma=_number(name, "gamma", convention.gamma),
        z_weight=_number(name, "z_weight", 0.0),
    )


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
        if is_attribute(found, key) or name.get(key) is None:
            raise UsageError(f"{name.last} has {key}={value}, which changes the objective: write {name.path}:{key}={value}")
    if not options.class_weights and any(is_attribute(found, key) and getattr(found, key) is not None for key in WEIGHT_KEYS):
        raise UsageError(f"{name.last} has class weights, which change the objective: write {name.path}:weight=0.2:0.8")
    if any(is_attribute(found, key) and getattr(found, key) is not None for key in REFUSED):
        raise UsageError(f"{name.last} has {', '.join(REFUSED)}: {next(iter(REFUSED.values()))}")
    takes_logits = find_convention(name).input is Input.LOGITS and name.get("input") is name.get("from_logits") is None
    if takes_logits and find_declared(found, "from_logits") is False:
        raise UsageError(f"{name.last} has from_logits=False: write {name.path}:input=softmax or from_logits=True")


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


def make_keywords(
    name: TargetName, found: Any, engine: Engine, options: LossOptions, fmt: Format, classes: int
) -> dict[str, Any]:
    """Return the keyword arguments of the function: class weights as an array of the format, the rest as written."""
    keywords: dict[str, Any] = {"dim": engine.class_axis} if find_convention(name).takes_axis else {}
    for key, text in name.parameters:
        if is_attribute(found, key) or (key in OPTION_KEYS and not takes(found, key)):
            continue
        if key in WEIGHT_KEYS:
            keywords[key] = engine.convert(np.resize(options.class_weights, classes), fmt)
        elif key not in (*SITE_KEYS, *CONVENTION_KEYS):
            keywords[key] = parse_value(text)
    return keywords


def _number(name: TargetName, key: str, default: float) -> float:
    text = name.get(key)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{key}={text} in '{name.text}' is not a number") from None


def _weights(name: TargetName) -> tuple[float, ...]:
    """Return class weights written as 0.2:0.8, which are repeated over the classes."""
    texts = [name.get(key) for key in WEIGHT_KEYS if name.get(key) is not None]
    try:
        weights = tuple(float(part) for text in texts for part in (text or "").split(":"))
    except ValueError:
        weights = (-1.0,)
    if not all(0 <= weight < float("inf") for weight in weights):
        raise UsageError(f"the class weights of '{name.text}' are not numbers from 0 on with colons between, e.g. 0.2:0.8")
    return weights


def _ignored(name: TargetName) -> int | None:
    for key in IGNORE_KEYS:
        text = name.get(key)
        if text is not None:
            value = parse_value(text)
            if type(value) is not int:  # True is an int, too
                raise UsageError(f"{key}={text} in '{name.text}' is not a whole number")
            return value
    return None
