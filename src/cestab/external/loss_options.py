"""What the parameters of an external loss's name change about the objective; read without loading the loss."""

from typing import Any

from cestab.errors import UsageError
from cestab.external.conventions import find_convention
from cestab.external.names import ExternalName, parse_value
from cestab.vocabulary.loss_options import NUMBERS, LossOptions

WEIGHT_KEYS = ("weight", "class_weight", "class_weights")
IGNORE_KEYS = ("ignore_index", "ignore_class")
OPTION_KEYS = (*NUMBERS, *WEIGHT_KEYS, *IGNORE_KEYS)  # that change the objective
REFUSED = {"pos_weight": "cestab has no truth for it"}


def read_options(name: ExternalName) -> LossOptions:
    """Return what the parameters of a name change about the objective's exact value."""
    for key, _ in name.parameters:
        if key in REFUSED:
            raise UsageError(f"{key} of '{name.text}' changes the objective: {REFUSED[key]}")
    convention = find_convention(name)
    if _number(name, "alpha", convention.alpha) != 1.0:
        raise UsageError(f"'{name.text}' weighs its loss by alpha, for which cestab has no truth: add alpha=1.0")
    defaults = {**NUMBERS, **dict(convention.defaults)}
    numbers: dict[str, Any] = {key: _number(name, key, default) for key, default in defaults.items()}
    return LossOptions(class_weights=_weights(name), ignore_index=_ignored(name), **numbers)


def _number(name: ExternalName, key: str, default: float) -> float:
    text = name.get(key)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{key}={text} in '{name.text}' is not a number") from None


def _weights(name: ExternalName) -> tuple[float, ...]:
    """Return class weights written as 0.2:0.8, which are repeated over the classes."""
    texts = [name.get(key) for key in WEIGHT_KEYS if name.get(key) is not None]
    try:
        weights = tuple(float(part) for text in texts for part in (text or "").split(":"))
    except ValueError:
        weights = (-1.0,)
    if not all(0 <= weight < float("inf") for weight in weights):
        raise UsageError(f"the class weights of '{name.text}' are not numbers from 0 on with colons between, e.g. 0.2:0.8")
    return weights


def _ignored(name: ExternalName) -> int | None:
    for key in IGNORE_KEYS:
        text = name.get(key)
        if text is not None:
            value = parse_value(text)
            if type(value) is not int:  # True is an int, too
                raise UsageError(f"{key}={text} in '{name.text}' is not a whole number")
            return value
    return None
