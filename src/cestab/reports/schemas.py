"""The JSON Schema of a report, made from its type."""

import json
from typing import Any

from msgspec.json import schema_components

from cestab.reports.wire.types import Report, name_schema


def write_schema(kind: type[Report]) -> str:
    """Return the JSON Schema (2020-12) of a report, with a newline at the end."""
    return json.dumps(make_schema(kind), indent=2, ensure_ascii=False) + "\n"


def make_schema(kind: type[Report]) -> dict[str, Any]:
    """Return the JSON Schema of a report: its type, and under `$defs` the types of its parts."""
    name = name_schema(kind)
    _, parts = schema_components([kind, *kind.alternatives], ref_template="#/$defs/{name}")
    shared: dict[str, Any] = {}
    parts = {title: _share(part | {"title": None}, shared) for title, part in parts.items()}
    whole: dict[str, Any] = parts.pop(kind.__name__)
    whole["properties"]["schema"] = {"const": name}
    command, version = name.removeprefix("cestab.").split("/")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:cestab:{command}:{version}",
        "title": name,
        "description": f"{whole.pop('description')} Within version {version} fields are only added.",
    }
    return head | whole | {"$defs": shared | parts}


def _share(part: Any, shared: dict[str, Any]) -> Any:
    """Return a part in which whatever has a title is a reference to `shared`."""
    if isinstance(part, list):
        return [_share(item, shared) for item in part]
    if isinstance(part, float) and part.is_integer():
        return int(part)  # typing takes Meta(ge=0) and Meta(ge=0.0) for the same, whichever was first
    if not isinstance(part, dict):
        return part
    inner = {key: _share(value, shared) for key, value in part.items()}
    title = inner.pop("title", None)
    if title is None:
        return inner
    shared[title] = inner
    return {"$ref": f"#/$defs/{title}"}
