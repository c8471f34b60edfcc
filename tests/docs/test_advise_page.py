"""docs/advise.md: its example is what the command prints."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run

PAGE = (Path(__file__).parents[2] / "docs" / "advise.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"^```bash\ncestab ([^\n]+)\n```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_is_real(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXAMPLE, "there is one"
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert run(shlex.split(EXAMPLE[1])) == 0
    assert capsys.readouterr().out == EXAMPLE[2]
    for topic in ("Formulation", "Epsilon", "Loss scale", "Accumulator"):
        assert f"  {topic}: " in EXAMPLE[2]
        assert f"| {topic.lower()} |" in PAGE
