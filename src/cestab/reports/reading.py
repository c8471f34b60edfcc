"""Read a report: from a file or standard input to JSON that its schema allows; every mistake is one sentence."""

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

from msgspec import ValidationError, convert

from cestab.errors import UsageError
from cestab.reports.mismatch import describe_mismatch
from cestab.reports.wire import Report, name_schema, shorten
from cestab.vocabulary.phrases import show_list

Json = dict[str, Any]
AnyReport = TypeVar("AnyReport", bound=Report)

MOST_BYTES = 256 * 2**20  # hundreds of default sweeps; text and parsed values of a larger one would fill the memory
MOST_DIGITS = 18  # of an integer: every such number fits 64 bits
MOST_WHOLE = 2**53  # up to which 2.0 is the whole number 2
SURROGATE = re.compile(r"\\u[dD][89abAB]")  # an escape that may stand alone, and then is no character
SCHEMA = re.compile(r"cestab\.([a-z]+)/([1-9][0-9]{0,8})")


def read_report(path: str, kinds: Sequence[type[AnyReport]], name: str | None = None) -> AnyReport:
    """Return the report at a path (`-` is standard input), which must be one of these kinds.

    `name` is how sentences call it.
    """
    name = name or name_source(path)
    report = parse_json(_decode(_read_bytes(path, name), name), name)
    return _convert(report, _find_kind(report, kinds, name), name)


def name_source(path: str) -> str:
    """Return how sentences call the source."""
    return "standard input" if path == "-" else repr(path)


def _read_bytes(path: str, name: str) -> bytes:
    file = Path(path)
    try:
        if path == "-":
            return _read_stream(sys.stdin.buffer, name)
        if file.is_dir():
            raise IsADirectoryError("it is a folder")
        if file.stat().st_size > MOST_BYTES:
            raise _too_large(name)
        with file.open("rb") as stream:
            return _read_stream(stream, name)
    except UsageError:
        raise
    except FileNotFoundError:
        raise UsageError(f"there is no file {name}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None


def _read_stream(stream: BinaryIO, name: str) -> bytes:
    """Return all bytes; a pipe tells its size only by being read."""
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_large(name)
    return content


def _too_large(name: str) -> UsageError:
    return UsageError(f"{name} is larger than {MOST_BYTES // 2**20} MiB, more than any report that cestab reads")


def _decode(content: bytes, name: str) -> str:
    if not content.strip():
        raise UsageError(f"{name} is empty")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: byte {error.start} is {content[error.start]:#04x}") from None


class _NotJsonError(Exception):
    """What RFC 8259 forbids or leaves open and Python's parser takes."""


def parse_json(text: str, name: str) -> Any:
    """Return the value of strict JSON: no NaN, no name twice in an object, no number that a double cannot hold."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_integer,
        )
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise UsageError(f"{name} ends in the middle, at line {error.lineno}: it was cut off") from None
        raise UsageError(f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _too_deep(name) from None
    except UnicodeEncodeError:
        raise UsageError(f"{name} is not JSON: half of a surrogate pair stands alone in a string") from None
    except _NotJsonError as error:
        raise UsageError(f"{name} is not JSON: {error}") from None
    return value


def _too_deep(name: str) -> UsageError:
    return UsageError(f"{name} is nested too deeply for a report")


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _NotJsonError(f"{shorten(name)!r} stands twice in one object")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise _NotJsonError(f"{text} is no JSON number")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NotJsonError(f"{shorten(text)} is beyond every number of 64 bits")
    return int(number) if number.is_integer() and abs(number) <= MOST_WHOLE else number


def _parse_integer(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise _NotJsonError(f"an integer has {len(text.lstrip('-'))} digits, more than 64 bits hold")
    return int(text)


def _find_kind(report: Any, kinds: Sequence[type[AnyReport]], name: str) -> type[AnyReport]:
    """Return which of the kinds the report says to be."""
    schema = report.get("schema") if isinstance(report, dict) else None
    matched = SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if matched is None:
        raise UsageError(f"{name} is JSON, but no report of cestab: it has no schema such as 'cestab.sweep/1'")
    read = {name_schema(kind): kind for kind in kinds}
    if schema in read:
        return read[schema]
    taken = show_list(list(read))
    if f"cestab.{matched[1]}/1" in read:
        raise UsageError(f"{name} is a report {schema} of a newer cestab; this one reads {taken}")
    raise UsageError(f"{name} is a report {schema}; taken are {taken}")


def _convert(report: Json, kind: type[AnyReport], name: str) -> AnyReport:
    """Return the report as its type; a UsageError says where it differs."""
    try:
        return convert(report, kind)
    except ValidationError as error:
        try:
            sentence = describe_mismatch(error, kind, report)
        except RecursionError:  # a value that nests is shown
            raise _too_deep(name) from None
        raise UsageError(f"{name} is no valid {name_schema(kind)}: {sentence}") from None
