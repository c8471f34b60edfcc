"""`cestab verify`: statuses, the table, the JSON, and reports that were changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cestab.commands.app import run

SWEEP = ["sweep", "-f", "naive", "-f", "compensated", "--dtype", "float32", "--pattern", "margin", "--classes", "2", "--json"]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    assert run([*SWEEP, "-o", "report.json"]) == 0
    capsys.readouterr()
    data: dict[str, Any] = json.loads(Path("report.json").read_text(encoding="utf-8"))
    return data


def write(data: dict[str, Any]) -> None:
    Path("report.json").write_text(json.dumps(data), encoding="utf-8")


def test_a_report_is_confirmed(report: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert report["settings"]
    assert run(["verify", "report.json"]) == 0
    assert "verify · 4 settings · all " in capsys.readouterr().out
    assert run(["verify", "report.json", "--all", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    schema = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "verify.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(shown)
    assert shown["all"] is True
    assert shown["differences"] == []
    assert shown["summary"]["settings"] == 4


def test_a_count_that_was_changed_is_noticed_where_all_is_run_again(
    report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = next(own for own in report["settings"] if own["formulation"] == "naive")
    setting["findings"][0]["cases"] += 1
    write(report)
    assert run(["verify", "report.json"]) == 0
    capsys.readouterr()
    assert run(["verify", "report.json", "--all"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    kind, cases = setting["findings"][0]["kind"], setting["findings"][0]["cases"]
    assert f"cases with {kind}, run again: the report says {cases:,}, found {cases - 1:,}" in shown


def test_an_error_that_was_changed_is_named(report: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    report["settings"][-1]["max_error"]["gradient_ulps"] += 0.25
    write(report)
    assert run(["verify", "report.json", "--json"]) == 1
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference["figure"] == "largest error of the gradient"
    assert difference["setting"]["formulation"] == "compensated"
    assert difference["said"] != difference["found"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (lambda data: data["request"].update(dtype=["float16"]), 3, "it is no setting of the report's request"),
        (lambda data: data.update(schema="cestab.sweep/9"), 2, "cestab.sweep/9"),
    ],
)
def test_what_cannot_be_run_again_is_told(
    change: Any, status: int, words: str, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    change(report)
    write(report)
    assert run(["verify", "report.json"]) == status
    shown = capsys.readouterr()
    assert words in " ".join((shown.out + shown.err).split())


def test_an_audit_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = Path(__file__).parents[1] / "data" / "digits_logits.npz"
    monkeypatch.chdir(tmp_path)
    run(["audit", str(digits), "-f", "naive", "--dtype", "float32", "--json", "-o", "audit.json"])
    capsys.readouterr()
    assert run(["verify", "audit.json"]) == 2
    assert "is an audit of recorded logits: what is verified is a report of sweep" in capsys.readouterr().err
