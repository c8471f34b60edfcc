"""Strict JSON (RFC 8259) and the parts that several reports share."""

import json
import math
from typing import Any

from cestab.vocabulary.settings import Environment, Place, Setting

Json = dict[str, Any]


def write_json(value: Json) -> str:
    """Return an object as strict JSON, with a newline at the end."""
    return json.dumps(_strict(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    """Return the value with every number that JSON cannot hold as a string."""
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case dict():
            return {key: _strict(item) for key, item in value.items()}
        case list() | tuple():
            return [_strict(item) for item in value]
        case _:
            return value


def show_environment(environment: Environment) -> Json:
    """What the numbers may depend on; `targets` where code that is not ours was run."""
    shown = {name: value for name, value in vars(environment).items() if name != "targets"}
    if environment.targets:
        shown["targets"] = [vars(facts) | {"versions": dict(facts.versions)} for facts in environment.targets]
    return shown


def describe_setting(setting: Setting) -> Json:
    """Return the fields that name a setting."""
    case = {"pattern": setting.pattern, "classes": setting.classes, "target": setting.target}
    return {
        "formulation": setting.formulation,
        "objective": setting.objective.name,
        "dtype": setting.dtype,
        "compute": setting.compute,
        "summation": setting.summation,
        **({"classes": setting.classes} if setting.pattern is None else case),
        "loss_scale": setting.loss_scale,
        **setting.options.show(),
    }


def show_place(place: Place) -> Json:
    """Return a place as `t` and `hex`, or as `row`."""
    if place.hexadecimal is None:
        return {"row": place.position}
    return {"t": float(place.decimal), "hex": place.hexadecimal}


def _number(place: Place | None) -> float | int | None:
    if place is None:
        return None
    return place.position if place.hexadecimal is None else float(place.decimal)


def _ulps(place: Place | None) -> float | None:
    return None if place is None else place.ulps
