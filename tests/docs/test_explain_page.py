"""docs/explain.md: what it prints is what the command prints, and every cause is explained."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run
from cestab.commands.explain.answer import Cause

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
RUNS = re.findall(r"^```bash\ncestab ([^\n]+)\n```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_two_cases_are_shown() -> None:
    assert len(RUNS) == 2


@pytest.mark.parametrize(("command", "output"), RUNS, ids=[command for command, _ in RUNS])
def test_output_is_real(command: str, output: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert run(shlex.split(command)) == 0
    assert capsys.readouterr().out == output


def test_every_cause_is_explained_once() -> None:
    named = re.findall(r"^\| .+ \| `([a-z-]+)` \| .+ \|$", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(Cause)
