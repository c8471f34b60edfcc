"""docs/audit.md: its example is what the command prints, and what it promises of the output is there."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"^```bash\ncestab ([^\n]+)\n```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_is_real(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXAMPLE, "there is one"
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(ROOT)
    assert run(shlex.split(EXAMPLE[1])) == 0
    assert capsys.readouterr().out == EXAMPLE[2]
    for words in ("breaks at", "training sees", "Rounding the logits alone", "The answer", "The worst row"):
        assert words in EXAMPLE[2]
        assert words.lower() in PAGE.replace(EXAMPLE[2], "").lower()


def test_what_the_text_says_of_the_example_is_in_it() -> None:
    assert EXAMPLE, "there is one"
    assert "A wrong gradient in 5 of 899 rows can be 40 % of the gradient" in PAGE
    assert re.search(r"^clipped .*/ 40 %", EXAMPLE[2], re.MULTILINE)
    assert "vanishing-gradient in 5 rows" in EXAMPLE[2]
    assert "899 rows" in EXAMPLE[2]
