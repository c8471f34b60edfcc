"""The parts that several JSON reports share: one frozen type per object, which writes, reads, checks and describes it.

A report's own types are in the wire.py of its command's room. Python's names are the names in JSON, where a keyword of Python
has a _ at its end here. What is written is not checked, what is read is. Within a version fields are only added: unknown ones
are ignored, and one that came later has a default.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, dataclass_transform

from msgspec import Meta, Struct, StructMeta, to_builtins

from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.loss_options import MOST_ROWS

LONGEST_NAME = 40  # that a sentence shows

Text = Annotated[str, Meta(min_length=1)]
Word = Annotated[
    str,
    Meta(
        title="Word", min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]+(?![\s\S])", description="text without control characters"
    ),
]
Names = Annotated[tuple[Word, ...], Meta(min_length=1)]
Hex = Annotated[
    str,
    Meta(title="Hex", pattern=r"^-?0x[01](\.[0-9a-f]{1,13})?p[+-][0-9]{1,4}$", description="a hexadecimal such as 0x1.8p+4"),
]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Size = Annotated[float, Meta(ge=0)]
Scale = Annotated[float, Meta(gt=0)]
Batch = Annotated[int, Meta(ge=1, le=MOST_ROWS)]
Number = float | Literal["nan", "inf", "-inf"]
Ulps = Annotated[
    Size | Literal["nan", "inf"] | None,
    Meta(title="Ulps", description="an error in ulps of the format; null where no pair of values is finite"),
]
Interrupted = Annotated[
    bool, Meta(description="present where Ctrl-C ended the work early: what was finished", extra_json_schema={"const": True})
]
KINDS = {kind.label: kind for kind in FindingKind}


if TYPE_CHECKING:
    Kind = str
    Hard = str
else:
    Kind = Annotated[Literal[tuple(KINDS)], Meta(title="Kind")]
    Hard = Annotated[Literal[tuple(kind.label for kind in FindingKind if kind.is_hard)], Meta(title="Hard")]


class ByName(StructMeta):
    """What makes the fields of every Wire keyword-only."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "ByName":
        return super().__new__(mcs, name, bases, namespace, kw_only=True, **options)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Wire(Struct, metaclass=ByName, frozen=True, rename=lambda name: name.removesuffix("_")):
    """An object of a report."""


class Report(Wire, tag_field="schema"):
    """A whole report; its tag is its schema. `alternatives` are the types of parts that may be of one or another type."""

    alternatives: ClassVar[tuple[type[Wire], ...]] = ()

    def __post_init__(self) -> None:
        if getattr(self, "interrupted", True) is False:
            raise ValueError("interrupted is false; it is true or missing")


def describe_ways(ways: Sequence[Sequence[str]]) -> Meta:
    """Return what a schema says of an object that has all fields of one of several lists."""
    return Meta(extra_json_schema={"anyOf": [{"required": list(way)} for way in ways]})


def require_one_way(part: Wire, ways: Sequence[Sequence[str]]) -> None:
    """Refuse an object that has not all fields of any of several lists."""
    if not any(to_builtins(part).keys() >= set(way) for way in ways):
        raise ValueError(f"there is neither all of {' nor all of '.join(', '.join(way) for way in ways)}")


def name_schema(kind: type[Report]) -> str:
    """Return the schema of a report, e.g. `cestab.sweep/1`."""
    return str(kind.__struct_config__.tag)


def list_reports(kind: type[Report] = Report) -> dict[str, type[Report]]:
    """Return the types of reports that were defined, by name, e.g. `sweep`."""
    kinds = [each for part in kind.__subclasses__() for each in (part, *list_reports(part).values())]
    named = {name_schema(each).partition("/")[0]: each for each in kinds}
    return {name.removeprefix("cestab."): named[name] for name in sorted(named) if name.startswith("cestab.")}


class Error(Report, tag="cestab.error/1"):
    """What standard output holds when JSON was asked for and there is no result: `status` is the exit status."""

    status: Annotated[int, Meta(ge=2, le=3)]
    message: Text


def shorten(name: str) -> str:
    """Return a name as a sentence shows it, which a damaged report may have made endless."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
