"""The documentation: headings match the registries, command lines parse, quoted edges are what cestab finds."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cestab.api import sweep
from cestab.commands.app import app, run
from cestab.commands.sweep.answer import Report
from cestab.formulations import FORMULATIONS
from cestab.vocabulary.kinds import FindingKind

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACE = r"(\S+) `(-?0x[0-9a-f.]+p[+-]\d+)`"
FIRST_ZERO = re.compile(rf"^\| `([a-z-]+)` \| (\w+) \| `([^`]+)` \| {PLACE} \|$", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.+)$", page(name), re.MULTILINE)


def commands_in(text: str) -> list[str]:
    lines = [line.strip() for block in FENCE.findall(text) for line in block.splitlines()]
    return [line[line.index("cestab ") :] for line in lines if re.match(r"(\S*/)?cestab ", line)]


def find_setting(report: Report) -> dict[str, Any]:
    settings: list[dict[str, Any]] = json.loads(report.to_json())["settings"]
    assert len(settings) == 1
    return settings[0]


def test_every_formulation_has_its_heading_and_no_other() -> None:
    assert sorted(headings("formulations.md")) == sorted(FORMULATIONS)


def test_every_finding_has_its_heading_in_the_order_of_decision() -> None:
    assert headings("findings.md") == [kind.label for kind in FindingKind]


@pytest.mark.parametrize("kind", list(FindingKind), ids=lambda kind: kind.label)
def test_finding_section_names_its_severity(kind: FindingKind) -> None:
    section = page("findings.md").split(f"\n## {kind.label}\n")[1].split("\n## ")[0]
    assert f"**Severity:** {kind.severity}." in section


@pytest.mark.parametrize("kind", list(FindingKind), ids=lambda kind: kind.label)
def test_finding_example_fails_before_and_passes_after(
    kind: FindingKind, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = page("findings.md").split(f"\n## {kind.label}\n")[1].split("\n## ")[0]
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        exec(code, {})  # noqa: S102  # the page's own, which writes the file of the example
    statuses = [run(shlex.split(line)[1:]) for line in commands_in(section)]
    capsys.readouterr()
    assert statuses == [1, 0]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    known = get_command(app)
    commands: dict[str, Any] = getattr(known, "commands")  # noqa: B009  # typer's own group type is not exported
    for line in commands_in(path.read_text(encoding="utf-8")):
        words = shlex.split(line)[1:]
        assert words[0] in commands, line
        options = {name for parameter in commands[words[0]].params for name in parameter.opts} | {"--help"}
        unknown = [word for word in words[1:] if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options]
        assert unknown == [], line


def test_pages_have_commands() -> None:
    assert len(commands_in(page("findings.md"))) == 2 * len(FindingKind)
    assert commands_in((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_table_is_read() -> None:
    assert len(FIRST_ZERO.findall(page("bounds-and-edges.md"))) == 8


@pytest.mark.parametrize("row", FIRST_ZERO.findall(page("bounds-and-edges.md")), ids=lambda row: "-".join(row[:2]))
def test_quoted_first_zero_is_what_is_found(row: tuple[str, ...]) -> None:
    name, dtype, logits, decimal, exact = row
    classes = 1 if name == "bce-with-logits" else 2
    setting = find_setting(
        sweep(
            [name],
            dtypes=[dtype],
            patterns=["margin"],
            classes=[classes],
            targets=["correct"],
            logits=logits,
            rtol=1.0,
            atol=0.0,
        )
    )
    lowest = next(finding["lowest"] for finding in setting["findings"] if finding["kind"] == "zeroed-gradient")
    assert (repr(lowest["t"]), lowest["hex"]) == (decimal, exact)
    assert lowest["t"] > float(logits.split(":")[0])  # the range begins before it


def test_the_example_of_json_is_what_the_command_writes(tmp_path: Path) -> None:
    (command,) = (line for line in commands_in(page("json.md")) if line.endswith("--json -o sweep.json"))
    file = tmp_path / "sweep.json"
    assert run([*shlex.split(command)[1:-1], str(file)]) == 0
    (setting,) = json.loads(file.read_text(encoding="utf-8"))["settings"]
    quoted = [line.split("\t") for line in re.findall(r"^float32\t.+$", page("json.md"), re.MULTILINE)]
    found = [(f["kind"], f["severity"], f["first"]["bound"], f["first"]["t"]) for f in setting["findings"]]
    assert [(kind, severity, bound) for _, kind, severity, _, _, bound in quoted] == [finding[:3] for finding in found]
    assert [float(t) for _, _, _, t, _, _ in quoted] == pytest.approx([t for *_, t in found], rel=0.02)
    assert [float.fromhex(exact) for _, _, _, _, exact, _ in quoted] == pytest.approx(
        [float(line[3]) for line in quoted], rel=1e-7
    )
