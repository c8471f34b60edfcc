"""Processes of targets: their answers, how they end, and that none is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from loss_processes import (
    DATA,
    LOGITS,
    PATIENT,
    QUARTER_GIBIBYTE,
    ask,
    find_children,
    name_of,
    no_process_is_left,  # noqa: F401  # a fixture
    work_of,
)

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError, UnsupportedError
from cestab.external.names import parse_external_name
from cestab.external.process import client
from cestab.external.process.client import describe_loss, end_losses, evaluate_loss, start_loss
from cestab.vocabulary.external import GradientSource, Guard
from cestab.vocabulary.kinds import Summation


def failure_of(function: str, guard: Guard = PATIENT) -> str:
    with pytest.raises(ExternalError) as caught:
        ask(function, guard)
    return str(caught.value)


def failure_of_many(function: str, calls: int, guard: Guard) -> str:
    """Return what one of many calls is told."""
    with pytest.raises(ExternalError) as caught:
        [ask(function, guard) for _ in range(calls)]
    return str(caught.value)


def test_a_result_comes_back_and_the_process_stays_for_the_next_call() -> None:
    loss, gradient = ask("stable")
    assert np.allclose(loss, np.log1p(np.exp(np.array([0.0, -3.0]))), rtol=1e-6)
    assert gradient is not None
    assert np.allclose(gradient[0], -1 / (1 + np.exp(np.array([0.0, 3.0]))), rtol=1e-5)
    (child,) = find_children()
    ask("stable")
    assert find_children() == [child]


def test_facts_of_functions_and_of_recipes() -> None:
    assert describe_loss(name_of("stable"), PATIENT).gradient is GradientSource.OWN
    facts = describe_loss(name_of("chained"), PATIENT)
    assert (facts.gradient, facts.adapter, facts.formulation) == (GradientSource.CHAIN_RULE, "python", f"{DATA}:chained")


def test_a_large_block_goes_both_ways() -> None:
    """More than a pipe holds, 64 KiB."""
    logits = np.random.default_rng(1).standard_normal((2, 2**16)).astype(np.float32)
    loss, gradient = evaluate_loss(name_of("stable"), work_of(logits), PATIENT)
    assert gradient is not None
    assert gradient.shape == (2, 2**16)
    assert np.allclose(loss, np.log1p(np.exp(logits[1] - logits[0])), rtol=1e-5)


def test_what_a_function_raises_is_told_in_one_line_and_its_process_goes_on() -> None:
    assert failure_of("raises") == "it raised RuntimeError: [nan-loss] planted"
    (child,) = find_children()
    assert failure_of("raises") == "it raised RuntimeError: [nan-loss] planted"
    assert failure_of("exits") == "it raised SystemExit: 7"
    assert child in find_children()


def test_what_is_not_computed_is_no_error() -> None:
    with pytest.raises(UnsupportedError, match="the order of its sums is its own"):
        evaluate_loss(name_of("stable"), work_of(summation=Summation.PAIRWISE), PATIENT)


@pytest.mark.parametrize(
    ("function", "words"),
    [("ends_process", "it ended its process: status 7"), ("crashes", "it ended its process: signal SIGSEGV")],
)
def test_a_process_that_ends_is_told_and_the_next_call_gets_a_new_one(function: str, words: str) -> None:
    assert failure_of(function) == words
    assert find_children() == []
    assert failure_of(function) == words, "and not that its pipe is closed"


def test_a_process_that_was_killed_between_two_calls_is_told_once() -> None:
    ask("stable")
    (child,) = find_children()
    child.kill()
    until = time.monotonic() + 20
    while child.status() != psutil.STATUS_ZOMBIE:  # psutil's own wait would take its status from it
        assert time.monotonic() < until
    assert failure_of("stable") == "it ended its process: signal SIGKILL"
    assert ask("stable")[0].size == 2


WITH_A_CHILD = """
import subprocess, sys, time
from pathlib import Path
def f(z, target):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(__file__).with_name("pid").write_text(str(child.pid))
    while True:
        time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_hanging_call_is_ended_within_its_time_with_all_that_it_has_started(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(WITH_A_CHILD, encoding="utf-8")
    start = time.monotonic()
    with pytest.raises(ExternalError, match="it did not return within 2 s"):
        evaluate_loss(parse_external_name(f"{tmp_path}/hangs.py:f"), work_of(), Guard(timeout_seconds=2.0))
    assert 2 <= time.monotonic() - start < 20
    assert find_children() == []
    child = int((tmp_path / "pid").read_text(encoding="utf-8"))
    until = time.monotonic() + 10
    while is_alive(child):  # it was sent a signal, and ends soon
        assert time.monotonic() < until


def test_every_heartbeat_restarts_the_clock(tmp_path: Path) -> None:
    """20 calls of 0.1 s in one block: longer than the timeout in all, none of them alone."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ndef f(z, target):\n    time.sleep(0.1)\n    return z[:, 0]\n", encoding="utf-8")
    name = parse_external_name(f"{slow}:f:rows=1")
    loss, _ = evaluate_loss(name, work_of(np.zeros((2, 20), dtype=np.float32)), Guard(timeout_seconds=1.0))
    assert loss.tolist() == [0.0] * 20


def test_memory_beyond_the_limit_ends_the_process_within_a_call_and_between_short_ones() -> None:
    words = "its process needed more than 256 MiB of memory"
    assert failure_of("leaks_slowly", QUARTER_GIBIBYTE) == words
    assert find_children() == []
    assert failure_of_many("leaks", 40, QUARTER_GIBIBYTE) == words, "8 MiB each: 320 in all"
    assert find_children() == []


def test_what_a_target_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    ask("prints")
    end_losses()
    out, err = capfd.readouterr()
    assert out == ""
    assert "{not JSON" in err
    assert "from below" in err


def test_numpy_does_not_warn_of_what_is_looked_for(capfd: pytest.CaptureFixture[str]) -> None:
    loss, _ = evaluate_loss(name_of("no_shift"), work_of(np.full((2, 1), 1e3, dtype=np.float32)), PATIENT)
    assert loss.tolist() == [np.inf]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("stabl", "there is no 'stabl' in .*; did you mean stable"),
        ("NUMBER", "is no function but of type int"),
        ("stable:eps=1", "stable has no parameters but logits and target, so 'eps' means nothing"),
        ("chained:eps=1", "'chained' has no parameters, so 'eps=1' means nothing"),
        ("shifted_lse:shit=1", "unknown parameter of shifted-lse 'shit'; did you mean shift"),
        ("shifted_lse:shift=x", "shift=x is not a number"),
        ("stable:device=cuda", "unknown device of python 'cuda'"),
    ],
)
def test_what_is_not_there_is_the_callers_mistake(function: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        describe_loss(name_of(function), PATIENT)


def test_targets_of_the_same_function_under_other_bounds_or_parameters_have_processes_of_their_own() -> None:
    ask("stable")
    ask("stable", QUARTER_GIBIBYTE)
    evaluate_loss(name_of("stable:rows=2"), work_of(), PATIENT)
    assert len(find_children()) == 3


def test_starting_does_not_wait_and_is_done_once() -> None:
    for _ in range(2):
        start_loss(name_of("hangs"), PATIENT)
    assert len(find_children()) == 1


def test_an_interrupt_in_a_call_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C does: the signal's handler raises while the answer is waited for."""
    ask("stable")
    (child,) = find_children()

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(client._Worker, "_wait", interrupt)  # noqa: SLF001
    with pytest.raises(KeyboardInterrupt):
        ask("stable")
    assert not child.is_running()
    assert find_children() == []


def test_a_process_is_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it() -> None:
    ask("stable")
    (child,) = find_children()
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_threads_have_processes_of_their_own() -> None:
    """Each judges its own answers, and ends nothing of another's."""
    wrong: list[str] = []

    def judge(function: str, slope: float) -> None:
        for _ in range(30):
            loss, _ = ask(function)
            if not np.allclose(loss, slope * np.log1p(np.exp(np.array([0.0, -3.0]))), rtol=1e-6):
                wrong.append(f"{function}: {loss}")
        end_losses()

    threads = [threading.Thread(target=judge, args=("stable", 1.0)) for _ in range(3)]
    threads.append(threading.Thread(target=judge, args=("loss_only", 1.0)))
    ask("stable")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(find_children()) == 1, "that of this thread"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_neither_asks_nor_ends_those_of_its_parent() -> None:
    ask("stable")
    (child,) = find_children()
    forked = os.fork()
    if forked == 0:
        end_losses()
        os._exit(0)
    os.waitpid(forked, 0)
    assert find_children() == [child]
    assert ask("stable")[0].size == 2


CALLER = """
import sys
from loss_processes import PATIENT, ask, find_children, name_of
from cestab.external.process.client import start_loss
start_loss(name_of("hangs"), PATIENT)
print(find_children()[0].pid, flush=True)
ask("hangs")
"""


def test_a_call_that_hangs_does_not_outlive_its_caller() -> None:
    path = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True, env=os.environ | path) as caller:
        assert caller.stdout is not None
        worker = psutil.Process(int(caller.stdout.readline()))
        time.sleep(1)  # the call has begun
        caller.kill()
    until = time.monotonic() + 20
    while is_alive(worker.pid):
        assert time.monotonic() < until


def test_the_folder_and_the_modules_of_the_caller_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    for folder, module in ((tmp_path, "of_this_folder"), (tmp_path / "elsewhere", "of_the_path")):
        (folder / f"{module}.py").write_text("def f(z, target): return z[:, 1]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "elsewhere")])
    for module in ("of_this_folder", "of_the_path"):
        loss, _ = evaluate_loss(parse_external_name(f"python:{module}.f"), work_of(), PATIENT)
        assert loss.tolist() == LOGITS[1].tolist()
