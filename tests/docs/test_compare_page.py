"""docs/compare.md shows what its command prints."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")


def test_what_the_page_shows_is_what_its_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    [(line, shown)] = re.findall(r"^```bash\n(cestab [^\n]*)\n```\n\n```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert run(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out == shown
