"""Samples of recorded rows: which are drawn, that they are judged like in the whole file, and what is read of it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.cases.files.safetensors_files import write_header
from cestab.cases.recording import draw_rows
from cestab.commands.audit import run as recorded
from cestab.commands.audit.request import make_audit_request
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.settings import SettingResult

DIGITS = Path(__file__).parents[3] / "data" / "digits_logits.npz"


def save(path: Path, logits: npt.ArrayLike, labels: npt.ArrayLike) -> str:
    np.savez(path, logits=np.asarray(logits), labels=np.asarray(labels))
    return str(path)


def rows_of(result: SettingResult) -> dict[FindingKind, tuple[int, int, int]]:
    """Return (cases, lowest row, highest row) of every finding."""
    return {f.kind: (f.cases, f.lowest.position, f.highest.position) for f in result.findings}


def digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    with np.load(DIGITS) as archive:
        return archive["logits"], archive["labels"]


def test_drawn_rows_keep_their_numbers_and_their_judgement(tmp_path: Path) -> None:
    logits, labels = digits()
    options: dict[str, Any] = {"formulations": ["naive", "compensated"], "dtypes": ["float16", "float32"]}
    whole = api.audit(DIGITS, **options)
    drawn = draw_rows(899, 60, 3)
    assert drawn is not None
    report = api.audit(DIGITS, sample=60, seed=3, **options)
    assert report.rows == 60
    assert {result.cases for result in report.settings} == {60}
    alone = api.audit(save(tmp_path / "a.npz", logits[drawn], labels[drawn]), **options)
    for sampled, other, full in zip(report.settings, alone.settings, whole.settings, strict=True):
        renumbered = {kind: (cases, drawn[low], drawn[high]) for kind, (cases, low, high) in rows_of(other).items()}
        assert rows_of(sampled) == renumbered
        assert {place.position for place in sampled.worst_rows} == {drawn[place.position] for place in other.worst_rows}
        assert set(rows_of(sampled)) <= set(rows_of(full))
    assert report.settings[0].findings, "naive fails on some of them"


def test_drawn_rows_are_without_repetition_ascending_and_those_of_the_seed() -> None:
    for rows, sample in ((10, 9), (1000, 3), (10**6, 5000), (2**40, 1000)):
        drawn = draw_rows(rows, sample, 5)
        assert drawn is not None
        assert (np.diff(drawn) > 0).all()
        assert (drawn.size, drawn.min() >= 0, drawn.max() < rows) == (sample, True, True)
        np.testing.assert_array_equal(drawn, draw_rows(rows, sample, 5))
        assert (drawn != draw_rows(rows, sample, 6)).any()
    assert [draw_rows(10, sample, 0) for sample in (None, 10, 11)] == [None] * 3


def test_every_row_is_drawn_equally_often() -> None:
    counts = np.zeros(20)
    for seed in range(4000):
        counts[draw_rows(20, 5, seed)] += 1
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75), "5 standard deviations"


def test_a_sample_of_all_rows_is_the_audit_itself(tmp_path: Path) -> None:
    logits, labels = digits()
    file = save(tmp_path / "a.npz", logits[:40], labels[:40])
    expected = api.audit(file, dtypes=["float16"])
    for sample in (40, 41, 10**15):
        report = api.audit(file, dtypes=["float16"], sample=sample, seed=9)
        assert replace(report, request=expected.request) == expected


@pytest.mark.parametrize("numbers", [1, 70, 2**20])
def test_the_size_of_blocks_does_not_matter_to_drawn_rows(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"formulations": ["naive"], "dtypes": ["float16"], "sample": 100}
    expected = api.audit(str(DIGITS), **options)
    monkeypatch.setattr(recorded, "NUMBERS_PER_BLOCK", numbers)
    assert api.audit(str(DIGITS), **options) == expected


def test_drawn_rows_that_are_ignored_are_counted(tmp_path: Path) -> None:
    labels = np.where(np.arange(1000) % 2, -100, 0)
    report = api.audit(save(tmp_path / "a.npz", np.zeros((1000, 2)), labels), dtypes="float32", sample=100)
    drawn = draw_rows(1000, 100, 0)
    assert drawn is not None
    assert (report.rows, report.ignored_rows) == (100, int(np.count_nonzero(drawn % 2)))
    assert report.settings[0].cases == 100 - report.ignored_rows


@pytest.mark.parametrize("sample", [None, 600])
def test_progress_is_that_of_the_rows_to_be_judged(sample: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "NUMBERS_PER_BLOCK", 1000)
    heard: list[tuple[int, int]] = []
    request = make_audit_request(DIGITS, formulations="naive", dtypes="float16", sample=sample)
    recorded.run_audit(request, progress=lambda done, total: heard.append((done, total)))
    total = sample or 899
    assert heard == [(min(done, total), total) for done in range(100, total + 100, 100)]


def test_an_interrupted_sample_holds_the_rows_that_were_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "NUMBERS_PER_BLOCK", 1000)

    def stop(done: int, _total: int) -> None:
        if done == 300:
            raise KeyboardInterrupt

    request = make_audit_request(DIGITS, formulations="naive", dtypes="float16", sample=600)
    report = recorded.run_audit(request, progress=stop)
    drawn = draw_rows(899, 600, 0)
    assert drawn is not None
    assert (report.rows, report.is_interrupted, report.settings[0].cases) == (300, True, 300)
    assert max(finding.highest.position for finding in report.settings[0].findings) <= drawn[299]


PEAK = """
import re, sys
from cestab.commands.app import run
run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted in /proc")
@pytest.mark.parametrize("options", [[], ["--sample", "5000"]], ids=["all", "sample"])
def test_no_page_of_a_large_file_stays_in_memory(options: list[str], tmp_path: Path) -> None:
    rows, classes = 25_000, 1000  # 200 MB, and the sample touches pages all over
    path = tmp_path / "a.safetensors"
    with path.open("wb") as stream:
        write_header(stream, {"labels": ("I64", (rows,)), "logits": ("F64", (rows, classes))}, {})
        stream.truncate(stream.tell() + rows * (8 + 8 * classes))
    command = [sys.executable, "-c", PEAK, "audit", str(path), "-f", "naive", "--dtype", "bfloat16", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 150_000, "KiB"
