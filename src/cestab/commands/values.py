"""Values as callers and configuration files write them, checked; a single value counts as a list of one.

Every reader takes the name of the option (Python's parameter), which its errors name, and the value.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cestab.errors import OptionName, UsageError, unknown_name
from cestab.vocabulary.kinds import GATES, FindingKind

if TYPE_CHECKING:
    from cestab.vocabulary.requests import LogitRange

LONGEST_VALUE = 60  # characters of a wrong value that a sentence shows
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # of memory
GATE_WORDS = (*GATES, *(kind.label for kind in FindingKind))  # of `--fail-on`
Value = TypeVar("Value")
Entry = TypeVar("Entry")
Word = TypeVar("Word", bound=StrEnum)
Number = TypeVar("Number", int, float)


def read_names(option: str, value: object) -> tuple[str, ...]:
    """Return names."""
    return _read_list(option, value, str, "a name or a list of names")


def read_integers(option: str, value: object) -> tuple[int, ...]:
    """Return whole numbers."""
    items = _read_list(option, value, Integral, "a whole number or a list of them")
    return tuple(int(item) for item in items)


def read_numbers(option: str, value: object) -> tuple[float, ...]:
    """Return numbers."""
    items = _read_list(option, value, Real, "a number or a list of numbers")
    return tuple(_to_float(option, item) for item in items)


def read_name(option: str, value: object) -> str:
    """Return one text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise _wrong(option, value, "a text that is not empty")
    return value


def read_line(option: str, value: object) -> str:
    """Return one text that can be printed on a line: a name, a path."""
    text = read_name(option, value)
    if not text.isprintable():
        raise _wrong(option, value, "a text of one line")
    return text


def read_path(option: str, value: object) -> str:
    """Return the path of a file, given as text or as a path object."""
    return read_name(option, os.fspath(value) if isinstance(value, os.PathLike) else value)


def read_integer(option: str, value: object) -> int:
    """Return one whole number."""
    if not _is(value, Integral):
        raise _wrong(option, value, "a whole number")
    number: Any = value
    return int(number)


def read_number(option: str, value: object) -> float:
    """Return one number."""
    if not _is(value, Real):
        raise _wrong(option, value, "a number")
    return _to_float(option, value)


def read_flag(option: str, value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise _wrong(option, value, "true or false")
    return value


def _where(
    read: Callable[[str, object], Number], is_allowed: Callable[[Number], bool], what: str
) -> Callable[[str, object], Number]:
    """Return the reader of a number that is allowed; `what` is what a sentence says of one that is not."""

    def read_allowed(option: str, value: object) -> Number:
        number = read(option, value)
        if not is_allowed(number):
            raise UsageError(OptionName(option), f" {value!r} {what}")
        return number

    return read_allowed


read_seed = _where(read_integer, lambda number: number >= 0, "is negative")
read_class_axis = _where(read_integer, lambda axis: -32 <= axis < 32, "is not the number of an axis: arrays have at most 32")
read_classes = _where(read_integer, lambda classes: classes >= 1, "is not a number of classes from 1 on")
read_sample = _where(read_integer, lambda rows: rows >= 1, "is not a number of rows from 1 on")
read_jobs = _where(read_integer, lambda jobs: 1 <= jobs <= 1024, "is not a number of processes from 1 to 1024")
read_tolerance = _where(read_number, lambda tolerance: 0 <= tolerance < math.inf, "is not a finite number from 0 on")
read_seconds = _where(read_number, lambda seconds: 0 < seconds < math.inf, "is not a finite number of seconds above 0")


def read_target(option: str, value: object) -> str:
    """Return a target as it is typed: a text stays, numbers of any shape get commas."""
    if isinstance(value, str):
        return value
    import numpy as np

    try:
        numbers = np.ravel(cast("Any", value)).tolist()
    except (TypeError, ValueError):  # lists of different lengths
        numbers = None
    if not numbers or not all(_is(number, Real) for number in numbers):
        raise _wrong(option, value, "a class, weights, a label or the name of a target kind")
    return ",".join(map(str, numbers))


def read_size(option: str, value: object) -> str:
    """Return a number of bytes as it is typed: a text or a whole number."""
    return read_name(option, value if isinstance(value, str) else str(read_integer(option, value)))


def read_bytes(option: str, value: object) -> int:
    """Return a number of bytes, as a number or as 512M, 2G."""
    shown = str(value).strip().upper().removesuffix("B").removesuffix("I")
    unit = UNITS.get(shown[-1:], 1)
    try:
        size = float(shown if unit == 1 else shown[:-1]) * unit
    except ValueError:
        size = 0.0
    if not 1 <= size < 2**63:
        raise UsageError(OptionName(option), f" {value!r} is not a number of bytes, e.g. 512M or 2G")
    return int(size)


def read_gate(_option: str, word: str) -> str:
    """Return a word of `--fail-on`: the name of a finding or of several."""
    if word not in GATE_WORDS:
        raise unknown_name("finding", word, GATE_WORDS)
    return word


def read_format(option: str, value: object, what: str = "dtype") -> str:
    """Return the name of a number format."""
    from cestab.numerics.formats import find_format

    if not isinstance(value, str):
        raise _wrong(option, value, "the name of a format")
    return find_format(value, what).name


def read_compute(option: str, value: object) -> str:
    """Return the name of the format of the arithmetic."""
    return read_format(option, read_name(option, value), "compute format")


def read_pattern(_option: str, name: str) -> str:
    """Return the name of a pattern."""
    from cestab.cases.patterns import find_pattern

    return find_pattern(name).name


def read_range(option: str, value: object) -> "LogitRange":
    """Return a range of magnitudes."""
    from cestab.cases.ranges import parse_range

    return parse_range(read_name(option, value))


def one_of(words: type[Word], what: str) -> Callable[[str, object], Word]:
    """Return the reader of a word that an enumeration has; `what` is what the sentence of an unknown one calls it."""
    known = [word.value for word in words]

    def read(option: str, value: object) -> Word:
        text = read_name(option, value)
        if text not in known:
            raise unknown_name(what, text, known)
        return words(text)

    return read


def read_entry(registry: Mapping[str, Entry], what: str, value: str) -> Entry:
    """Return the entry of a registry that a name stands for."""
    name = read_name(what, value)
    if name not in registry:
        raise unknown_name(what, name, registry)
    return registry[name]


def select(what: str, given: Sequence[Value]) -> tuple[Value, ...]:
    """Return the given values without repetitions; an empty list selects nothing and is an error."""
    if not given:
        raise UsageError(f"the selection is empty: no {what} is named")
    return tuple(dict.fromkeys(given))


def _read_list(option: str, value: object, kind: type, what: str) -> tuple[Any, ...]:
    if _is(value, kind):
        return (value,)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _wrong(option, value, what)
    items = tuple(value)
    for item in items:
        if not _is(item, kind):
            raise _wrong(option, item, what)
    return items


def _is(value: object, kind: type) -> bool:
    """Whether the value is of the kind; true and false are no numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _to_float(option: str, number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        raise _wrong(option, number, "numbers that float64 holds") from None


def _wrong(option: str, value: object, what: str) -> UsageError:
    shown = repr(value)
    shown = shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"
    return UsageError(OptionName(option), f" takes {what}, not {shown}")
