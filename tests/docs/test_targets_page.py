"""docs/targets.md: its table is that of the kept findings, its commands parse, and its NumPy examples give what it shows."""

import importlib.util
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cestab.commands.app import run
from cestab.external import ADAPTERS
from cestab.external.formulation import find_any_formulation
from cestab.vocabulary.external import Guard
from events import TOUCH, load_first

Command = Callable[[str], tuple[int, str]]

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "targets.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
SHOWN = re.findall(r"^```bash\n(cestab [^\n]*)\n```\n\n```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's own files."""
    (tmp_path / "losses.py").write_text(SCRIPTS[0], encoding="utf-8")
    (tmp_path / "recipe.py").write_text(next(s for s in SCRIPTS if "@cestab.formulation" in s), encoding="utf-8")
    (tmp_path / "broken.py").write_text(next(s for s in SCRIPTS if "def crashes" in s), encoding="utf-8")
    configuration = re.search(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert configuration is not None
    (tmp_path / "cestab.toml").write_text(configuration.group(1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str]]:
    """Run a line of the page in this process; return its status and what it prints."""

    def run_line(line: str) -> tuple[int, str]:
        capsys.readouterr()
        return run(shlex.split(line)[1:]), capsys.readouterr().out

    return run_line


def without_versions(text: str) -> str:
    return re.sub(r"numpy [0-9.]+", "numpy X", text)


def test_three_commands_are_shown_with_what_they_print() -> None:
    assert len(SHOWN) >= 3


@pytest.mark.parametrize(
    ("line", "shown"),
    [pytest.param(line, shown, marks=[pytest.mark.thorough] if "--timeout" in line else [], id=line) for line, shown in SHOWN],
)
def test_what_the_page_shows_is_what_its_command_prints(
    line: str, shown: str, command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--timeout 10 --max-memory 2G" in line:
        with (folder / "broken.py").open("a", encoding="utf-8") as file:
            file.write(TOUCH)
        names = re.findall(r"-f (\S+)", line)
        load_first(names, Guard(timeout_seconds=10.0, max_memory_bytes=2**31), folder, monkeypatch)
    assert without_versions(command(line)[1]) == without_versions(shown)


def test_the_repaired_gate_passes_and_a_wider_one_fails(folder: Path, command: Command) -> None:
    assert command("cestab check")[0] == 0
    configuration = folder / "cestab.toml"
    configuration.write_text(configuration.read_text(encoding="utf-8").replace("-80:80", "-100:100"), encoding="utf-8")
    assert command("cestab check")[0] == 1


@pytest.mark.usefixtures("folder")
def test_the_recipe_runs_in_every_format_and_shows_its_operations(command: Command) -> None:
    sweep, explain = (line for line in COMMANDS if "recipe.py" in line)
    assert command(sweep)[0] == 0
    status, shown = command(explain)
    assert status == 0
    assert "Root cause" in shown


def test_every_adapter_has_an_example_that_parses() -> None:
    names = [
        word
        for line in COMMANDS
        for before, word in zip(shlex.split(line), shlex.split(line)[1:], strict=False)
        if before == "-f"
    ]
    adapters = {name.partition(":")[0] for name in names if find_any_formulation(name).name == name}
    assert {*ADAPTERS} - {"python"} <= adapters


def test_the_table_is_that_of_the_kept_findings() -> None:
    spec = importlib.util.spec_from_file_location("findings", TESTS / "frameworks" / "findings.py")
    assert spec is not None
    assert spec.loader is not None
    findings: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(findings)
    kept = json.loads((TESTS / "frameworks" / "findings.json").read_text(encoding="utf-8"))
    assert findings.render_table(kept) in PAGE
    for version in kept["versions"].values():
        assert version in PAGE
