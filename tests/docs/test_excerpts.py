"""The excerpts of docs/output-formats.md are what the command on that page prints in each format."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cestab.commands.app import run
from cestab.commands.sweep.rows import COLUMNS
from cestab.reports.forms import OutputFormat

PAGE = (Path(__file__).parents[2] / "docs" / "output-formats.md").read_text(encoding="utf-8")
COMMAND = re.search(r"^```bash\ncestab (.+) --output-format csv\n```", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def section(form: str) -> str:
    return PAGE.split(f"\n## {form}\n")[1].split("\n## ")[0]


def excerpts() -> Iterator[tuple[str, str]]:
    for form in ("csv", "markdown", "junit", "sarif", "github"):
        yield form, re.findall(r"^```\w+\n(.*?)^```", f"{section(form)}\n", re.MULTILINE | re.DOTALL)[0]


def test_every_format_has_its_section() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(OutputFormat)


@pytest.mark.parametrize(("form", "excerpt"), list(excerpts()), ids=lambda value: value if "\n" not in value else "")
def test_excerpts_are_real(form: str, excerpt: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert COMMAND
    assert run([*shlex.split(COMMAND[1]), "--output-format", form]) == 1
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    shown = [line.strip().rstrip(",") for line in excerpt.splitlines()]
    assert [line for line in shown if line and line not in {p.rstrip(",") for p in printed}] == []
    assert shown


def test_every_column_is_documented_in_order() -> None:
    assert tuple(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section("csv"), re.MULTILINE)))) == COLUMNS
