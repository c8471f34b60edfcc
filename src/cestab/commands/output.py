"""Where results go: standard output or a file that is opened before the work and replaced when it is whole."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import typer

from cestab.commands.options import OutputFormat
from cestab.commands.sweep.answer import Report
from cestab.errors import ExitStatus, UsageError
from cestab.reports.gate import GateCase, GateReport
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import explain_unjudged

INTERRUPTED = "interrupted: only what was finished is here"
Progress = Callable[[int, int], Any]
GATE_FORMATS = (OutputFormat.JUNIT, OutputFormat.SARIF, OutputFormat.GITHUB)


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Yield the stream for the report; a file appears under its name only when all of it is written."""
    if path is None or path == "-":
        yield sys.stdout
        return
    if not path:
        raise UsageError("-o '' names no file")
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
        raise UsageError(f"nothing could be judged: {explain_unjudged(report.settings)}")
    if output_format in GATE_FORMATS:
        from cestab.commands.sweep.gate import to_gate

        write_gate(to_gate(report), stream, output_format)
    else:
        write_text(_render(report, stream, output_format, detail=detail), stream)


def _render(report: Report, stream: TextIO, output_format: OutputFormat, *, detail: bool) -> str:
    """Return the report in a form that is written from all of it."""
    from cestab.commands.sweep import markdown, table
    from cestab.commands.sweep import rows as csv_v1
    from cestab.commands.sweep import wire as json_v1

    match output_format:
        case OutputFormat.JSON:
            return json_v1.render(report)
        case OutputFormat.CSV:
            return csv_v1.render(report)
        case OutputFormat.MARKDOWN:
            return markdown.render(report)
        case _:
            return table.render(report, stream, detail=detail)


def write_gate(gate: GateReport, stream: TextIO, output_format: str) -> None:
    """Write a gate as junit, sarif or github; the last of them adds a summary to the job's page, too."""
    from cestab.reports import github, junit, sarif

    if gate.status is ExitStatus.INTERRUPTED:
        gate = replace(gate, cases=(*gate.cases, GateCase(group="cestab", name="interrupted", problems=(), error=INTERRUPTED)))
    renderers = {OutputFormat.JUNIT: junit.render, OutputFormat.SARIF: sarif.render, OutputFormat.GITHUB: github.render}
    write_text(renderers[OutputFormat(output_format)](gate), stream)
    if output_format == OutputFormat.GITHUB:
        _append_summary(gate)


def _append_summary(gate: GateReport) -> None:
    """Append Markdown to the file that GitHub names; that it cannot be written changes no status."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from cestab.reports import summary

    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary.render_gate(gate) + "\n")
    except OSError as error:
        tell(f"cannot write the summary to GITHUB_STEP_SUMMARY: {error.strerror or error}")


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


def tell(sentence: str) -> None:
    """Say a sentence on standard error; that nobody listens there changes no status."""
    try:
        print(f"cestab: {sentence}", file=sys.stderr, flush=True)
    except OSError:
        drop_output(sys.stderr)


def drop_output(stream: TextIO) -> None:
    """Leave nothing for the interpreter to flush into a place that takes no more: whoever read has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def exit_with(report: Report) -> None:
    """Say on standard error what the gate found and exit with the report's status."""
    gated = report.gated()
    if not report.request.fail_on and not report.is_interrupted:
        tell("nothing was gated; --fail-on names the findings that make the exit status 1")
    elif gated:
        settings = len({id(result) for result, _ in gated})
        kinds = ", ".join(dict.fromkeys(finding.kind.label for _, finding in gated))
        tell(f"gate failed in {settings} of {show_count(len(report.settings), 'setting')}: {kinds}")
    raise typer.Exit(report.exit_status())
