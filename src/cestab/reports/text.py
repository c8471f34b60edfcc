"""Rich renderables as text, as a stream would show them: its width, and colours if it is a terminal (NO_COLOR)."""

import io
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from cestab.vocabulary.escaping import escape

NARROWEST = 40  # columns; a narrower terminal would break every number


def find_width(stream: TextIO) -> int:
    """Return the columns that a stream has: those of COLUMNS (0 is as if unset), of its terminal, or 80; at least NARROWEST."""
    return max(NARROWEST, Console(file=stream).width or shutil.get_terminal_size().columns)


def to_text(stream: TextIO, *renderables: RenderableType) -> str:
    """Return the text without trailing blanks; rich itself would end the program on a broken pipe."""
    width, buffer = find_width(stream), io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=stream.isatty(), highlight=False, emoji=False)
    for renderable in renderables:
        console.print(Segments(_escape_segments(console.render(renderable))))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _escape_segments(segments: Iterable[Segment]) -> Iterator[Segment]:
    return (segment if segment.control else Segment(escape(segment.text), segment.style) for segment in segments)


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name in a table, broken where its parts meet if the column is narrower, within a word only if nothing else is left."""

    name: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(max(map(len, _cut(self.name, 1)), default=0), len(self.name))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text("\n".join(break_name(self.name, options.max_width)), overflow="fold")


@dataclass(frozen=True, kw_only=True)
class Hanging:
    """A text in a table whose continued lines are indented."""

    text: str
    indent: int
    style: str = ""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        words = self.text.split()
        return Measurement(max(map(len, words), default=0) + self.indent, max(len(self.text), self.indent))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        indent = " " * self.indent
        lines = wrap(self.text, options.max_width, subsequent_indent=indent, break_on_hyphens=False)
        yield Text("\n".join(lines), style=self.style, overflow="fold")


def fold_command(command: str, width: int, indent: str) -> str:
    """Return a command line on as many lines as it takes, as a shell reads it."""
    lines = wrap(command, width - len(indent) - 4, break_long_words=False, break_on_hyphens=False)
    return indent + f" \\\n{indent}  ".join(lines)


def break_name(name: str, width: int) -> list[str]:
    """Return a name in lines of at most `width` characters, unless a part is longer."""
    lines = [""]
    for part in _cut(name, width):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _cut(name: str, width: int) -> list[str]:
    """Return the parts of a name: paths, functions and parameters, and of those that are wider than a line their words."""
    parts = re.findall(r"[^:,/…]*[:,/…]+|[^:,/…]+", name)
    return [
        word for part in parts for word in ([part] if len(part) <= width else re.findall(r"[^._=-]*[._=-]+|[^._=-]+", part))
    ]


def measure_width(renderable: RenderableType) -> int:
    """Return the columns that a renderable takes if nothing in it is broken."""
    console = Console(width=1000)
    return Measurement.get(console, console.options, renderable).maximum


def new_table(columns: Sequence[RenderableType], gap: int = 2) -> Table:
    """Return an empty table without lines whose cells fold rather than end in dots."""
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column) if isinstance(column, str) else column, overflow="fold")  # a name is no markup
    return table
