"""Commands on code that is not ours: exit statuses, what is on which stream, and what the reports say."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from jsonschema import Draft202012Validator

from cestab.commands.app import run
from cestab.commands.schema import read_schema
from cestab.vocabulary.external import Guard
from events import load_first, wait_until

Command = Callable[..., Any]

DATA = Path(__file__).parents[1] / "data" / "targets.py"
QUICK = ("--dtype", "float16", "--pattern", "margin", "--classes", "2", "--target", "wrong", "--logits=-200:200:33")
PYTHON = (sys.executable, "-m", "cestab")


def path_to(function: str) -> str:
    return f"{DATA}:{function}"


def sweep(*functions: str) -> list[str]:
    """Sweep functions of the data module; names with a dash are cestab's own."""
    return ["sweep", *(word for name in functions for word in ("-f", name if "-" in name else path_to(name))), *QUICK]


@pytest.mark.parametrize(
    ("functions", "options", "status"),
    [
        (("stable",), (), 0),
        (("stable",), ("--fail-on", "fail"), 0),
        (("loss_only",), ("--fail-on", "fail"), 0),
        (("no_shift",), (), 0),
        (("no_shift",), ("--fail-on", "inf-loss"), 1),
        (("sign_flip",), ("--fail-on", "fail"), 1),
        (("raises", "log-softmax"), (), 3),
        (("raises", "log-softmax"), ("--fail-on", "fail"), 3),
        (("raises", "no_shift"), ("--fail-on", "fail"), 1),
    ],
)
def test_the_gate_comes_before_a_crash(
    functions: tuple[str, ...], options: tuple[str, ...], status: int, cestab: Command
) -> None:
    outcome = cestab(*sweep(*functions), *options, "--json")
    assert outcome.status == status
    assert ("gate failed" in outcome.err) is (status == 1)


CRASHES = [
    ("raises", (), "it raised RuntimeError: [nan-loss] planted"),
    ("exits", (), "it raised SystemExit: 7"),
    ("ends_process", (), "it ended its process: status 7"),
    ("crashes", (), "it ended its process: signal SIGSEGV"),
    ("hangs", ("--timeout", "1"), "it did not return within 1 s"),
    ("leaks:rows=1", ("--max-memory", "256M"), "its process needed more than 256 MiB of memory"),
    ("wrong_shape", (), "it returned a loss of shape (24, 3) for 24 cases of 2 classes; (24,) is needed"),
    ("wrong_gradient_shape", (), "it returned a gradient of shape (2, 24); (24, 2) is needed"),
    ("raising_recipe", (), "it raised ValueError: planted"),
    ("plain_number", (), "it raised TypeError: a formulation returns an Array, or Fused, not float"),
    ("loss_of_every_class", (), "it raised ValueError: a formulation returns a loss of shape (24,), not (2, 24)"),
    ("gradient_of_one_class", (), "it returned a gradient of shape (24,); (2, 24) is needed"),
]


@pytest.mark.parametrize(("function", "options", "reason"), CRASHES, ids=[function for function, _, _ in CRASHES])
def test_what_cannot_be_evaluated_is_status_3_and_the_others_are_judged(
    function: str,
    options: tuple[str, ...],
    reason: str,
    cestab: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "--timeout" in options:
        load_first([path_to(function)], Guard(timeout_seconds=1.0), tmp_path, monkeypatch)
    outcome = cestab(*sweep(function, "log-softmax"), *options, "--json")
    assert outcome.status == 3
    failed, sound = json.loads(outcome.out)["settings"]
    assert (failed["formulation"], failed["verdict"], failed["reason"]) == (path_to(function), "error", reason)
    assert (failed["cases"], failed["findings"], failed["intervals"]) == (0, [], [])
    assert (sound["formulation"], sound["verdict"]) == ("log-softmax", "pass")
    assert "reason" not in sound
    assert psutil.Process().children() == []


@pytest.mark.parametrize(
    "form", [("--output-format", form) for form in ("table", "csv", "markdown", "junit", "sarif", "github")]
)
def test_every_form_tells_why(form: tuple[str, ...], cestab: Command) -> None:
    outcome = cestab(*sweep("raises", "log-softmax"), *form)
    assert outcome.status == 3
    assert "RuntimeError" in outcome.out.replace("\n", " ")


WRONG = [
    (f"sweep -f {DATA}:stabl", ["there is no 'stabl'", "did you mean stable?"]),
    (f"sweep -f {DATA}:NUMBER", ["is no function but of type int"]),
    (f"sweep -f {DATA}:stable:gama=1", ["stable has no parameters", "'gama'"]),
    (f"sweep -f {DATA}:stable:device=cuda", ["unknown device of python 'cuda'", "cpu"]),
    (f"sweep -f {DATA}:stable:input=softmx", ["unknown input", "did you mean softmax?"]),
    (f"sweep -f {DATA}:stable:rows=0", ["rows=0", "at least 1"]),
    (f"sweep -f {DATA}:stable,naive", ["looks like a list", "-f naive"]),
    (f"sweep -f {DATA}:Scaled:facto=1", ["unknown parameter of Scaled 'facto'", "did you mean factor?"]),
    (f"sweep -f {DATA}:stable -f bce-with-logits -f naive", ["naive", "binary-cross-entropy"]),
    (f"sweep -f {DATA}:stable --timeout 0", ["--timeout", "above 0"]),
    (f"sweep -f {DATA}:stable --timeout soon", ["--timeout", "number"]),
    (f"sweep -f {DATA}:stable --max-memory much", ["--max-memory", "512M"]),
    (f"sweep -f {DATA}:stable --summation pairwise", ["nothing could be judged", "the order of its sums is its own"]),
    ("sweep -f nowhere.py:f", ["there is no file 'nowhere.py'"]),
    ("sweep -f losses.py", ["'losses.py' names no function", "e.g. python:"]),
    ("sweep -f python", ["'python' names no function", "e.g. python:"]),
    ("sweep -f pyhton:m.f", ["unknown adapter 'pyhton'", "did you mean python?"]),
    ("sweep -f mypkg.losses.ce", ["python:mypkg.losses.ce"]),
    ("sweep -f python:no_such_module.f", ["there is no module 'no_such_module'"]),
    ("sweep -f python:math.expp", ["there is no 'expp' in math", "did you mean exp?"]),
    ("sweep -f python:math", ["'math' is a module"]),
    ("compare naive python:no_such_module.f", ["there is no module 'no_such_module'"]),
    ("compare naive python:m.f:label_smoothing=0.1", ["different options"]),
    ("sweep -f m.py:f:gamma=1,z_weight=1", ["of 'm.py:f:gamma=1,z_weight=1' is no option of focal-loss, but of z-loss"]),
    ("compare focal-naive:gamma=1 m.py:f:gamma=1,z_weight=1", ["z_weight", "no option of focal-loss"]),
    ("explain -f m.py:f:gamma=1,z_weight=1 --at 1", ["z_weight", "no option of focal-loss"]),
    ("explain -f focal-naive --at 1 --against m.py:f:gamma=1,z_weight=1", ["z_weight", "no option of focal-loss"]),
    (f"explain -f {DATA}:stabl --at 1", ["there is no 'stabl'"]),
    (f"explain -f {DATA}:floats_alone --at 1", ["cannot be followed step by step", "TypeError: floats are needed"]),
]


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line.replace(str(DATA), "targets.py") for line, _ in WRONG])
def test_a_mistake_is_status_2_in_one_sentence(line: str, words: list[str], cestab: Command) -> None:
    command, *rest = shlex.split(line)
    bounds = () if command == "explain" else ("--classes", "2", "--dtype", "float16", "--logits=-1:1:9")
    check_sentence(cestab(command, *rest, *bounds, "--json"), 2, words)


def check_sentence(outcome: tuple[int, str, str], expected: int, words: list[str]) -> None:
    status, out, err = outcome
    assert status == expected
    assert err.startswith("cestab: ")
    assert err.count("\n") == 1, "one sentence"
    assert [word for word in words if word not in err] == []
    sentence = err.removeprefix("cestab: ").rstrip("\n")
    assert json.loads(out) == {"schema": "cestab.error/1", "status": status, "message": sentence}


FAILED = [
    (f"explain -f {DATA}:raises --at 1", ["it raised RuntimeError: [nan-loss] planted"]),
    (f"explain -f {DATA}:raising_recipe --at 1", ["it raised ValueError: planted"]),
    (f"explain -f {DATA}:hangs --at 1 --timeout 1", ["it did not return within 1 s"]),
    (f"explain -f naive --at 1 --against {DATA}:crashes", ["signal SIGSEGV"]),
]


@pytest.mark.parametrize(("line", "words"), FAILED, ids=[line.replace(str(DATA), "targets.py") for line, _ in FAILED])
def test_a_loss_that_fails_where_it_is_to_be_explained_is_status_3(
    line: str, words: list[str], cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = next(word for word in shlex.split(line) if word.startswith(str(DATA)))
    if "--timeout" in line:
        load_first([named], Guard(timeout_seconds=1.0), tmp_path, monkeypatch)
    check_sentence(cestab(*shlex.split(line), "--json"), 3, [f"{named} has no result here: ", *words])


def test_audit_and_check_refuse_an_option_of_another_objective(
    cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "is no option of focal-loss, but of z-loss\n"
    status, _, err = cestab("audit", str(DATA.with_name("digits_logits.npz")), "-f", "m.py:f:gamma=1,z_weight=1")
    assert (status, err.endswith(words)) == (2, True)
    monkeypatch.chdir(tmp_path)
    Path("cestab.toml").write_text('[[audit]]\nformulations = "m.py:f:gamma=1,z_weight=1"\n', encoding="utf-8")
    status, _, err = cestab("check")
    assert (status, err.endswith(words)) == (2, True)


@pytest.mark.parametrize("name", ["nowhere.py:f", f"{DATA}:stabl", "python"])
def test_without_json_a_mistake_leaves_standard_output_empty(name: str, cestab: Command) -> None:
    assert cestab("sweep", "-f", name)[:2] == (2, "")


EXPLAIN_LOUD = ["explain", "-f", path_to("loud_recipe"), "--logits", "200,0", "--target", "1"]


@pytest.mark.parametrize(("arguments", "schema"), [(sweep("prints"), "cestab.sweep/1"), (EXPLAIN_LOUD, "cestab.explain/1")])
def test_what_a_target_prints_leaves_standard_output_to_the_report(
    arguments: list[str], schema: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--json"]) == 0
    out, err = capfd.readouterr()  # of the target's process, too
    assert json.loads(out)["schema"] == schema
    assert "{not JSON" in err


def test_the_same_request_gives_the_same_bytes(cestab: Command) -> None:
    arguments = (*sweep("no_shift", "raises", "loss_only", "chained"), "--json")
    assert cestab(*arguments).out == cestab(*arguments).out


STABLE = path_to("stable")
SLOW = """
import time
from pathlib import Path
def f(z, target):
    if z.shape[1] == {classes}:
        Path(__file__).with_name("called").touch()
        while True:
            time.sleep(1)
    return z[:, 0]
"""


def interrupt(folder: Path, classes: int, command: str, *names: str) -> tuple[int, str]:
    """Return status and report of a command that Ctrl-C ends while the loss `slow` hangs: called with so many classes."""
    (folder / "slow.py").write_text(SLOW.format(classes=classes), encoding="utf-8")
    words = (*names, "--classes", "2,3", "--dtype", "float32", "--logits=-1:1:9", "--pattern", "margin", "--target", "wrong")
    with subprocess.Popen(
        [*PYTHON, command, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        wait_until((folder / "called").exists)
        workers = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert not any(worker.is_running() for worker in workers)
    return process.returncode, out


@pytest.mark.parametrize(
    ("command", "names", "classes", "finished"),
    [
        ("sweep", ("slow.py:f",), 2, []),
        ("sweep", ("slow.py:f",), 3, [("slow.py:f", 2)]),
        ("sweep", ("naive", STABLE, "slow.py:f", "clipped"), 2, [("naive", 2), (STABLE, 2)]),
        ("compare", ("naive", STABLE, "slow.py:f"), 2, [(STABLE, 2)]),
        ("compare", ("naive", STABLE, "slow.py:f"), 3, [(STABLE, 2), (STABLE, 3), ("slow.py:f", 2)]),
        ("compare", ("naive", "slow.py:f"), 2, []),
        ("compare", ("slow.py:f", "naive"), 2, []),
    ],
)
def test_an_interrupt_while_a_target_hangs_leaves_what_is_finished_and_no_process(
    command: str, names: tuple[str, ...], classes: int, finished: list[tuple[str, int]], tmp_path: Path
) -> None:
    options = names if command == "compare" else tuple(word for name in names for word in ("-f", name))
    status, out = interrupt(tmp_path, classes, command, *options)
    assert status == 130
    if not finished:
        assert out == ""
        return
    report = json.loads(out)
    Draft202012Validator(json.loads(read_schema(command))).validate(report)
    assert report["interrupted"] is True
    key = "other" if command == "compare" else "formulation"
    assert [(setting[key], setting["classes"]) for setting in report["settings"]] == finished
