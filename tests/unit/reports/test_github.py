"""Workflow commands of hand-made gates, read as the runner of GitHub Actions reads them."""

import re

import pytest

from cestab.errors import ExitStatus
from cestab.reports import github
from cestab.reports.gate import GateCase, GateReport, Level, Location, Problem

COMMAND = re.compile(r"::([a-z]+) ([^:]*)::(.*)")  # no colon, line end or comma of a value is left in the properties
HOSTILE = ["]]>", "::error::", "two\nlines\r", "a|b", "<b>", "100%", "%0A", "a,b=c:d", "##[error]x"]


def problem(level: Level = Level.ERROR, *, is_gated: bool = False, accepted: str | None = None) -> Problem:
    return Problem(rule="nan-loss", level=level, message="the loss is NaN", is_gated=is_gated, accepted=accepted)


def render(*cases: GateCase, headline: str = "headline") -> list[str]:
    text = github.render(GateReport(command="sweep", version="1.2.3", headline=headline, cases=cases, status=ExitStatus.DONE))
    assert text.endswith("\n")
    return text.removesuffix("\n").split("\n")


def unescape(text: str) -> str:
    for mark, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(mark, sign)
    return text


def read(line: str) -> tuple[str, dict[str, str], str]:
    match = COMMAND.fullmatch(line)
    assert match, line
    properties = dict(item.split("=", 1) for item in match[2].split(","))
    return match[1], {key: unescape(value) for key, value in properties.items()}, unescape(match[3])


@pytest.mark.parametrize(
    ("shown", "command"),
    [
        (problem(is_gated=True), "error"),
        (problem(Level.WARNING, is_gated=True), "error"),
        (problem(Level.ERROR), "warning"),
        (problem(Level.WARNING), "warning"),
        (problem(Level.NOTE), "notice"),
        (problem(Level.ERROR, accepted="known"), "notice"),
    ],
)
def test_only_what_is_gated_is_red(shown: Problem, command: str) -> None:
    line, summary = render(GateCase(group="f", name="n", problems=(shown,)))
    accepted = " (accepted: known)" if shown.accepted else ""
    assert read(line) == (command, {"title": "nan-loss"}, f"f, n: the loss is NaN{accepted}")
    assert summary.startswith("cestab sweep: 1 setting, ")
    assert ("1 gated" in summary) is shown.is_gated


def test_a_crash_is_an_error_at_its_line() -> None:
    line, summary = render(
        GateCase(group="f", name="n", problems=(), error="it crashed", location=Location(file="a,b.toml", line=7))
    )
    assert read(line) == ("error", {"file": "a,b.toml", "line": "7", "title": "not audited"}, "f, n: it crashed")
    assert "1 not audited" in summary


def test_what_was_judged_in_part_is_a_warning_per_group_and_reason_and_is_counted() -> None:
    parts = [GateCase(group="f", name=str(number), problems=(), partly="no gradient") for number in range(30)]
    first, second, summary = render(
        *parts, GateCase(group="g", name="n", problems=(), partly="no gradient"), GateCase(group="h", name="m", problems=())
    )
    assert read(first) == ("warning", {"title": "partly judged"}, "f, 0: no gradient (as in 29 more settings)")
    assert read(second) == ("warning", {"title": "partly judged"}, "g, n: no gradient")
    assert "32 settings, nothing gated, 0 skipped, 31 partly judged, 0 not audited" in summary


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 100])
@pytest.mark.parametrize("shown", [problem(is_gated=True), problem(Level.WARNING), problem(Level.NOTE)])
def test_at_most_nine_of_a_level(count: int, shown: Problem) -> None:
    lines = render(*[GateCase(group="f", name=str(number), problems=(shown,)) for number in range(count)])
    annotations = [line for line in lines if line.startswith("::")]
    assert len(annotations) == min(count, 9)
    rest = [line for line in lines[:-1] if not line.startswith("::")]
    assert [line.split()[:3] for line in rest] == ([["and", str(count - 9), "more"]] if count > 9 else [])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_survives_and_is_no_command(text: str) -> None:
    hostile = Problem(rule=text, level=Level.ERROR, message=text, is_gated=True, reproduce=text, accepted=text)
    line, summary = render(
        GateCase(group=text, name=text, problems=(hostile,), location=Location(file=text, line=7)), headline=f"over {text}"
    )
    command, properties, message = read(line)
    text = text.replace("\r", "\\u000d")
    assert (command, properties) == ("error", {"file": text, "line": "7", "title": text})
    assert message == f"{text}, {text}: {text} (accepted: {text})\n{text}"
    assert not summary.startswith("::")
    assert "##[" not in summary
