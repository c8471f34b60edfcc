"""Read a report: from a file or standard input to its type; every mistake is one sentence.

Whatever the size, no values are built of a file that is no report, and none but those of its fields of one that is. A large
one is held to strict JSON only when it is of its type.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
from msgspec import DecodeError, Struct, ValidationError

from cestab.errors import UsageError
from cestab.reports.wire.mismatch import describe_mismatch
from cestab.reports.wire.strict_json import check_json
from cestab.reports.wire.types import Report, name_schema
from cestab.vocabulary.phrases import show_list

AnyReport = TypeVar("AnyReport", bound=Report)

MOST_BYTES = 256 * 2**20  # hundreds of default sweeps
MOST_SHOWN = 2**24  # characters of a report whose values are built to show one where it is wrong
MOST_WHOLE = 2**53  # up to which 2.0 is the whole number 2
SCHEMA = re.compile(r"cestab\.([a-z]+)/([1-9][0-9]{0,8})")


class _Head(Struct):
    schema: Any = None


def read_report(path: str, kinds: Sequence[type[AnyReport]], name: str | None = None) -> AnyReport:
    """Return the report at a path (`-` is standard input), which must be one of these kinds.

    `name` is how sentences call it.
    """
    name = name or name_source(path)
    text = _decode(_read_bytes(path, name), name)
    is_large = len(text) > MOST_SHOWN
    try:
        if not is_large:
            check_json(text, name)
        report = _convert(text, _find_kind(text, kinds, name), name, is_large=is_large)
        if is_large:
            check_json(text, name)
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply for a report") from None
    except DecodeError as error:
        check_json(text, name)  # whose sentences have lines and columns
        raise UsageError(f"{name} is not JSON: {error}") from None
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


def _find_kind(text: str, kinds: Sequence[type[AnyReport]], name: str) -> type[AnyReport]:
    """Return which of the kinds a report says to be."""
    try:
        schema = msgspec.json.decode(text, type=_Head).schema
    except ValidationError:  # it is no object
        schema = None
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


def _convert(text: str, kind: type[AnyReport], name: str, *, is_large: bool) -> AnyReport:
    """Return the report as its type; a UsageError says where it differs."""
    values = None
    try:
        return msgspec.json.decode(text, type=kind)
    except ValidationError as error:
        mismatch = error
    if not is_large:
        values = json.loads(text, parse_float=_parse_float)
        try:
            return msgspec.convert(values, kind)
        except ValidationError as error:
            mismatch = error
    raise UsageError(f"{name} is no valid {name_schema(kind)}: {describe_mismatch(mismatch, kind, values)}")


def _parse_float(text: str) -> float:
    """Return a number, of which JSON does not tell whether it is 2 or 2.0."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= MOST_WHOLE else number
