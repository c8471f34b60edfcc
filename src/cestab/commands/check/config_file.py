"""Find and read the TOML file that configures `cestab check`, and say at which line of it something stands."""

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cestab.errors import UsageError

OWN_FILE, SHARED_FILE = "cestab.toml", "pyproject.toml"
AUDIT = "audit"
MOST_BYTES = 2**20  # of a configuration
HEADER = re.compile(r"""\s*\[[\w\s."'-]+\]\]?\s*(#.*)?""")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A configuration as read: `name` is its path as shown, `table` what of it is cestab's, `note` a line for the user.

    `path` is that from the root of its project, by which CI systems know it.
    `audit_lines` are the lines of the headers of the audits' tables, empty where they are not written with headers.
    """

    name: str
    path: str
    folder: Path
    lines: tuple[str, ...]
    table: dict[str, Any]
    audit_lines: tuple[int, ...]
    note: str | None = None

    def line(self, audit: int | None = None, key: str | None = None) -> int | None:
        """Return the line of an audit's table, or of a key in it (at the top: audit None); None if it is not found."""
        start = self.audit_lines[audit] if audit is not None and audit < len(self.audit_lines) else None
        if key is None or (audit is not None and start is None):
            return start
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
        for number, line in enumerate(self.lines[start or 0 :], (start or 0) + 1):
            if start is not None and HEADER.fullmatch(line):
                break
            if pattern.match(line):
                return number
        return start

    def error(self, sentence: object, audit: int | None = None, key: str | None = None) -> UsageError:
        """Return the error with the file, and the line where it is known, before its sentence."""
        line = self.line(audit, key)
        shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(sentence))
        return UsageError(f"{self.name}{'' if line is None else f':{line}'}: {shown}")


def find_source(named: str | None) -> Source:
    """Return the configuration: the file named, or the nearest one in this folder or above it."""
    if named is not None:
        return _read_named(Path(named))
    here = Path.cwd()
    for folder in (here, *here.parents):
        own, shared = folder / OWN_FILE, folder / SHARED_FILE
        if own.is_file():
            return _make(own, "", _read_tables(own), note=_note_shared(own, shared))
        if shared.is_file():
            tables = _read_tables(shared)
            if _has_table(tables[1]):
                return _make(shared, "tool.cestab.", tables)
    raise UsageError(
        f"there is no {OWN_FILE}, and no {SHARED_FILE} with [tool.cestab], in '{here}' or above it; --config FILE names one"
    )


def _read_named(path: Path) -> Source:
    tables = _read_tables(path)
    if path.name != SHARED_FILE:
        return _make(path, "", tables)
    if not _has_table(tables[1]):
        raise UsageError(f"'{path}' has no table [tool.cestab]")
    return _make(path, "tool.cestab.", tables)


def _note_shared(own: Path, shared: Path) -> str | None:
    """Return the line about a second configuration, which is not used; one that is broken is another parser's error."""
    try:
        is_second = shared.is_file() and _has_table(_read_tables(shared)[1])
    except UsageError:
        return None
    return f"{show_path(own)} is used; [tool.cestab] in {show_path(shared)} beside it is not" if is_second else None


def _has_table(tables: dict[str, Any]) -> bool:
    tool = tables.get("tool")
    return isinstance(tool, dict) and "cestab" in tool


def _read_tables(path: Path) -> tuple[str, dict[str, Any]]:
    """Return text and tables of a TOML file."""
    name = show_path(path)
    try:
        content = _read_bytes(path)
        text = content.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"there is no file '{path}'") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: it is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from None
    except RecursionError:
        raise UsageError(f"{name}: it is nested too deeply for a configuration") from None
    except (OSError, ValueError) as error:  # TOMLDecodeError is a ValueError; so is an integer of 5,000 digits
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        line = re.search(r"\(at line (\d+), ", reason)
        raise UsageError(f"{name}{f':{line[1]}' if line else ''}: cannot be read as TOML: {reason}") from None


def _read_bytes(path: Path) -> bytes:
    """Return the content of a regular file of a size that somebody may have written."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
    if status.st_size > MOST_BYTES:
        raise OSError(f"it is larger than {MOST_BYTES // 2**20} MiB")
    return path.read_bytes()


def _make(path: Path, prefix: str, tables: tuple[str, dict[str, Any]], note: str | None = None) -> Source:
    text, table = tables
    for key in prefix.split(".")[:-1]:
        table = table[key]
        if not isinstance(table, dict):
            raise UsageError(f"{show_path(path)}: '{prefix[:-1]}' is not a table")
    lines = tuple(text.split("\n"))
    own = table.get(AUDIT)
    headers = tuple(number for number, line in enumerate(lines, 1) if _header(prefix + AUDIT).fullmatch(line.rstrip("\r")))
    are_all = isinstance(own, list) and len(headers) == len(own)  # else some are inline, or stand in a text
    return Source(
        name=show_path(path),
        path=_find_project_path(path),
        folder=path.parent,
        lines=lines,
        table=table,
        audit_lines=headers if are_all else (),
        note=note,
    )


def _header(name: str) -> re.Pattern[str]:
    dotted = r"\s*\.\s*".join(rf"""["']?{part}["']?""" for part in name.split("."))
    return re.compile(rf"\s*\[\[\s*{dotted}\s*\]\]\s*(#.*)?")


def _find_project_path(path: Path) -> str:
    """Return a path from the root of its project, with forward slashes and never upwards.

    That root is the nearest folder above with `.git`; without one the current folder, or that of a file beyond it.
    """
    file, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100  # no link is followed, but `..` is
    repository = next((folder for folder in file.parents if (folder / ".git").exists()), None)
    root = repository or (here if file.is_relative_to(here) else file.parent)
    return file.relative_to(root).as_posix()


def show_path(path: Path) -> str:
    """Return a path as seen from the current folder, with forward slashes; an absolute one elsewhere stays."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path.as_posix()
    return Path(relative).as_posix()
