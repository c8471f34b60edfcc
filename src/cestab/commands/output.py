"""Where results go: standard output or a file, a line on standard error, the page of a CI job."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol, TextIO, TypeVar

import typer

from cestab.commands.interruption import HURRY, finishing
from cestab.commands.options import OutputOptions
from cestab.commands.output_file import open_file
from cestab.commands.progress import show_progress
from cestab.errors import ExitStatus, UsageError
from cestab.reports.forms import Answer, Forms, OutputFormat
from cestab.vocabulary.escaping import escape, escape_coloured


class _Gated(Protocol):
    def exit_status(self) -> ExitStatus: ...


Gated = TypeVar("Gated", bound=_Gated)


@contextmanager
def open_output(path: str | None, inputs: Iterable[str] = ()) -> Iterator[TextIO]:
    """Yield the stream for the report: standard output, or a file that is none of the inputs."""
    if path is None or path == "-":
        yield sys.stdout
        return
    with open_file(path, inputs) as stream:
        yield stream
    tell(f"wrote {path}")


def write_answer(answer: Answer, forms: Forms[Answer], form: OutputFormat, stream: TextIO) -> None:
    """Write an answer in the form asked for, and what of it the page of a CI job gets."""
    with finishing():
        text, page = forms.render(answer, form, stream)
        write_text(text, stream)
        if page is not None:
            _append_summary(page)


def deliver(
    run: Callable[..., Gated], forms: Forms[Gated], output: OutputOptions, doing: tuple[str, str], inputs: Iterable[str]
) -> NoReturn:
    """Run a request, write its answer to the output that is asked for, which is none of its inputs, and exit.

    `doing`: what is done, and the unit in which progress is counted.
    """
    from cestab.evaluation.memory import keep_freed_memory

    keep_freed_memory()
    with open_output(output.output, inputs) as stream:
        with show_progress(*doing, tell) as progress:
            answer = run(progress=progress)
        write_answer(answer, forms, output.form, stream)
    finish(answer, forms)


def finish(answer: Gated, forms: Forms[Gated]) -> NoReturn:
    """Say on standard error what the gate found and exit with the answer's status."""
    sentence = None if forms.describe_gate is None else forms.describe_gate(answer)
    if sentence is not None:
        tell(sentence)
    raise typer.Exit(ExitStatus.INTERRUPTED if HURRY.is_set() else answer.exit_status())


def _append_summary(page: str) -> None:
    """Append Markdown to the file that GitHub names; that it cannot be written changes no status."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(page + "\n")
    except OSError as error:
        tell(f"cannot write the summary to GITHUB_STEP_SUMMARY: {error.strerror or error}")


def write_text(text: str, stream: TextIO) -> None:
    """Write a result; a broken pipe is silent, a full disk is reported."""
    try:
        stream.write(escape_coloured(text) if stream.isatty() else escape(text))
        stream.flush()
    except BrokenPipeError:
        drop_output(stream)
    except OSError as error:
        drop_output(stream)
        raise UsageError(f"cannot write the result: {error.strerror}") from None


def tell(sentence: str) -> None:
    """Say a sentence on standard error; that nobody listens there changes no status."""
    try:
        print(f"cestab: {escape(sentence)}", file=sys.stderr, flush=True)
    except OSError:
        drop_output(sys.stderr)


def drop_output(stream: TextIO) -> None:
    """Leave nothing for the interpreter to flush into a place that takes no more: whoever read has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
