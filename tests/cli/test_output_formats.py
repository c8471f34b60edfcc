"""Output formats: each is read back as what it claims to be, and none changes the exit status."""

import csv
import io
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cestab.commands.sweep import run as sweep_module
from cestab.commands.sweep.answer import Report
from cestab.reports.forms import OutputFormat
from cestab.vocabulary.kinds import Verdict

Command = Callable[..., Any]

BASE = "sweep -f naive --dtype float16 --pattern margin --classes 2 --target wrong"
LOGITS = Path(__file__).parents[1] / "data" / "digits_logits.npz"
LINES = [
    # a command line and its status: naive overflows from |t| = 11.09 on in float16 and is sound on small logits
    (BASE, 0),
    (f"{BASE} --fail-on fail", 1),
    (f"{BASE} --fail-on underflowing-gradient", 0),
    (f"{BASE} --logits -1:1 --fail-on fail", 0),
    ("sweep -f naive --dtype float8_e4m3fn,float16 --pattern masked --classes 2 --fail-on nan-loss", 1),
    ("sweep -f naive --dtype float8_e4m3fn,float16 --pattern masked --classes 2 --logits -1:1 --fail-on nan-loss", 0),
    ("sweep -f naive --dtype float8_e4m3fn --pattern masked --classes 2 --fail-on fail", 2),
    (f"audit {shlex.quote(str(LOGITS))} -f naive --dtype float16 --fail-on fail", 1),
    (f"audit {shlex.quote(str(LOGITS))} -f compensated --dtype float32 --fail-on fail", 0),
]
READ: dict[str, Callable[[str], object]] = {
    "table": lambda text: text.startswith("cestab "),
    "json": lambda text: json.loads(text)["settings"],
    "csv": lambda text: next(csv.DictReader(io.StringIO(text)))["formulation"] in {"naive", "compensated"},
    "markdown": lambda text: text.startswith("### cestab ") and "| --- |" in text,
    "junit": lambda text: ET.fromstring(text.encode()).findall("testsuite/testcase"),  # noqa: S314  # our own
    "sarif": lambda text: json.loads(text)["runs"][0]["invocations"],
    "github": lambda text: text.splitlines()[-1].startswith("cestab "),
    "html": lambda text: text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n"),
}


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def test_every_format_is_read() -> None:
    assert list(READ) == list(OutputFormat)


@pytest.mark.parametrize("form", list(OutputFormat))
@pytest.mark.parametrize(("line", "status"), LINES)
def test_every_format_has_the_same_status_and_is_what_it_claims(line: str, status: int, form: str, cestab: Command) -> None:
    outcome = cestab(*shlex.split(line), "--output-format", form)
    assert outcome.status == status
    assert ("gate failed" in outcome.err) is (status == 1)
    if status == 2:
        assert "no infinity" in outcome.err
        assert (outcome.out == "") is (form != "json")
    else:
        assert READ[form](outcome.out)


@pytest.mark.parametrize("form", list(OutputFormat))
def test_a_crashed_setting_is_status_3_in_every_format(form: str, cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = sweep_module.run_sweep

    def with_a_crash(*arguments: Any, **options: Any) -> Report:
        report = genuine(*arguments, **options)
        crashed = replace(report.settings[0], verdict=Verdict.ERROR, findings=(), reason="it crashed")
        return replace(report, settings=(*report.settings, crashed))

    monkeypatch.setattr(sweep_module, "run_sweep", with_a_crash)
    outcome = cestab(*BASE.split(), "--logits", "-1:1", "--fail-on", "fail", "--output-format", form)
    assert outcome.status == 3
    assert "it crashed" in outcome.out


def test_the_junit_failures_are_what_the_gate_found(cestab: Command) -> None:
    options = ("--target", "correct", "--fail-on", "inf-loss", "--output-format", "junit")  # only the wrong class has inf-loss
    root = ET.fromstring(cestab(*BASE.split(), *options).out.encode())  # noqa: S314  # our own
    failed = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failed == ["float16, margin, 2 classes, wrong"]
    assert (root.get("tests"), root.get("failures")) == ("2", "1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--json --output-format table", ["--json", "table"]),
        ("--json --output-format csv", ["--json", "csv"]),
        ("--detail --output-format junit", ["--detail", "table", "junit"]),
        ("--detail --json", ["--detail", "table", "json"]),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_the_work(
    options: str, words: list[str], cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "run_sweep", lambda *_, **__: pytest.fail("the sweep ran"))
    status, out, err = cestab(*BASE.split(), *options.split())
    assert status == 2
    assert (out == "") is ("--json" not in options)
    assert err.count("\n") == 1
    assert [word for word in words if word not in err] == []


def test_json_said_twice_is_json(cestab: Command) -> None:
    outcome = cestab(*BASE.split(), "--json", "--output-format", "json")
    assert (outcome.status, json.loads(outcome.out)["schema"]) == (0, "cestab.sweep/1")


@pytest.mark.parametrize(("gate", "status"), [("fail", 1), ("underflowing-gradient", 0)])
def test_github_appends_to_the_summary_of_the_job(
    gate: str, status: int, cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("of a step before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert cestab(*BASE.split(), "--fail-on", gate, "--output-format", "junit").status == status
    assert summary.read_text(encoding="utf-8") == "of a step before\n"
    assert cestab(*BASE.split(), "--fail-on", gate, "--output-format", "github").status == status
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("of a step before\n### cestab ")
    assert ("| gated |" in text) is (status == 1)


@pytest.mark.parametrize(("gate", "status"), [("fail", 1), ("underflowing-gradient", 0)])
def test_a_summary_that_cannot_be_written_is_a_warning(
    gate: str, status: int, cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    outcome = cestab(*BASE.split(), "--fail-on", gate, "--output-format", "github")
    assert outcome.status == status
    assert "::" in outcome.out
    assert "GITHUB_STEP_SUMMARY" in outcome.err
