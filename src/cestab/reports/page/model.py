"""What a page is made of: sections of paragraphs, tables, figures and folded parts, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Run:
    """Letters of a strip that have one style."""

    letters: str
    style: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table: text, a command line to copy, or a strip whose meaning `label` says in words.

    `sort` is what its column is sorted by where that is not the text.
    """

    text: str = ""
    style: str = ""
    sort: float | None = None
    command: str | None = None
    strip: tuple[Run, ...] = ()
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar[str] = "paragraph"
    text: str
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption; `is_long`: it can be sorted and filtered."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing as SVG, which says in words what it shows."""

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Code:
    """Text as a terminal shows it."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Parts under a title that a click opens."""

    kind: ClassVar[str] = "folded"
    title: str
    blocks: "Sequence[Block]"


Block = Paragraph | Table | Figure | Code | Folded


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page with a heading; one without blocks is left out."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, kw_only=True)
class Number:
    """One of the numbers on top."""

    value: str
    label: str
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page; `report` is the JSON that it was written from, which the page holds and gives out."""

    title: str
    headline: str
    numbers: Sequence[Number]
    sections: Sequence[Section]
    report: str | None = None
