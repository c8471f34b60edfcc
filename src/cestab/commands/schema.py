"""`cestab schema`: the JSON Schemas of the reports."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cestab.commands.output import write_text
from cestab.errors import unknown_name

if TYPE_CHECKING:
    from cestab.reports.wire.types import Report

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Report, e.g. sweep. Default: list the names.")]


def schema(name: Name = None) -> None:
    """Print the JSON Schema of a report, or the names of those there are.

    Examples:
    cestab schema

    cestab schema sweep > sweep.schema.json

    """
    write_text(read_schema(name) if name is not None else "".join(f"{each}\n" for each in find_reports()), sys.stdout)


def read_schema(name: str) -> str:
    """Return the text of one schema."""
    from cestab.reports.schemas import write_schema

    kinds = find_reports()
    if name not in kinds:
        raise unknown_name("schema", name, kinds)
    return write_schema(kinds[name])


def find_reports() -> "dict[str, type[Report]]":
    """Return the types of all reports by their names: a command's are in the wire.py of its room."""
    from importlib import import_module
    from importlib.util import find_spec
    from pkgutil import iter_modules

    from cestab import commands
    from cestab.reports.wire.types import list_reports

    for room in iter_modules(commands.__path__, "cestab.commands."):
        if room.ispkg and find_spec(f"{room.name}.wire"):
            import_module(f"{room.name}.wire")
    return list_reports()
