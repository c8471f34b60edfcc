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
from cestab.errors import ExitStatus, UsageError
from cestab.results import GateReport, Report

Progress = Callable[[int, int], Any]


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Yield the stream for the report; a file appears under its name only when all of it is written."""
    if path is None or path == "-":
        yield sys.stdout
        return
    target = Path(path).resolve()  # through a link, to the file it names
    try:
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        if target.exists() and not target.is_file():  # a device or a pipe is written to, not replaced
            with target.open("w", encoding="utf-8") as stream:
                yield stream
            return
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
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def write_report(report: Report, stream: TextIO, output_format: OutputFormat, *, detail: bool) -> None:
    """Write the report in the form asked for; a request of which nothing could be judged is an error instead."""
    if report.exit_status() is ExitStatus.USAGE:
        reasons = dict.fromkeys(result.reason for result in report.settings if result.reason)
        raise UsageError(f"nothing could be judged: {'; '.join(reasons) or 'no case has a true value in these formats'}")
    if output_format is OutputFormat.JSON:
        from cestab.reports import json_v1

        text = json_v1.render(report)
    else:
        from cestab.reports import table

        text = table.render(report, stream, detail=detail)
    write_text(text, stream)


def write_gate(gate: GateReport, stream: TextIO, output_format: OutputFormat) -> None:
    """Write a gate in one of the forms that CI systems read."""
    from importlib import import_module

    write_text(import_module(f"cestab.reports.{output_format}").render(gate), stream)


def write_text(text: str, stream: TextIO) -> None:
    """Write a result; a broken pipe is silent, a full disk is told."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        drop_output(stream)
    except OSError as error:
        drop_output(stream)
        raise UsageError(f"cannot write the result: {error.strerror}") from None


def drop_output(stream: TextIO) -> None:
    """Leave nothing for the interpreter to flush into a place that takes no more: whoever read has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def exit_with(report: Report) -> None:
    """Say on standard error what the gate found and exit with the report's status."""
    gated = report.gated()
    if not report.request.fail_on:
        typer.echo("cestab: nothing was gated; --fail-on names the findings that make the exit status 1", err=True)
    elif gated:
        settings = len({id(result) for result, _ in gated})
        kinds = ", ".join(dict.fromkeys(finding.kind.label for _, finding in gated))
        typer.echo(f"cestab: gate failed in {settings} of {len(report.settings)} settings: {kinds}", err=True)
    raise typer.Exit(report.exit_status())
