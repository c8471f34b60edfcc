"""Rows under a heading as CSV (RFC 4180, but lines end with a newline alone) or as a Markdown table."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-](inf|[0-9.]+(e[+-]?[0-9]+)?|0x[01][0-9a-f.]*p[+-][0-9]+)")
LINKS = re.compile(r"(@|#)(?=\w)|(:)(?=//)|(?<=\bwww)(\.)", re.IGNORECASE)  # what GitHub makes a mention or a link of
Cell = str | float | None  # None is an empty cell


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV with a header; lines end with a newline alone, numbers read back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_disarm(cell) if isinstance(cell, str) else _write(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _disarm(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: one that begins like it is quoted."""
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def to_markdown(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as a GitHub-flavoured Markdown table; `|` and line ends in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(escape_markdown(_write(cell)) for cell in line)} |\n" for line in lines)


def _write(cell: Cell) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else repr(cell)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, in and out of tables."""
    plain = re.sub(r"([\\|`*\[\]])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return LINKS.sub(lambda found: f"&#{ord(found[0])};", re.sub(r"[\r\n]+", " ", plain))
