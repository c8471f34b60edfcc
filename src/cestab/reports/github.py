"""A gate as workflow commands of GitHub Actions, which it shows as annotations: `::error title=…::…`."""

from collections.abc import Iterator

from cestab.reports.gate import GateCase, GateReport, Level, Problem
from cestab.vocabulary.escaping import escape
from cestab.vocabulary.phrases import show_count

MOST_PER_LEVEL = 9  # GitHub shows 10 of a level per step and drops the rest without a word
COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(gate: GateReport) -> str:
    """Return annotations, at most nine of each level, then what is left out and the headline as plain lines."""
    annotations = list(_annotations(gate))
    lines: list[str] = []
    for level, command in COMMANDS.items():
        level_lines = [line for shown, line in annotations if shown is level]
        lines += level_lines[:MOST_PER_LEVEL]
        if len(level_lines) > MOST_PER_LEVEL:
            lines.append(f"and {len(level_lines) - MOST_PER_LEVEL} more of level {command}")
    return "\n".join([*lines, _summarize(gate)]) + "\n"


def _annotations(gate: GateReport) -> Iterator[tuple[Level, str]]:
    for case in gate.cases:
        for problem in case.problems:
            level = _level(problem)
            yield level, _command(level, case, problem.rule, _describe(problem))
        if case.error is not None:
            yield Level.ERROR, _command(Level.ERROR, case, "not audited", case.error)
    yield from _partly(gate)


def _partly(gate: GateReport) -> Iterator[tuple[Level, str]]:
    """Yield a warning per group and reason: one per setting would leave no room for findings."""
    by_reason: dict[tuple[str, str], list[GateCase]] = {}
    for case in gate.cases:
        if case.partly is not None:
            by_reason.setdefault((case.group, case.partly), []).append(case)
    for (_, reason), (first, *more) in by_reason.items():
        words = f"{reason} (as in {show_count(len(more), 'more setting')})" if more else reason
        yield Level.WARNING, _command(Level.WARNING, first, "partly judged", words)


def _level(problem: Problem) -> Level:
    """Return the level of a problem: an error only where it makes the exit status 1."""
    if problem.is_gated:
        return Level.ERROR
    return Level.NOTE if problem.accepted is not None or problem.level is Level.NOTE else Level.WARNING


def _describe(problem: Problem) -> str:
    accepted = "" if problem.accepted is None else f" (accepted: {problem.accepted})"
    return problem.message + accepted + ("" if problem.reproduce is None else f"\n{problem.reproduce}")


def _command(level: Level, case: GateCase, title: str, message: str) -> str:
    place = [] if case.location is None else [("file", case.location.file), ("line", str(case.location.line))]
    properties = ",".join(f"{key}={_escape_property(value)}" for key, value in [*place, ("title", title)])
    return f"::{COMMANDS[level]} {properties}::{_escape(f'{case.group}, {case.name}: {message}')}"


def _summarize(gate: GateReport) -> str:
    """Return the last line: what the gate found. It begins with no `::` and is one line, so it is no command."""
    gated = len(gate.gated())
    verdict = f"{gated} gated" if gated else "nothing gated"
    skipped = sum(case.skipped is not None for case in gate.cases)
    crashed = sum(case.error is not None for case in gate.cases)
    partly = sum(case.partly is not None for case in gate.cases)
    unjudged = [f"{skipped} skipped", f"{partly} partly judged", f"{crashed} not audited"]
    counts = [show_count(len(gate.cases), "setting"), verdict, *unjudged]
    headline = " ".join(gate.headline.split()).replace("##[", "## [")  # the runner's older mark, read anywhere in a line
    return f"cestab {gate.command}: {', '.join(counts)}; {headline}"


def _escape(data: str) -> str:
    return escape(data).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(value: str) -> str:
    return _escape(value).replace(":", "%3A").replace(",", "%2C")
