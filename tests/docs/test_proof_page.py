"""The commands of docs/proof.md that take seconds do what the page shows; numbers may differ with the processor."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run

PAGE = (Path(__file__).parents[2] / "docs" / "proof.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}


def commands(section: str) -> list[list[str]]:
    """Return the command lines of a section, word by word, without `cestab`."""
    (block,) = re.findall(r"```bash\n(.*?)```", SECTIONS[section], re.DOTALL)
    return [shlex.split(line)[1:] for line in block.splitlines()]


def shape(text: str) -> str:
    """Return a text without its numbers and its breaks between words."""
    return " ".join(re.sub(r"[\d.,]+(e[+-]?\d+)?", "#", text).split())


@pytest.mark.parametrize("section", ["Certificates", "verify"])
def test_what_is_shown_is_printed(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for words in commands(section):
        assert run(words) == 0
    (shown,) = re.findall(r"```text\n(.*?)```", SECTIONS[section], re.DOTALL)
    assert shape(shown) in shape(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("section", "asked", "less"), [("Every float", "all", "88:88.5"), ("Every pair", "bfloat16", "float8_e5m2")]
)
def test_what_takes_long_can_be_asked_for_less(section: str, asked: str, less: str, capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = commands(section)
    assert asked in words
    assert run([less if word == asked else word for word in words]) == 0
    assert "settings, " in capsys.readouterr().out
