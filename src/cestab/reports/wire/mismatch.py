"""What a report has that its type does not allow, in a sentence: the place, the value, and what may be there."""

import re
from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct, ValidationError, convert

LONGEST_MESSAGE = 160
PLACE = re.compile(r"(.*) - at `(key` in `)?\$([^`]*)`", re.DOTALL)  # as msgspec's errors end
STEP = re.compile(r"\.([^.\[]+)|\[(.+?)\]")  # of the path there: a field, or an index, which is … for a name of a dict
MISSING = re.compile(r"Object missing required field `(.+)`")
EXPECTED = re.compile(r"Expected `([^`]+)`(?: matching regex .+|([^,]*))(?:, got `.+`)?", re.DOTALL)
PHRASES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class _Unknown:
    """A value of a report whose values are not there."""

    def __repr__(self) -> str:
        return "the value"


def describe_mismatch(error: ValidationError, kind: Any, report: Any = None) -> str:
    """Return what is wrong with a report, with its place; `error` is msgspec's on converting it to `kind`.

    Without the report values and the names of objects are not shown.
    """
    matched = PLACE.fullmatch(str(error))
    message, is_name, path = matched.groups() if matched else (str(error), None, "")
    place, hint, value = "", kind, _Unknown() if report is None else report
    for field, index in STEP.findall(path):
        if field:
            place, hint, name = f"{place}.{field}", _type_of_field(hint, field), field
        elif index.isdecimal():
            place, hint, name = f"{place}[{index}]", _arguments(hint, tuple)[0], int(index)
        else:
            hint = _arguments(hint, dict)[1]
            name = _find_wrong(value, hint)
            place = f"{place}[{'…' if isinstance(name, _Unknown) else repr(name)}]"
        value = value if isinstance(value, _Unknown) else value[name]
    if is_name:
        hint = _arguments(hint, dict)[0]
        value = _find_wrong(value, hint, of_names=True)
    return f"{place.removeprefix('.') or 'at the top'}: {_shorten(_rewrite(message, hint, value))}"


def _rewrite(message: str, hint: Any, value: Any) -> str:
    """Return msgspec's message on a value in plain English."""
    if matched := MISSING.fullmatch(message):
        return f"the field {matched[1]!r} is missing"
    if message.startswith("Invalid enum value"):
        return f"{value!r} is not one of {', '.join(map(repr, _words(hint)))}"
    if matched := EXPECTED.fullmatch(message):
        expected = " or ".join(PHRASES.get(word, word) for word in matched[1].split(" | "))
        return f"{value!r} is not {_description(hint) if matched[2] is None else expected + matched[2]}"
    return message


def _choices(hint: Any) -> Iterator[Any]:
    """Yield the types that a type hint allows."""
    if get_origin(hint) is Annotated:
        yield from _choices(hint.__origin__)
    elif get_origin(hint) in (Union, UnionType):
        for choice in get_args(hint):
            yield from _choices(choice)
    else:
        yield hint


def _type_of_field(hint: Any, name: str) -> Any:
    kind = next(choice for choice in _choices(hint) if isinstance(choice, type) and issubclass(choice, Struct))
    names = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    return get_type_hints(kind, include_extras=True)[names[name]]


def _arguments(hint: Any, container: type) -> tuple[Any, ...]:
    return next(get_args(choice) for choice in _choices(hint) if get_origin(choice) is container)


def _words(hint: Any) -> Iterator[Any]:
    for choice in _choices(hint):
        if isinstance(choice, type) and issubclass(choice, Enum):
            yield from (word.value for word in choice)
        elif get_origin(choice) is Literal:
            yield from get_args(choice)


def _description(hint: Any) -> str:
    """Return what the text is that a pattern describes."""
    notes = [note for part in (hint, *get_args(hint)) for note in getattr(part, "__metadata__", ())]
    return next(str(note.description) for note in notes if note.description)


def _find_wrong(values: Any, hint: Any, *, of_names: bool = False) -> Any:
    """Return the first name whose value, or which itself, is not of the type."""
    for name, value in {} if isinstance(values, _Unknown) else values.items():
        try:
            convert(name if of_names else value, hint)
        except ValidationError:
            return name
    return _Unknown()


def _shorten(message: str) -> str:
    """Return a message without the middle of a long one: it shows the whole value, which may be the whole report."""
    half = LONGEST_MESSAGE // 2
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:half]} … {message[-half:]}"
