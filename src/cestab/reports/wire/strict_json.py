"""Whether text is strict JSON (RFC 8259), of which parsers take more; in time that is linear in its size."""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

import msgspec

from cestab.errors import UsageError
from cestab.reports.wire.types import shorten

MOST_DIGITS = 18  # of an integer: every such number fits 64 bits
SURROGATE = re.compile(r"\\u[dD][89abAB]")  # an escape that may stand alone, and then is no character


class _NotJsonError(Exception):
    """What RFC 8259 forbids or leaves open and Python's parser takes."""


def check_json(text: str, name: str) -> None:
    """Refuse what is no strict JSON: NaN, a name twice in an object, a number that 64 bits cannot hold, half a character.

    Nothing is kept of the values, which may be many.
    """
    try:
        json.loads(
            text,
            object_pairs_hook=_refuse_repetition,
            parse_constant=_refuse_constant,
            parse_float=_refuse_infinity,
            parse_int=_refuse_digits,
        )
        if SURROGATE.search(text):
            msgspec.json.decode(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise UsageError(f"{name} ends in the middle, at line {error.lineno}: it was cut off") from None
        raise UsageError(f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except msgspec.DecodeError:
        raise UsageError(f"{name} is not JSON: half of a surrogate pair stands alone in a string") from None
    except _NotJsonError as error:
        raise UsageError(f"{name} is not JSON: {error}") from None


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _NotJsonError(f"{shorten(name)!r} stands twice in one object")


def _refuse_constant(text: str) -> NoReturn:
    raise _NotJsonError(f"{text} is no JSON number")


def _refuse_infinity(text: str) -> None:
    if math.isinf(float(text)):
        raise _NotJsonError(f"{shorten(text)} is beyond every number of 64 bits")


def _refuse_digits(text: str) -> None:
    if len(text) > MOST_DIGITS and len(text.lstrip("-")) > MOST_DIGITS:
        raise _NotJsonError(f"an integer has {len(text.lstrip('-'))} digits, more than 64 bits hold")
