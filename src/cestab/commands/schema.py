"""`cestab schema`: the JSON Schemas of the reports."""

import sys
from typing import Annotated

import typer

from cestab.commands.output import write_text

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Report, e.g. sweep. Default: list the names.")]


def schema(name: Name = None) -> None:
    """Print the JSON Schema of a report, or the names of those there are.

    Examples:
    cestab schema

    cestab schema sweep > sweep.schema.json

    """
    from cestab.reports.schemas import read_schema, schema_names

    write_text(read_schema(name) if name is not None else "".join(f"{each}\n" for each in schema_names()), sys.stdout)
