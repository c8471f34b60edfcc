"""The forms of a report, a row each, and the one place where an answer is written in the form that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Generic, Self, TextIO, TypeVar

from cestab.errors import ExitStatus
from cestab.reports import github, junit, sarif, summary
from cestab.reports.gate import GateCase, GateReport

Answer = TypeVar("Answer")
INTERRUPTED = "interrupted: only what was finished is here"


class OutputFormat(StrEnum):
    """Forms of a report.

    `ending` is that of the files that have this form where none is asked for. `render_gate` writes one that CI systems read
    from the gate, `render_page` what is added to the page of a CI job.
    """

    ending: str
    render_gate: Callable[[GateReport], str] | None
    render_page: Callable[[GateReport], str] | None

    TABLE = "table"
    JSON = "json", ".json"
    CSV = "csv", ".csv"
    MARKDOWN = "markdown", ".md"
    JUNIT = "junit", ".xml", junit.render
    SARIF = "sarif", ".sarif", sarif.render
    GITHUB = "github", "", github.render, summary.render_gate
    HTML = "html", ".html"

    def __new__(
        cls,
        name: str,
        ending: str = "",
        render_gate: Callable[[GateReport], str] | None = None,
        render_page: Callable[[GateReport], str] | None = None,
    ) -> Self:
        """Make the word from its row."""
        form = str.__new__(cls, name)
        form._value_, form.ending, form.render_gate, form.render_page = name, ending, render_gate, render_page
        return form

    @classmethod
    def of_file(cls, path: str) -> "OutputFormat":
        """Return the form that a path's ending names; a table if it names none."""
        suffix = Path(path).suffix.lower()
        return next((form for form in cls if form.ending == suffix), cls.TABLE)


@dataclass(frozen=True, kw_only=True)
class Forms(Generic[Answer]):
    """How a command shows its answer: a function for each form that it has; the forms for CI are written from its gate.

    `refuse` raises a UsageError for an answer that is none; `describe_gate` says in a line what the gate found.
    """

    table: Callable[[Answer, TextIO], str]
    json: Callable[[Answer], str]
    csv: Callable[[Answer], str] | None = None
    markdown: Callable[[Answer], str] | None = None
    html: Callable[[Answer], str] | None = None
    gate: Callable[[Answer], GateReport] | None = None
    refuse: Callable[[Answer], None] | None = None
    describe_gate: Callable[[Answer], str | None] | None = None

    def render(self, answer: Answer, form: OutputFormat, stream: TextIO) -> tuple[str, str | None]:
        """Return the answer as it is to be written to the stream, and what is added to the page of a CI job."""
        if self.refuse is not None:
            self.refuse(answer)
        if form.render_gate is not None and self.gate is not None:
            gate = _add_interruption(self.gate(answer))
            return form.render_gate(gate), None if form.render_page is None else form.render_page(gate)
        if form is OutputFormat.TABLE:
            return self.table(answer, stream), None
        writers = {
            OutputFormat.JSON: self.json,
            OutputFormat.CSV: self.csv,
            OutputFormat.MARKDOWN: self.markdown,
            OutputFormat.HTML: self.html,
        }
        write = writers[form]
        assert write is not None, f"the command has no form {form}"
        return write(answer), None


def _add_interruption(gate: GateReport) -> GateReport:
    """Return a gate that an interruption cut short with a case that says so."""
    if gate.status is not ExitStatus.INTERRUPTED:
        return gate
    return replace(gate, cases=(*gate.cases, GateCase(group="cestab", name="interrupted", problems=(), error=INTERRUPTED)))
