"""Argument lists, sensible and not: every one ends in a status of the contract, never in a trace."""

import io
import json
import shutil
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from cestab.commands.app import run
from cestab.errors import ExitStatus
from fuzz import examples

EXAMPLES = 20  # of each of nine commands
DIGITS = Path(__file__).parent.parent / "data" / "digits_logits.npz"
ALLOWED = {ExitStatus.DONE, ExitStatus.GATE_FAILED, ExitStatus.USAGE}

# option: values that mean something, and values that do not
NAMES = [
    "naive",
    "clipped:eps=1e-8",
    "online:chunk=2",
    "compensated",
    "sigmoid-naive",
    "clipped:bounds=closed,eps=0.4",
    "focal-naive:gamma=1",
]
WRONG_NAMES = [
    "nave",
    "",
    ":",
    "naive:x=1",
    "clipped:eps=",
    "online:chunk=0",
    "log-eps:eps=nan",
    "focal-naive:gamma=9",
    "naive,clipped",
    "ünï→",
]
NUMBERS, WRONG_NUMBERS = ["1", "2", "0.5", "1e-3", "8"], ["0", "-1", "nan", "inf", "-inf", "1e400", "1e-400", "", "x", "٣"]
FORMATS = ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float32", "float64", "float8_e3m4"]
WRONG_FORMATS = ["float4_e2m1fn", "half", "", "float"]
VALUES = {
    "-f": (NAMES, WRONG_NAMES),
    "--against": (NAMES, WRONG_NAMES),
    "--objective": (["softmax-cross-entropy"], ["binary-cross-entropy", "focal-loss", "mse", ""]),
    "--batch": (["1", "3", "1000"], ["0", "-1", "1e3", "16777217", "x", ""]),
    "--reduction": (["mean", "sum"], ["none", ""]),
    "--dtype": (FORMATS, WRONG_FORMATS),
    "--compute": (["float32", "float64"], [*FORMATS, *WRONG_FORMATS]),
    "--summation": (["wide", "pairwise", "sequential"], ["sideways"]),
    "--loss-scale": (NUMBERS, WRONG_NUMBERS),
    "--fp8-overflow": (["nan", "saturate"], ["wrap"]),
    "--pattern": (["margin", "offset", "spread", "equal", "gaussian", "masked"], ["marg", ""]),
    "--classes": (["2", "3", "17"], ["1", "0", "-1", "1e3", "", "2.5"]),
    "--target": (
        ["correct", "wrong", "smooth:0.1", "uniform", "one-hot-wrong"],
        ["smooth", "soft:2", "soft:0:1:3", "1", "0.5,0.5"],
    ),
    "--seed": (["0", "7"], ["-1", "x", "99999999999999999999"]),
    "--rtol": (NUMBERS, WRONG_NUMBERS),
    "--atol": (NUMBERS, WRONG_NUMBERS),
    "--fail-on": (["fail", "warn", "nan-loss"], ["nan", ""]),
    "--output-format": (["table", "json", "csv", "markdown"], ["csv", "markdown", "junit", "sarif", "github", "xml", ""]),
    "--logits": (["0:1", "-2:2:5", "100,0", "0:1:3:linear"], ["1:0", ":", "::", "nan:1", "1,nan", "-inf,0", "a,b", "3", ""]),
    "--at": (["0", "88.7", "-104", "1e-3"], WRONG_NUMBERS),
    "--row": (["0", "17"], ["-1", "9999999", "x"]),
    "--from": (["digits.npz"], ["missing.npz", "", "."]),
    "--axis": (["1"], ["0", "2", "x"]),
    "--ignore-index": (["3", "-100"], ["x"]),
    "--sample": (["5", "100000"], ["0", "-1", "x"]),
    "--max-growth": (NUMBERS, WRONG_NUMBERS),
    "--config": (["project.toml"], ["missing.toml", "", "digits.npz"]),
    "-o": (["out.json"], ["missing/out.json", ".", ""]),
}
JUDGEMENT = ["--dtype", "--compute", "--summation", "--loss-scale", "--fp8-overflow", "--rtol", "--atol"]
CASES = ["--pattern", "--target", "--seed", "--batch", "--reduction"]
FORMS = ["--output-format", "-o"]
# command: its options, and words with which it does something
COMMANDS = {
    "sweep": (["-f", "--fail-on", "--objective", *JUDGEMENT, *CASES, *FORMS], ["-f", "naive", "--dtype", "float16"]),
    "audit": (
        ["-f", "--fail-on", "--axis", "--ignore-index", "--sample", "--seed", *JUDGEMENT, *FORMS],
        ["digits.npz", "-f", "naive", "--dtype", "float16"],
    ),
    "compare": ([*JUDGEMENT, *CASES, *FORMS], ["naive", "compensated", "--dtype", "float16"]),
    "explain": (["--against", "--pattern", "--batch", "--reduction", *JUDGEMENT, *FORMS], ["-f", "log-sum-exp", "--at", "3"]),
    "capture": ([], ["jax"]),
    "list": ([], ["findings"]),
    "diff": (["--max-growth", *FORMS], ["old.json", "new.json"]),
    "check": (["--config", *FORMS], ["--config", "project.toml"]),
    "schema": ([], ["sweep"]),
}
# At the end, so that it wins: a fuzzed sweep stays small.
SMALL = {"sweep": ["--logits", "0:12:4", "--classes", "2"], "compare": ["--logits", "0:12:4", "--classes", "2"]}
FLAGS = ["--json", "--detail", "--hex", "--flush-subnormals", "--fail-on-worse", "--help", "--jsn", "--", "-", "-x"]
WORDS = ["naive", "log-sum-exp", "formulations", "digits.npz", "missing.json", "sweep", "ünï→"]
PROJECT = """
[[audit]]
formulations = ["log-sum-exp"]
dtypes = ["float16"]
logits = "0:12:4"
classes = [2]
"""


@st.composite
def argument_lists(draw: st.DrawFn, command: str) -> list[str]:
    """Draw a command's line: mostly a right one with a few options, of which one in five is wrong or from elsewhere."""

    def is_wrong() -> bool:
        return draw(st.integers(0, 4)) == 0

    own, base = COMMANDS[command]
    arguments = [] if is_wrong() else list(base)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(VALUES) if is_wrong() or not own else own))
        value = draw(st.sampled_from(VALUES[name][is_wrong()]))
        arguments += [f"{name}={value}"] if draw(st.booleans()) else [name, value]
    if draw(st.integers(0, 2)) == 0:
        arguments.append(draw(st.sampled_from(FLAGS)))
    if is_wrong():
        arguments.append(draw(st.sampled_from(WORDS) | st.text(max_size=8)))
    if draw(st.integers(0, 30)) == 0:
        command = draw(st.sampled_from(["swep", "", "-", "--version"]))
    return [command, *arguments, *SMALL.get(command, [])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz")
    shutil.copy(DIGITS, path / "digits.npz")
    (path / "project.toml").write_text(PROJECT)
    for name in ("old.json", "new.json"):
        sweep = [
            "sweep",
            "-f",
            "naive",
            "--dtype",
            "float16",
            "--logits",
            "0:12:4",
            "--classes",
            "2",
            "--json",
            "-o",
            str(path / name),
        ]
        with redirect_stderr(io.StringIO()):
            assert run(sweep) == ExitStatus.DONE
    return path


@pytest.fixture(autouse=True)
def _stay_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_argument_list_ends_in_a_status_of_the_contract(command: str) -> None:
    statuses: Counter[int] = Counter()

    @seed(20261126)
    @examples(EXAMPLES)
    @given(argument_lists(command))
    def run_each(arguments: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = run(arguments)
        if arguments[0] == command:
            statuses[status] += 1
        assert status in ALLOWED, (arguments, err.getvalue())
        assert "Traceback" not in err.getvalue(), arguments
        if status == ExitStatus.USAGE:
            assert err.getvalue().startswith("cestab: "), arguments
            if out.getvalue():
                assert json.loads(out.getvalue())["schema"] == "cestab.error/1", arguments

    run_each()
    has_options = bool(COMMANDS[command][0])  # every option is wrong for the others
    assert statuses[ExitStatus.DONE] > 0 or not has_options, "not all were refused"
    assert statuses[ExitStatus.USAGE] > 0
