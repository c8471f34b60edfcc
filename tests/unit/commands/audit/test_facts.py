"""Facts of a recorded file: counted as NumPy counts them, gated, compared by diff, and part of no verdict."""

import json
from pathlib import Path

import numpy as np
import pytest

from cestab import api
from cestab.commands.app import run
from cestab.commands.diff.run import compare_reports
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.restore import load_report
from cestab.errors import ExitStatus
from cestab.vocabulary.kinds import FindingKind, Verdict

NAN, INF = np.nan, np.inf
DTYPES = ["float16", "bfloat16", "float32"]


def make_file(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Logits (6, 20, 7) with rows of every kind, one of which has two."""
    draw = np.random.default_rng(5)
    logits = draw.normal(size=(6, 20, 7)).astype(np.float32) * 8
    labels = draw.integers(0, 7, size=(6, 20))
    logits[0, 3, 2] = logits[5, 19, 0] = NAN
    logits[1, 0] = -INF
    logits[2, 5, 1], logits[2, 6, 1] = INF, 1e5
    logits[3, 7, 4] = -3e38  # beyond float16 only
    logits[4, 1, labels[4, 1]] = logits[4, 2, labels[4, 2]] = -INF
    logits[4, 2, (labels[4, 2] + 1) % 7] = 7e4  # overflows float16, and its label is masked
    np.savez(path, logits=logits, labels=labels)
    return str(path), logits, labels


def facts_of(report: Report) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (result.setting.dtype, finding.kind.label): (finding.cases, finding.first.position)
        for result in report.data
        for finding in result.findings
    }


def test_facts_are_those_that_numpy_counts(tmp_path: Path) -> None:
    file, logits, labels = make_file(tmp_path / "a.npz")
    rows = logits.reshape(-1, 7)
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    lacks = np.isnan(rows).any(axis=1) | (rows == INF).any(axis=1) | (rows == -INF).all(axis=1)
    for dtype, largest in (("float16", 65520.0), ("bfloat16", 3.4e38), ("float32", INF)):
        overflows = (np.isfinite(rows) & (np.abs(rows.astype(float)) >= largest)).any(axis=1) & ~lacks
        masked = (np.take_along_axis(rows, labels.reshape(-1, 1), axis=1)[:, 0] == -INF) & ~lacks & ~overflows
        for kind, is_so in (("nan-logits", lacks), ("overflowing-logits", overflows), ("masked-target", masked)):
            if is_so.any():
                expected[dtype, kind] = int(is_so.sum()), int(np.flatnonzero(is_so)[0])
    report = api.audit(file, formulations=["compensated"], dtypes=DTYPES)
    assert facts_of(report) == expected
    assert len(expected) == 7


def test_a_row_has_its_index_and_no_fact_is_part_of_a_verdict(tmp_path: Path) -> None:
    report = api.audit(make_file(tmp_path / "a.npz")[0], formulations=["compensated"], dtypes=["float32"])
    (data,), (setting,) = report.data, report.settings
    assert [str(finding.first) for finding in data.findings] == ["row 3 (0, 3)", "row 81 (4, 1)"]
    assert (setting.verdict, setting.findings, setting.undefined) == (Verdict.PASS, (), 4)
    assert "passes in all 116 rows that were judged (4 were not)" in report.recommendations[0].why


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [
        ("nan-logits", ExitStatus.GATE_FAILED),
        ("masked-target", ExitStatus.GATE_FAILED),
        ("nan", ExitStatus.GATE_FAILED),
        ("inf", ExitStatus.GATE_FAILED),
        ("fail", ExitStatus.GATE_FAILED),
        ("hard", ExitStatus.DONE),
        ("loss", ExitStatus.DONE),
        ("gradient", ExitStatus.DONE),
        ("nan-loss", ExitStatus.DONE),
    ],
)
def test_gates_see_facts(fail_on: str, status: ExitStatus, tmp_path: Path) -> None:
    report = api.audit(make_file(tmp_path / "a.npz")[0], formulations=["compensated"], dtypes=["float16"], fail_on=fail_on)
    assert [f.kind for r in report.settings for f in r.findings if f.kind.severity.rank > 1] == []
    assert report.exit_status() is status


@pytest.mark.parametrize("form", ["junit", "sarif", "github", "csv", "markdown", "table"])
def test_every_form_names_a_gated_fact(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = make_file(tmp_path / "a.npz")[0]
    words = ["audit", file, "-f", "compensated", "--dtype", "float16", "--fail-on", "nan-logits", "--output-format", form]
    assert run(words) == 1
    output = capsys.readouterr()
    assert "nan-logits" in output.out
    assert output.err == "cestab: gate failed in the file: nan-logits\n"


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = api.audit(make_file(tmp_path / "a.npz")[0], formulations=["compensated"], dtypes=DTYPES)
    (tmp_path / "a.json").write_text(report.to_json(), encoding="utf-8")
    again = load_report(str(tmp_path / "a.json"))
    assert again == report
    shown = json.loads(report.to_json())["data"][0]
    first = {"row": 3, "index": [0, 3], "reproduce": None}
    assert shown == {"kind": "nan-logits", "severity": "fail", "dtype": "float16", "rows": 4, "first": first}


def test_diff_tells_new_facts_and_facts_that_are_gone(tmp_path: Path) -> None:
    file, logits, labels = make_file(tmp_path / "a.npz")
    before = api.audit(file, formulations=["compensated"], dtypes=["float32"])
    np.savez(file, logits=np.nan_to_num(logits, nan=0.0, posinf=0.0, neginf=-9.0), labels=labels)
    after = api.audit(file, formulations=["compensated"], dtypes=["float32"])
    worse = [change for _, change in compare_reports(after, before).changes() if change.is_worse]
    assert {(change.rule.label, change.subject) for change in worse} >= {
        ("new-finding", "nan-logits"),
        ("new-finding", "masked-target"),
    }
    gone = [change for _, change in compare_reports(before, after).changes() if change.subject == "nan-logits"]
    assert [(change.rule.label, change.is_worse) for change in gone] == [("fixed-finding", False)]


def test_check_gates_and_allows_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_file(tmp_path / "a.npz")
    monkeypatch.chdir(tmp_path)
    text = "[[audit]]\nfile = 'a.npz'\nformulations = 'compensated'\ndtypes = 'float32'\n"
    Path("cestab.toml").write_text(text, encoding="utf-8")
    assert run(["check", "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [(problem["finding"], problem["gated"]) for problem in problems] == [("nan-logits", True)]
    allowed = f"{text}allow = [{{finding = 'nan-logits', reason = 'padding'}}]\n"
    Path("cestab.toml").write_text(allowed, encoding="utf-8")
    assert run(["check"]) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("x", "y", "fact"),
    [(INF, 1.0, None), (-INF, 0.0, None), (-INF, 1.0, "masked-target"), (INF, 0.25, "masked-target"), (NAN, 1.0, "nan-logits")],
)
def test_one_logit_may_be_infinite(x: float, y: float, fact: str | None, dtype: str, tmp_path: Path) -> None:
    """softplus(±inf) is 0 or inf, and 0 times it counts as 0: the network is infinitely sure, and right or wrong."""
    np.savez(tmp_path / "a.npz", logits=np.array([x, 1.0]), labels=np.array([y, 1.0]))
    report = api.audit(
        str(tmp_path / "a.npz"), objective="binary-cross-entropy", formulations=["bce-with-logits"], dtypes=[dtype]
    )
    assert [finding.kind.label for finding in report.data[0].findings] == ([fact] if fact else [])
    [setting] = report.settings
    assert setting.cases == (1 if fact == "nan-logits" else 2)
    if fact != "nan-logits":
        losses = {finding.kind for finding in setting.findings}
        assert losses <= {FindingKind.NAN_LOSS}  # x − x·y is inf − inf, a defect; never that the truth is unknown
        assert (FindingKind.NAN_LOSS in losses) is (x == INF or y == 0.0)


def test_the_gate_tells_the_file_and_settings_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = make_file(tmp_path / "a.npz")[0]
    words = ["audit", file, "-f", "naive", "-f", "compensated", "--dtype", "float16", "--fail-on", "nan-logits,nan-gradient"]
    assert run(words) == 1
    kinds = "nan-logits, nan-gradient"
    assert capsys.readouterr().err == f"cestab: gate failed in the file and in 1 of 2 settings: {kinds}\n"
