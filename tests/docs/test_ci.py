"""The recipes of docs/ci.md: their shell parts are run, word for word, with the installed cestab first on PATH.

Left out: lines that install from an index. The folder holds what the recipes speak of: a configuration, an older report.
Where the same lines are to fail for another formulation, they are run in this process.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cestab.commands.app import app, run

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True))
PROJECT = """
[[audit]]
formulations = ["log-softmax"]
dtypes = ["float16"]
classes = [2]
"""
GIVEN = ["cestab.toml", "stability.json"]


def blocks(section: str, language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL))


def shell_lines(section: str) -> list[str]:
    """Return the commands of a YAML recipe: values of `run:` and `entry:`, items of `script:` (all on one line)."""
    text = blocks(section, "yaml")
    single = re.findall(r"^ *(?:- )?(?:run|entry): (.+)$", text, re.MULTILINE)
    scripts = re.findall(r"^ *script:\n((?:^ +- .+\n)+)", text, re.MULTILINE)
    return single + [item.strip().removeprefix("- ") for script in scripts for item in script.splitlines()]


def runnable(section: str) -> list[str]:
    return [line for line in shell_lines(section) if not line.startswith("pip install ")]


def run_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    shell = shutil.which("bash")
    assert shell
    words = [shell, "-euo", "pipefail", "-c", line]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_here(line: str) -> int:
    """Run a line in this process and the current folder; return its exit status."""
    words = shlex.split(line)
    assert words[0] == "cestab"
    return run(words[1:])


def test_the_recipes_are_read() -> None:
    assert list(SECTIONS) == ["GitHub Actions", "GitLab", "pre-commit", "jq"]
    assert [len(shell_lines(section)) for section in SECTIONS] == [4, 4, 2, 0]
    assert [len(runnable(section)) for section in SECTIONS] == [3, 3, 2, 0]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a configuration that passes and the report that was committed before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "cestab.toml").write_text(PROJECT, encoding="utf-8")
    sweep = next(line for line in runnable("GitLab") if "-o new.json" in line)
    assert run_here(sweep.replace("new.json", "stability.json")) == 0
    return tmp_path


@pytest.mark.parametrize("section", ["GitHub Actions", "GitLab", "pre-commit"])
def test_the_shell_parts_run_and_fail_for_a_formulation_that_is_not_stable(section: str, project: Path) -> None:
    for line in runnable(section):
        done = run_shell(line, project)
        assert done.returncode == 0, done.stderr
        is_gate = "--json" not in line
        assert ("nothing was gated" not in done.stderr) is is_gate, done.stderr
    written = {"GitHub Actions": ["cestab.sarif", "summary.md"], "GitLab": ["cestab.xml", "new.json"], "pre-commit": []}
    assert sorted(path.name for path in project.iterdir()) == sorted([*GIVEN, *written[section]])

    config, new = project / "cestab.toml", project / "new.json"
    config.write_text(PROJECT.replace("log-softmax", "naive"), encoding="utf-8")
    if new.exists():  # the same request, but a kernel that got worse
        sweep = next(line for line in runnable(section) if "-o new.json" in line)
        assert run_here(sweep.replace("log-softmax", "naive")) == 0
        new.write_text(new.read_text(encoding="utf-8").replace('"naive"', '"log-softmax"'), encoding="utf-8")
    for line in runnable(section):
        if "-o new.json" not in line:
            assert run_here(line.replace("log-softmax", "naive")) == 1, line


@pytest.mark.parametrize("section", ["GitHub Actions", "GitLab", "pre-commit"])
def test_every_option_exists(section: str) -> None:
    commands: dict[str, Any] = getattr(get_command(app), "commands")  # noqa: B009  # typer's own group type is not exported
    for line in runnable(section):
        words = line.split()
        assert words[0] == "cestab"
        options = {name for parameter in commands[words[1]].params for name in parameter.opts}
        assert [word for word in words if re.match(r"--?[a-z]", word) and word not in options] == [], line


def test_the_jq_line_lists_the_failing_settings(tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done = run_shell(blocks("jq", "bash"), tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    failing = [
        [setting["formulation"], setting["target"], finding["kind"], finding["first"]["t"]]
        for setting in report["settings"]
        for finding in setting["findings"]
        if finding["severity"] == "fail"
    ]
    assert failing
    assert [[*words, float(t)] for *words, t in rows] == failing
