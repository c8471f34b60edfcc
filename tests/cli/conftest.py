"""The command line run in this process, in a scrubbed environment of 80 columns."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cestab.cli.app import run


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


@pytest.fixture
def cestab(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `cestab ARGUMENTS…`: the arguments as strings, a string with spaces is one argument."""

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = run(list(arguments))
        return Outcome(status, *capsys.readouterr())

    return command
