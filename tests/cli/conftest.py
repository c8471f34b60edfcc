"""The command line run in this process, in a scrubbed environment of 80 columns; every JSON report is held to its schema."""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main
from jsonschema import Draft202012Validator
from msgspec import convert

from cestab.commands.app import run
from cestab.commands.schema import find_reports, read_schema
from cestab.reports.json import write_json

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script: programs that are started inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Outcome(NamedTuple):
    """What a shell would see of one command."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _scrub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")


build_commands = cache(typer.main.get_command)


@pytest.fixture(scope="module", autouse=True)
def _build_commands_once() -> Iterator[None]:
    """Build typer's commands, which hold no state, once for all calls: building them takes longer than most of the calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", build_commands)
        yield


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(read_schema(name)))


def check_json(text: str, status: int) -> None:
    """Assert that a report is valid by the schema that it names, reads back, and is an error where the status is 2."""
    report = json.loads(text)
    name, version = report["schema"].removeprefix("cestab.").split("/")
    assert version == "1"
    assert name == "error" if status == 2 else report.get("status", status) == status
    validator(name).validate(report)
    assert write_json(convert(report, find_reports()[name])) == text


def check_outcome(arguments: Sequence[str], outcome: Outcome) -> None:
    """Check what a command wrote if JSON was asked for: on standard output, or in the file after -o."""
    pairs = list(pairwise(arguments))
    asked = "--json" in arguments or ("--output-format", "json") in pairs or "--output-format=json" in arguments
    if not asked or "--help" in arguments or outcome.status not in (0, 1, 2, 3):
        return
    files = [Path(value) for option, value in pairs if option in ("-o", "--output") and value != "-"]
    if outcome.out or not files:
        check_json(outcome.out, outcome.status)
    elif files[-1].is_file():
        check_json(files[-1].read_text(encoding="utf-8"), outcome.status)


@pytest.fixture
def cestab(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `cestab ARGUMENTS…`: the arguments as strings, a string with spaces is one argument."""

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = run(list(arguments))
        outcome = Outcome(status, *capsys.readouterr())
        check_outcome(arguments, outcome)
        return outcome

    return command
