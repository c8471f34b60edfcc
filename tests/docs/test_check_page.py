"""docs/check.md: its example gives the output that it quotes, and it lists every key and column."""

import re
import shlex
from pathlib import Path

import pytest

from cestab.commands.app import run
from cestab.commands.check import config
from cestab.commands.check.rows import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

BASELINE = 'baseline = "cestab-baseline.json"\n'


def block(kind: str, number: int) -> str:
    return [text for name, text in BLOCKS if name == kind][number]


def test_the_example_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("cestab.toml").write_text(block("toml", 0), encoding="utf-8")
    assert run(shlex.split(block("bash", 0))[1:]) == 1
    check = capsys.readouterr()
    assert (check.out, check.err) == (block("text", 0), block("text", 1))
    config_file = Path("cestab.toml")
    config_file.write_text(BASELINE + config_file.read_text(encoding="utf-8"), encoding="utf-8")
    assert BASELINE.strip() in PAGE
    assert run(shlex.split(block("bash", 1))[1:]) == 0
    assert capsys.readouterr().err == block("text", 2)
    assert run(["check"]) == 0


def test_every_key_and_column_is_in_the_tables() -> None:
    listed = set(re.findall(r"`([^`]+)`", " ".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))))
    known = {*config.TOP, *config.SWEEP, *config.RECORDED, *config.ALLOW_SWEEP}
    assert listed == known
    assert ", ".join(f"`{column}`" for column in COLUMNS) in " ".join(PAGE.split())


def test_the_python_example_passes() -> None:
    found: dict[str, object] = {}
    exec(compile(block("python", 0), "check.md", "exec"), found)  # noqa: S102  # our own page
    test = found["test_loss_is_stable"]
    assert callable(test)
    test()
