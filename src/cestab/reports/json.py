"""Strict JSON (RFC 8259)."""

import json
import math
from typing import Any

from msgspec import to_builtins

from cestab.reports.wire.types import Report
from cestab.vocabulary.escaping import escape_json


def write_json(report: Report) -> str:
    """Return a report as strict JSON, with a newline at the end."""
    return escape_json(json.dumps(_strict(to_builtins(report)), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


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
