"""Read a report: from a file or standard input to JSON that its schema allows; every mistake is one sentence."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from cestab.errors import UsageError
from cestab.reports.schemas import read_schema
from cestab.vocabulary.phrases import show_list

Json = dict[str, Any]

MOST_BYTES = 256 * 2**20  # hundreds of default sweeps; text and parsed values of a larger one would fill the memory
MOST_DIGITS = 18  # of an integer: every such number fits 64 bits
LONGEST_MESSAGE = 160
SURROGATE = re.compile(r"\\u[dD][89abAB]")  # an escape that may stand alone, and then is no character
SCHEMA = re.compile(r"cestab\.([a-z]+)/([1-9][0-9]{0,8})")
VERSION = 1


def read_report(path: str, commands: Sequence[str], name: str | None = None) -> Json:
    """Return the report at a path (`-` is standard input), which must be one that one of the commands wrote.

    `name` is how sentences call it.
    """
    name = name or name_source(path)
    report: Json = parse_json(_decode(_read_bytes(path, name), name), name)
    command = _find_command(report, commands, name)
    _validate(report, command, name)
    return report


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
        names = [name for name, _ in pairs]
        raise _NotJsonError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise _NotJsonError(f"{text} is no JSON number")


def _parse_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _NotJsonError(f"{text[:40]} is beyond every number of 64 bits")
    return number


def _parse_integer(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise _NotJsonError(f"an integer has {len(text.lstrip('-'))} digits, more than 64 bits hold")
    return int(text)


def _find_command(report: Any, commands: Iterable[str], name: str) -> str:
    """Return the command that wrote the report, one of those that are taken."""
    schema = report.get("schema") if isinstance(report, dict) else None
    matched = SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if matched is None:
        raise UsageError(f"{name} is JSON, but no report of cestab: it has no schema such as 'cestab.sweep/1'")
    taken = [f"cestab.{command}/{VERSION}" for command in commands]
    if matched[1] not in commands:
        raise UsageError(f"{name} is a report {matched[0]}; taken are {show_list(taken)}")
    if int(matched[2]) > VERSION:
        raise UsageError(f"{name} is a report {matched[0]} of a newer cestab; this one reads {show_list(taken)}")
    return matched[1]


def _validate(report: Json, command: str, name: str) -> None:
    """Raise a UsageError that says where the report differs from its schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # as long to import as to validate a report

    try:
        error = next(Draft202012Validator(json.loads(read_schema(command))).iter_errors(report), None)
        if error is not None:
            place = error.json_path.removeprefix("$").removeprefix(".") or "at the top"
            raise UsageError(f"{name} is no valid cestab.{command}/{VERSION}: {place}: {_shorten(error.message)}")
    except RecursionError:  # a value that nests is shown in the message
        raise _too_deep(name) from None


def _shorten(message: str) -> str:
    """Return a message without the middle of a long one: it shows the whole value, which may be the whole report."""
    half = LONGEST_MESSAGE // 2
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:half]} … {message[-half:]}"
