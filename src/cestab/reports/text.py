"""Rich renderables as text, as a stream would show them: its width, and colours if it is a terminal (NO_COLOR)."""

import io
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

NARROWEST = 40  # columns; what a terminal or COLUMNS says below that would break every number


def find_width(stream: TextIO) -> int:
    """Return the columns that a stream has: those of its terminal, of COLUMNS, or 80; at least NARROWEST."""
    return max(NARROWEST, Console(file=stream).width)


def to_text(stream: TextIO, *renderables: RenderableType) -> str:
    """Return the text without trailing blanks; rich itself would end the program on a broken pipe."""
    width, buffer = find_width(stream), io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=stream.isatty(), highlight=False, emoji=False)
    for renderable in renderables:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def new_table(columns: Sequence[str], gap: int = 2) -> Table:
    """Return an empty table without lines whose cells fold rather than end in dots."""
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")  # a name is no markup
    return table
