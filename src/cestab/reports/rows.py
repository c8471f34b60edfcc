"""Rows under a heading as CSV (RFC 4180, but lines end with a newline alone) or as a Markdown table."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cell = str | float | None  # None is an empty cell


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV with a header; lines end with a newline alone, numbers read back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_write(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def to_markdown(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as a GitHub-flavoured Markdown table; `|` and line ends in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(escape_markdown(_write(cell)) for cell in line)} |\n" for line in lines)


def _write(cell: Cell) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else repr(cell)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, in and out of tables."""
    plain = re.sub(r"([\\|`*\[\]])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return re.sub(r"[\r\n]+", " ", plain)
