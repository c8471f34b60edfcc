"""Exit statuses: what a shell sees, on which stream, and what is left behind."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cestab.commands.sweep import run as sweep_module
from cestab.commands.sweep.answer import Report
from cestab.vocabulary.kinds import Verdict
from events import wait_until

Command = Callable[..., Any]

QUICK = ("sweep", "-f", "naive", "--dtype", "float16", "--pattern", "margin", "--classes", "2", "--target", "wrong")
# naive overflows from |t| = 11.09 on in float16 and is sound on small logits
HARMLESS = (*QUICK, "--logits", "-1:1")
PYTHON = (sys.executable, "-m", "cestab")

WRONG = [
    # argv after `cestab`, and words that the sentence must hold: what was given, what was meant
    ("swep", ["swep", "sweep"]),
    ("sweep --dtyp float16", ["--dtyp", "--dtype"]),
    ("sweep surplus", ["surplus"]),
    ("sweep --dtype float61", ["'float61'", "did you mean float64?", "bfloat16"]),
    ("sweep --dtype float16,bfloat61", ["'bfloat61'", "did you mean bfloat16?"]),
    ("sweep --compute flota32", ["'flota32'", "did you mean float32?"]),
    ("sweep -f clippd", ["'clippd'", "did you mean clipped?", "sigmoid-clipped"]),
    ("sweep -f clipped:esp=1e-8", ["'esp'", "did you mean eps?", "bounds"]),
    ("sweep -f clipped:bounds=opne", ["'opne'", "did you mean open?", "closed"]),
    ("sweep -f naive:eps=1", ["naive", "no parameters"]),
    ("sweep -f clipped:eps=tiny", ["eps=tiny", "not a number"]),
    ("sweep -f online:chunk=0", ["chunk=0", "at least 1"]),
    ("sweep -f naive,clipped", ["-f naive -f clipped"]),
    ("sweep -f clipped:eps=1e-8,naive", ["-f clipped:eps=1e-8 -f naive"]),
    ("sweep --pattern margn", ["'margn'", "did you mean margin?"]),
    ("sweep --target corect", ["'corect'", "did you mean correct?"]),
    ("sweep --target smooth", ["'smooth'", "smooth:0.1"]),
    ("sweep --target smooth:2", ["smooth:2", "0 to 1"]),
    ("sweep --target correct:1", ["correct", "no number"]),
    ("sweep --fail-on nan-los", ["'nan-los'", "did you mean nan-loss?", "fail", "warn"]),
    ("sweep --summation paerwise", ["'paerwise'", "did you mean pairwise?"]),
    ("sweep --fp8-overflow saturated", ["'saturated'", "did you mean saturate?"]),
    ("sweep --objective softmax", ["'softmax'", "did you mean softmax-cross-entropy?"]),
    ("sweep --output-format yaml", ["--output-format", "yaml", "table", "json"]),
    ("sweep --dtype ,", ["selection is empty", "dtype"]),
    ("sweep --pattern ''", ["selection is empty", "pattern"]),
    ("sweep --classes ,", ["selection is empty", "classes"]),
    ("sweep --target ,", ["selection is empty", "target"]),
    ("sweep --logits 5:-5", ["5:-5", "did you mean -5:5?"]),
    ("sweep --logits 5", ["'5'", "LO:HI"]),
    ("sweep --logits 1:x", ["'x'", "finite number"]),
    ("sweep --logits 1:inf", ["'inf'", "finite number"]),
    ("sweep --logits 0:1:9:lin", ["'lin'", "did you mean linear?"]),
    ("sweep --logits 0:1:1", ["0:1:1", "at least 2"]),
    ("sweep --logits 70000:80000 --dtype float16", ["70000", "no finite float16"]),
    ("sweep --logits 0:1:99999999999999", ["99999999999999", "more magnitudes"]),
    ("sweep --logits 0:1:²", ["'²'"]),
    ("sweep --objective binary-cross-entropy --target soft:0:1:9999999", ["soft:0:1:9999999", "LO:HI:N"]),
    ("sweep --classes 4611686018427387904", ["4611686018427387904", "at most 1000000000000"]),
    ("sweep --classes two", ["--classes", "'two'", "whole numbers"]),
    ("sweep --classes 2.5", ["--classes", "'2.5'", "whole numbers"]),
    ("sweep --classes 1", ["at least 2 classes", "1"]),
    ("sweep --loss-scale big", ["--loss-scale", "'big'", "numbers"]),
    ("sweep --seed x", ["--seed", "integer"]),
    ("sweep --seed -1", ["--seed", "-1", "negative"]),
    ("sweep --rtol much", ["--rtol", "number"]),
    ("sweep --rtol -1", ["--rtol", "-1"]),
    ("sweep --atol nan", ["--atol", "nan", "finite"]),
    ("sweep --dtype float4_e2m1fn", ["float4_e2m1fn", "has no NaN"]),
    ("sweep --dtype float8_e8m0fnu", ["float8_e8m0fnu", "sign", "zero"]),
    ("sweep --dtype float16 --loss-scale inf", ["loss scale inf is not a positive finite number"]),
    ("explain -f naive --at 1 --loss-scale nan", ["loss scale nan is not a positive finite number"]),
    ("sweep --dtype float16 --loss-scale 0", ["loss scale 0"]),
    ("sweep --dtype float16 --loss-scale -1", ["loss scale -1"]),
    ("sweep --dtype float32 --compute float16", ["float16", "float32", "as wide or wider"]),
    ("sweep --dtype float16 --compute bfloat16", ["bfloat16", "float16", "as wide or wider"]),
    ("sweep -f naive -f bce-with-logits", ["bce-with-logits", "binary-cross-entropy", "softmax-cross-entropy"]),
    ("sweep -f naive --objective binary-cross-entropy", ["naive", "softmax-cross-entropy"]),
    ("sweep --objective binary-cross-entropy --classes 2", ["one logit"]),
    ("sweep --objective binary-cross-entropy --target uniform", ["uniform", "soft"]),
    ("audit", ["FILE"]),
    ("audit nowhere.npz", ["no file", "nowhere.npz"]),
    ("audit nowhere.safetensors", ["no file", "nowhere.safetensors"]),
    ("audit logits.csv", ["logits.csv", ".npy, .npz, .safetensors, .parquet, .arrow or .pt"]),
    ("audit nowhere.npz --axis 99", ["--axis", "2"]),
    ("audit nowhere.npz --sample 0", ["--sample 0", "from 1 on"]),
    ("audit nowhere.npz --sample many", ["--sample", "integer"]),
    ("audit nowhere.npz --sample 3 --seed -1", ["--seed -1", "negative"]),
    ("capture tensorflow", ["'tensorflow'", "torch, jax"]),
    ("list findngs", ["findngs", "findings"]),
    ("diff", ["OLD.json"]),
    ("diff nowhere.json", ["NEW.json"]),
    ("diff nowhere.json nowhere.json", ["no file", "nowhere.json"]),
    ("diff - -", ["both '-'", "standard input"]),
    ("diff . nowhere.json", ["cannot read '.'", "a folder"]),
    ("diff nowhere.json nowhere.json --max-growth much", ["--max-growth", "number"]),
    ("schema swep", ["'swep'", "did you mean sweep?", "audit"]),
]


def is_silent_or_an_error(out: str, err: str, arguments: tuple[str, ...]) -> bool:
    """Whether standard output is empty, or with --json holds the sentence of standard error as cestab.error/1."""
    if "--json" not in arguments:
        return out == ""
    sentence = err.removeprefix("cestab: ").rstrip("\n")
    return bool(json.loads(out) == {"schema": "cestab.error/1", "status": 2, "message": sentence})


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_a_mistake_is_status_2_told_on_standard_error_alone_and_before_any_work(
    line: str, words: list[str], form: tuple[str, ...], cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "run_group", lambda _plan: pytest.fail("the sweep ran"))
    arguments = shlex.split(line)
    form = form if arguments[0] in ("sweep", "audit", "diff") else ()
    status, out, err = cestab(*arguments, *form)
    assert status == 2
    assert is_silent_or_an_error(out, err, form)
    assert err.startswith("cestab: ")
    assert err.count("\n") == 1, "one sentence"
    assert [word for word in words if word not in err] == []


def test_without_a_registry_those_that_can_be_listed_are(cestab: Command) -> None:
    status, out, err = cestab("list")
    assert (status, err) == (0, "")
    for line in out.splitlines():
        assert cestab(*line.split()[1:]).status == 0
    assert "cestab list objectives" in out.splitlines()


def test_h_is_help(cestab: Command) -> None:
    for command in ((), ("sweep",), ("list",)):
        assert cestab(*command, "-h") == cestab(*command, "--help")


def test_nothing_judged_is_status_2_with_the_reason(cestab: Command) -> None:
    unsupported = ("sweep", "-f", "naive", "--dtype", "float8_e4m3fn", "--pattern", "masked", "--classes", "2")
    for arguments in (unsupported, (*unsupported, "--json"), (*unsupported, "--detail")):
        status, out, err = cestab(*arguments)
        assert status == 2
        assert is_silent_or_an_error(out, err, arguments)
        assert "no infinity" in err


def test_nothing_judged_leaves_no_file(cestab: Command, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    arguments = ("--pattern", "masked", "--classes", "2", "--json", "-o", str(target))
    assert cestab("sweep", "-f", "naive", "--dtype", "float8_e4m3fn", *arguments).status == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [(), ("--json",), ("--detail",)], ids=["table", "json", "detail"])
@pytest.mark.parametrize(
    ("base", "gates", "status"),
    [
        (QUICK, (), 0),
        (QUICK, ("--fail-on", "fail"), 1),
        (QUICK, ("--fail-on", "warn"), 1),
        (QUICK, ("--fail-on", "nan-gradient"), 1),
        (QUICK, ("--fail-on", "zeroed-loss,nan-gradient"), 1),
        (QUICK, ("--fail-on", "zeroed-loss", "--fail-on", "nan-gradient"), 1),
        (QUICK, ("--fail-on", "underflowing-gradient"), 0),
        (HARMLESS, ("--fail-on", "fail"), 0),
        (HARMLESS, ("--fail-on", "nan-gradient,inf-loss"), 0),
    ],
)
def test_the_gate_decides_alike_in_every_form(
    base: tuple[str, ...], gates: tuple[str, ...], status: int, form: tuple[str, ...], cestab: Command
) -> None:
    outcome = cestab(*base, *gates, *form)
    assert outcome.status == status
    assert outcome.out.startswith("{" if "--json" in form else "cestab ")
    assert ("gate failed" in outcome.err) is (status == 1)
    assert ("nothing was gated" in outcome.err) is (not gates)


def test_a_gate_that_passes_is_silent_on_standard_error(cestab: Command) -> None:
    assert cestab(*HARMLESS, "--fail-on", "fail").err == ""


def unwritable(folder: Path) -> list[Path]:
    (folder / "file").write_text("kept", encoding="utf-8")
    return [folder / "missing" / "report.json", folder, folder / "file" / "report.json"]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["no such folder", "a folder", "below a file"])
def test_an_unwritable_place_fails_before_the_work(
    which: int, cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "run_sweep", lambda *_, **__: pytest.fail("the sweep ran"))
    place = unwritable(tmp_path)[which]
    status, out, err = cestab(*QUICK, "-o", str(place))
    assert (status, out) == (2, "")
    assert f"cannot write '{place}'" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ZeroDivisionError("planted"), 70, ["Traceback", "defect of cestab", "ZeroDivisionError: planted"]),
        (SystemError("planted"), 70, ["Traceback", "defect of cestab", "planted"]),
        (KeyboardInterrupt(), 130, []),
    ],
)
def test_a_defect_and_an_interruption_have_their_own_status_and_leave_the_old_file(
    error: BaseException, status: int, words: list[str], cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(*_: object, **__: object) -> Report:
        raise error

    monkeypatch.setattr(sweep_module, "run_sweep", planted)
    target = tmp_path / "report.json"
    target.write_text("of yesterday", encoding="utf-8")
    outcome = cestab(*QUICK, "--json", "-o", str(target))
    assert (outcome.status, outcome.out) == (status, "")
    assert [word for word in words if word not in outcome.err] == []
    assert ("Traceback" in outcome.err) is (status == 70)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert target.read_text(encoding="utf-8") == "of yesterday"


def test_a_crashed_setting_is_status_3_unless_the_gate_found_something(
    cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = sweep_module.run_sweep

    def with_a_crash(*arguments: Any, **options: Any) -> Report:
        report = genuine(*arguments, **options)
        crashed = replace(report.settings[0], verdict=Verdict.ERROR, findings=(), reason="it crashed")
        return replace(report, settings=(*report.settings, crashed))

    monkeypatch.setattr(sweep_module, "run_sweep", with_a_crash)
    assert cestab(*QUICK).status == 3
    assert cestab(*QUICK, "--json").status == 3
    assert cestab(*QUICK, "--fail-on", "fail").status == 1
    assert cestab(*HARMLESS, "--fail-on", "fail").status == 3


def test_statuses_reach_the_shell() -> None:
    def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*PYTHON, *arguments], capture_output=True, text=True, check=False)

    failed = shell(*QUICK, "--fail-on", "fail", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["summary"]["fail"] == 1
    refused = shell("sweep", "--dtype", "float61")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr


def test_an_interrupt_from_the_terminal_is_status_130(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    long = [*PYTHON, "sweep", "--classes", "100000", "--json", "-o", str(target)]
    with subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: list(tmp_path.iterdir()))  # its temporary file: the work has begun
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def run_with_closed_reader(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with a standard output that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run([*PYTHON, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)


def test_a_closed_pipe_is_no_error_of_a_report() -> None:
    for form in ((), ("--json",)):
        closed = run_with_closed_reader(*HARMLESS, "--fail-on", "fail", *form)
        assert (closed.returncode, closed.stderr) == (0, "")
    gated = run_with_closed_reader(*QUICK, "--fail-on", "fail")
    assert gated.returncode == 1
    assert "Traceback" not in gated.stderr


@pytest.mark.parametrize("arguments", [("list", "findings"), ("--version",), ("sweep", "--help")], ids=" ".join)
def test_a_closed_pipe_is_silent_and_not_the_status_of_a_failed_gate(arguments: tuple[str, ...]) -> None:
    closed = run_with_closed_reader(*arguments)
    assert closed.stderr == ""
    assert closed.returncode != 1


def test_a_line_end_in_a_name_makes_no_second_line(cestab: Command) -> None:
    assert cestab("sweep", "--logits", "1\n2:3").err == "cestab: '1\\n2' in the range '1\\n2:3' is not a finite number\n"
