"""Workflow commands of GitHub Actions: annotations, few enough to be shown, and a summary in Markdown for the job's page."""

from collections.abc import Iterator

from cestab.reports.rows import to_markdown
from cestab.results import GateCase, GateReport, Level, Problem

# GitHub shows ten annotations of each level from a step and drops the rest without a word.
MOST_ANNOTATIONS = 9
MOST_ROWS = 100
_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(gate: GateReport) -> str:
    """Return the workflow commands, a line each, then the headline."""
    lines = []
    for level in Level:
        found = list(_find(gate, level))
        shown = found if len(found) <= MOST_ANNOTATIONS else found[: MOST_ANNOTATIONS - 1]
        lines += [_annotate(level, title, message, case) for title, message, case in shown]
        if len(found) > len(shown):
            rest = f"{len(found) - len(shown)} more of level {_COMMANDS[level]}; --output-format json has them all"
            lines.append(_annotate(level, "cestab", rest, None))
    return "\n".join([*lines, _one_line(_summarize(gate))]) + "\n"


def render_summary(gate: GateReport) -> str:
    """Return the job summary: what is gated, then what is not, as Markdown."""
    found = [(case, problem) for case in gate.cases for problem in case.problems]
    found.sort(key=lambda pair: (not pair[1].is_gated, pair[1].accepted is not None, list(Level).index(pair[1].level)))
    rows = [(_mark(p), p.rule, f"{case.group}, {case.name}", p.message, p.reproduce or "") for case, p in found[:MOST_ROWS]]
    table = to_markdown(("", "rule", "setting", "what", "reproduce"), rows) if rows else ""
    rest = f"\n{len(found) - MOST_ROWS} more.\n" if len(found) > MOST_ROWS else ""
    return f"## cestab {gate.command}\n\n{_one_line(_summarize(gate))}\n\n{table}{rest}"


def _mark(problem: Problem) -> str:
    if problem.is_gated:
        return "gated"
    return "accepted" if problem.accepted is not None else str(problem.level)


def _find(gate: GateReport, level: Level) -> Iterator[tuple[str, str, GateCase]]:
    """Yield (title, message, case) of a level: error is what is gated or crashed, warning the other failures and warnings."""
    for case in gate.cases:
        if case.error is not None and level is Level.ERROR:
            yield f"{case.group}, {case.name}", case.error, case
        for problem in case.problems:
            shown = Level.ERROR if problem.is_gated else Level.WARNING if problem.level is not Level.NOTE else Level.NOTE
            if shown is level and problem.accepted is None:
                yield f"{problem.rule}: {case.group}, {case.name}", problem.message, case


def _annotate(level: Level, title: str, message: str, case: GateCase | None) -> str:
    properties = {"title": title}
    if case is not None and case.location is not None:
        properties = {"file": case.location.file, "line": str(case.location.line), **properties}
    written = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[level]} {written}::{_escape(message)}"


def _escape(text: str) -> str:
    """Escape a message as actions/toolkit does (command.ts, escapeData)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _summarize(gate: GateReport) -> str:
    gated = len(gate.gated())
    return f"{gate.headline}; {gated} gated" if gated else f"{gate.headline}; nothing gated was found"


def _one_line(text: str) -> str:
    """Return a text that the log cannot take for a command."""
    return " ".join(text.split()).replace("::", ": :")
