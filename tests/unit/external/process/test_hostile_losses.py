"""External losses that fork, write where they should not, hold the interpreter, or raise what cannot be shown."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from loss_processes import LOGITS, PATIENT, no_process_is_left, work_of  # noqa: F401  # a fixture

from cestab.external.engines.base import ExternalError, Numbers
from cestab.external.names import parse_external_name
from cestab.external.process.client import evaluate_loss
from cestab.vocabulary.external import Guard

FORKS = "import os, numpy as np\ndef f(z, y):\n    os.fork()\n    return z[:, 0] * 0.0\n"
FORKS_AND_LEAVES = """
import os, time
def f(z, y):
    if os.fork():
        time.sleep(600)
    return z[:, 0] * 0.0
"""
GARBAGE = """
import os, stat
def f(z, y):
    for descriptor in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"x" * {size})
        except OSError:
            pass
    return z[:, 0]
"""
UNPRINTABLE = """
class Silent(Exception):
    def __str__(self): raise ValueError
def f(z, y): raise Silent
"""
CASES = {
    "masked": ("import numpy as np\ndef f(z, y): return np.ma.masked_invalid(z[:, 0])\n", "masked array"),
    "coroutine": ("async def f(z, y): return z[:, 0]\n", "it returned a coroutine: an async function is not a loss"),
    "unprintable": (UNPRINTABLE, r"it raised Silent: \(its message raised ValueError\)"),
}


def evaluate(tmp_path: Path, source: str, guard: Guard = PATIENT) -> tuple[Numbers, Numbers | None]:
    (tmp_path / "loss.py").write_text(source, encoding="utf-8")
    return evaluate_loss(parse_external_name(f"{tmp_path}/loss.py:f"), work_of(), guard)


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_loss_is_a_sentence(name: str, tmp_path: Path) -> None:
    source, words = CASES[name]
    with pytest.raises(ExternalError, match=words):
        evaluate(tmp_path, source)


def test_a_fork_that_comes_back_is_an_error_and_never_an_answer(tmp_path: Path) -> None:
    """The two processes answer in any order: the worker's own answer is right, that of the fork is refused."""
    refused = 0
    for _ in range(10):
        try:
            loss, _ = evaluate(tmp_path, FORKS)
            assert loss.tolist() == [0.0, 0.0]
        except ExternalError as error:
            assert "a fork of the one that was asked" in str(error)  # noqa: PT017  # which of the two comes first is open
            refused += 1
    assert refused


def test_a_fork_that_answers_instead_of_the_worker_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match=r"process \d+ answered, a fork of the one that was asked"):
        evaluate(tmp_path, FORKS_AND_LEAVES, Guard(timeout_seconds=20.0))


@pytest.mark.parametrize("size", [1, 32, 5000])
def test_bytes_between_the_answers_are_an_error_within_the_timeout(size: int, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ExternalError, match=r"what came is no answer|it did not return within 15 s"):
        evaluate(tmp_path, GARBAGE.format(size=size), Guard(timeout_seconds=15.0))
    assert time.monotonic() - start < 60


def test_a_timeout_of_centuries_is_one(tmp_path: Path) -> None:
    loss, _ = evaluate(tmp_path, "def f(z, y): return z[:, 1]\n", Guard(timeout_seconds=1e10))
    assert loss.tolist() == LOGITS[1].tolist()


def test_memory_of_children_counts(tmp_path: Path) -> None:
    eats = "import time; x = bytearray(2**28); time.sleep(600)"
    start = f"subprocess.Popen([sys.executable, '-c', {eats!r}])"
    source = f"import subprocess, sys, time\ndef f(z, y):\n    {start}\n    time.sleep(600)\n"
    with pytest.raises(ExternalError, match="its process needed more than 256 MiB of memory"):
        evaluate(tmp_path, source, Guard(timeout_seconds=60.0, max_memory_bytes=2**28))


def test_a_loss_that_holds_the_interpreter_dies_with_its_caller(tmp_path: Path) -> None:
    """A regular expression that backtracks for ages holds the lock; its child is in another session."""
    source = """
import os, pathlib, re, subprocess, sys
def f(z, y):
    here = pathlib.Path(__file__)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    here.with_name("pids.tmp").write_text(f"{os.getpid()} {child.pid}")
    here.with_name("pids.tmp").rename(here.with_name("pids"))
    re.match(r"(a+)+$", "a" * 60 + "b")
"""
    (tmp_path / "loss.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "cestab", "sweep", "-f", f"{tmp_path}/loss.py:f", "--dtype", "float32", "--classes", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
        until = time.monotonic() + 60
        while not (tmp_path / "pids").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        caller.send_signal(signal.SIGKILL)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < until, f"{pids} of {os.getpid()}"
        time.sleep(0.05)


def test_a_worker_that_is_gone_before_its_first_message_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first message is longer than a pipe holds, and nobody reads it."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setattr(sys, "path", [*sys.path, "x" * 2**17])
    with pytest.raises(ExternalError, match="it ended its process: status 1"):
        evaluate_loss(parse_external_name("python:math.f"), work_of(np.zeros((2, 1), dtype=np.float32)), PATIENT)


def test_a_loss_that_overwrites_its_logits_is_reported_once_and_judged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        loss, _ = evaluate(tmp_path, "def f(z, y):\n    z[:, 0] = 7.0\n    return z[:, 0]\n")
        assert loss.tolist() == [7.0, 7.0]
    assert capfd.readouterr().err == f"cestab: {tmp_path}/loss.py:f overwrites the logits or labels that it is given\n"
