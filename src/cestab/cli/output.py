"""Where results go: standard output or a file that is opened before the work and replaced when it is whole."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import typer

from cestab.cli.options import OutputFormat
from cestab.errors import UsageError
from cestab.results import Report

Progress = Callable[[int, int], Any]


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Yield the stream for the report; a file appears under its name only when all of it is written."""
    if path is None or path == "-":
        yield sys.stdout
        return
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-", suffix=".part")
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror or error}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # mkstemp's own mode lets nobody else read a report
        Path(name).replace(target)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


@contextmanager
def show_progress(what: str) -> Iterator[Progress]:
    """Yield a function of (done, total) that draws a bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def write_report(report: Report, stream: TextIO, output_format: OutputFormat, *, detail: bool) -> None:
    """Write the report in the form asked for."""
    if output_format is OutputFormat.JSON:
        from cestab.reports import json_v1

        stream.write(json_v1.render(report))
    else:
        from cestab.reports.table import write_table

        write_table(report, stream, detail=detail)
    stream.flush()


def exit_with(report: Report) -> None:
    """Say on standard error what the gate found and exit with the report's status."""
    status, gated = report.exit_status(), report.gated()
    if not report.request.fail_on:
        typer.echo("cestab: nothing was gated; --fail-on names the findings that make the exit status 1", err=True)
    elif gated:
        settings = len({id(result) for result, _ in gated})
        kinds = ", ".join(dict.fromkeys(finding.kind.label for _, finding in gated))
        typer.echo(f"cestab: gate failed in {settings} of {len(report.settings)} settings: {kinds}", err=True)
    if not any(result.cases for result in report.settings):
        typer.echo("cestab: nothing could be judged", err=True)
    raise typer.Exit(status)
