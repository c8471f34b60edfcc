"""Parts of long work in one process or several: the same outcomes, a word before, and what is refused."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import cestab
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.run import run_sweep
from cestab.commands.sweep.wire import render
from cestab.errors import UsageError
from cestab.evaluation import executors
from cestab.evaluation.plan import Plan, plan_sweep

OCTAVE = "1:1.9999999"  # 2^23 floats of float32


def make_plan(logits: str, formulation: str = "log-sum-exp") -> Plan:
    request = make_sweep_request(
        formulation, dtypes="float32", logits=logits, patterns="margin", classes=2, targets="wrong", exhaustive=True
    )
    return plan_sweep(request)[0]


def test_any_number_of_processes_writes_the_same_bytes() -> None:
    request = make_sweep_request(
        ["bce-with-logits", "sigmoid-naive"], dtypes="float32", logits=OCTAVE, targets="wrong", exhaustive=True
    )
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    alone = run_sweep(request)
    shared = run_sweep(request, cores=2, announce=said.append, progress=lambda done, total: steps.append((done, total)))
    assert render(alone) == render(shared)
    cases = {result.cases for result in alone.settings}
    assert cases == {2**23}
    assert {result.coverage.value for result in alone.settings} == {"exhaustive"}
    assert "16,777,216 cases in 2 settings, about" in said[0]
    assert said[0].endswith("with 2 processes")
    assert steps[-1] == (2 * 2**23, 2 * 2**23)
    assert steps == sorted(steps)


def test_the_report_says_that_every_float_was_tried() -> None:
    report = cestab.sweep(
        "naive", dtypes="float32", logits="88:89", patterns="margin", classes=2, targets="wrong", exhaustive=True
    )
    written = json.loads(render(report))
    assert written["request"]["exhaustive"] is True
    assert "jobs" not in written["request"]
    (setting,) = written["settings"]
    assert setting["coverage"] == "exhaustive"
    assert setting["cases"] == 2**17 + 1  # floats are 2^-17 apart
    (finding,) = [own for own in setting["findings"] if own["kind"] == "nan-gradient"]
    assert finding["first"]["hex"] == "0x1.62e43p+6"  # the smallest float with exp(x) = inf in float32
    assert finding["first"]["bound"] == "exact"


def test_sums_of_more_classes_take_the_plain_way_and_many_blocks() -> None:
    request = make_sweep_request(
        "log-sum-exp", dtypes="float32", logits="1:1.001", patterns="offset", classes=100, exhaustive=True
    )
    report = run_sweep(request)
    assert {result.cases for result in report.settings} == {8390}  # 1.001 names the float at 1 + 8389·2^-23; and 1 itself


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtypes": "float64"}, "float64 has .* floats from -10000.0:10000.0:log; exhaustive tries at most 8,589,934,592"),
        ({"dtypes": "float32", "logits": "0:1:50"}, "exhaustive tries every float: a range of 50 magnitudes is none"),
        ({"dtypes": "float32", "jobs": 0}, "jobs 0 is not a number of processes from 1 to 1024"),
    ],
)
def test_what_cannot_be_tried_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cestab.sweep("naive", exhaustive=True, **options)  # type: ignore[arg-type]


def test_a_process_that_ends_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "evaluate_part", end_process)
    with executors.Workers(jobs=2) as workers, pytest.raises(UsageError, match="a process of jobs ended before its work"):
        workers.evaluate(make_plan(OCTAVE))


def end_process(_: object) -> None:
    os._exit(1)


def test_a_loss_of_ones_own_stays_in_its_process(tmp_path: Path) -> None:
    path = tmp_path / "losses.py"
    path.write_text(
        "import numpy as np\n"
        "def loss(z, y):\n"
        "    p = 1 / (1 + np.exp(-z))\n"
        "    return np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))), p - y\n"
    )
    name = f"{path}:loss"
    request = make_sweep_request(
        [name, "bce-with-logits"],
        objective="binary-cross-entropy",
        dtypes="float32",
        logits=OCTAVE,
        targets="correct",
        exhaustive=True,
    )
    own, built_in = run_sweep(request, cores=2).settings
    assert own.cases == built_in.cases == 2**23
    assert own.findings == ()
    assert own.largest_error.loss_relative == built_in.largest_error.loss_relative


@pytest.mark.thorough
def test_no_process_outlives_the_one_that_started_it() -> None:
    words = "sweep -f log-sum-exp --dtype float32 --classes 2 --pattern margin --logits all --exhaustive --jobs 2"
    command = [sys.executable, "-m", "cestab", *words.split()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        own = psutil.Process(process.pid)
        deadline = time.monotonic() + 30
        while sum(child.cpu_times().user > 1 for child in own.children()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = own.children(recursive=True)
        assert len(workers) >= 2
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
