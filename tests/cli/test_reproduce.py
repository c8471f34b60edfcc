"""`reproduce`: a command line that a shell reads back as the very case."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.formulations import find_formulation
from cestab.numerics.formats import find_format
from cestab.numerics.rounding import round_number

Command = Callable[..., Any]

FLAGS = {"--flush-subnormals"}
ALWAYS = {"-f", "--dtype", "--pattern", "--classes", "--target", "--at"}
ALWAYS_OF_ROWS = {"-f", "--dtype", "--from", "--row"}


def read_back(line: str) -> dict[str, str]:
    """Split a line as a shell does, and pair options with their values; nothing may be left over or come twice."""
    words = shlex.split(line)
    assert words[:2] == ["cestab", "explain"]
    options: dict[str, str] = {}
    rest = iter(words[2:])
    for word in rest:
        assert word.startswith("-"), line
        name, equals, value = word.partition("=")
        assert name not in options, line
        options[name] = value if equals else "" if name in FLAGS else next(rest)
    return options


def reproductions(cestab: Command, *arguments: str) -> list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """Run a command and return (setting, finding, options of its reproduce) for every finding: at least one."""
    outcome = cestab(*arguments, "--json")
    assert outcome.status == 0, outcome.err
    settings = json.loads(outcome.out)["settings"]
    found = [(s, f, read_back(f["first"]["reproduce"])) for s in settings for f in s["findings"]]
    assert found
    return found


def test_a_default_setting_names_its_case_and_nothing_else(cestab: Command) -> None:
    request = ("sweep", "-f", "naive", "--dtype", "float16,float32", "--classes", "2,3", "--target", "wrong,smooth:0.1")
    found = reproductions(cestab, *request, "--logits", "-200:200:65")
    for setting, finding, options in found:
        assert set(options) == ALWAYS
        assert options["-f"] == setting["formulation"]
        assert options["--dtype"] == setting["dtype"]
        assert options["--pattern"] == setting["pattern"]
        assert options["--classes"] == str(setting["classes"])
        assert options["--target"] == setting["target"]
        fmt = find_format(setting["dtype"])
        assert round_number(float(options["--at"]), fmt) == float.fromhex(finding["first"]["hex"])
    assert any(options["--at"].startswith("-") for _, _, options in found), "no negative t among them"


def test_a_negative_t_is_joined_to_its_option(cestab: Command) -> None:
    request = ("sweep", "-f", "clipped", "--dtype", "float16", "--pattern", "margin", "--target", "wrong", "--classes", "2")
    outcome = cestab(*request, "--logits", "-40:-30", "--json")
    finding = json.loads(outcome.out)["settings"][0]["findings"][0]
    assert finding["first"]["t"] == -30.0
    assert shlex.split(finding["first"]["reproduce"])[-1] == "--at=-30.0"


@pytest.mark.parametrize("formulation", ["clipped:eps=1e-8", "clipped:eps=1e-8,bounds=closed", "log-eps:eps=0.25", "clipped"])
def test_parameters_are_as_written(formulation: str, cestab: Command) -> None:
    for setting, _, options in reproductions(cestab, "sweep", "-f", formulation, "--dtype", "float16", "--classes", "2"):
        assert options["-f"] == formulation == setting["formulation"]
        assert find_formulation(options["-f"]).name == formulation


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--compute", "float32"), {"--compute": "float32"}),
        (("--compute", "float16"), {}),
        (("--summation", "sequential"), {"--summation": "sequential"}),
        (("--summation", "wide"), {}),
        (("--loss-scale", "1024"), {"--loss-scale": "1024.0"}),
        (("--loss-scale", "1"), {}),
        (("--rtol", "1e-9"), {"--rtol": "1e-09"}),
        (("--rtol", "0.001953125"), {}),
        (("--atol", "0"), {"--atol": "0.0"}),
        (("--seed", "3"), {"--seed": "3"}),
        (("--seed", "0"), {}),
        (("--flush-subnormals",), {"--flush-subnormals": ""}),
        (("--fp8-overflow", "saturate"), {}),
        (
            ("--compute", "float32", "--flush-subnormals", "--seed", "3", "--atol", "0.5"),
            {"--compute": "float32", "--flush-subnormals": "", "--seed": "3", "--atol": "0.5"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_only_what_differs_from_the_default_is_named(given: tuple[str, ...], expected: dict[str, str], cestab: Command) -> None:
    request = ("sweep", "-f", "softmax-log", "--dtype", "float16", "--classes", "2", "--pattern", "gaussian,margin")
    for _, _, options in reproductions(cestab, *request, "--logits", "-60000:60000:65", *given):
        assert {name: value for name, value in options.items() if name not in ALWAYS} == expected


def test_overflow_of_a_format_without_infinity_is_named(cestab: Command) -> None:
    request = ("sweep", "-f", "naive", "--dtype", "float8_e4m3fn,float8_e5m2", "--classes", "2", "--pattern", "margin")
    for setting, _, options in reproductions(cestab, *request, "--fp8-overflow", "saturate"):
        extra = {"--fp8-overflow": "saturate"} if setting["dtype"] == "float8_e4m3fn" else {}
        assert {name: value for name, value in options.items() if name not in ALWAYS} == extra


def test_a_binary_setting_reads_back(cestab: Command) -> None:
    for setting, _, options in reproductions(cestab, "sweep", "-f", "sigmoid-naive", "--dtype", "float16"):
        assert options["-f"] == "sigmoid-naive"
        assert (options["--pattern"], options["--classes"]) == ("margin", "1")
        assert options["--target"] == setting["target"]


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[str, str]:
    """Logits whose row 2 breaks a naive softmax in float16, and labels, in files whose names a shell would cut."""
    logits, labels = tmp_path / "my $logits; 'of' today.npy", tmp_path / "the labels.npy"
    np.save(logits, np.array([[0.0, 1.0], [1.0, 0.0], [20.0, 0.0]], dtype=np.float32))
    np.save(labels, np.array([0, 1, 1]))
    return str(logits), str(labels)


def test_a_row_names_its_files_however_they_are_called(cestab: Command, recorded: tuple[str, str]) -> None:
    logits, labels = recorded
    request = ("audit", logits, "--labels", labels, "-f", "naive", "--dtype", "float16")
    for _, finding, options in reproductions(cestab, *request):
        assert (options["--from"], options["--labels"]) == (logits, labels)
        assert options["--row"] == str(finding["first"]["row"])
        assert finding["severity"] != "fail" or options["--row"] == "2"
        assert (options["-f"], options["--dtype"]) == ("naive", "float16")
        assert options.get("--axis", "1") == "1"
        assert set(options) <= ALWAYS_OF_ROWS | {"--labels", "--axis"}


def test_a_row_of_one_file_names_no_labels(cestab: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "a b.npz", logits=np.array([[20.0, 0.0]], dtype=np.float32), labels=np.array([1]))
    for _, _, options in reproductions(cestab, "audit", str(tmp_path / "a b.npz"), "-f", "naive", "--dtype", "float16"):
        assert options["--from"] == str(tmp_path / "a b.npz")
        assert "--labels" not in options


def test_classes_first_are_named(cestab: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", logits=np.array([[20.0], [0.0]], dtype=np.float32), labels=np.array([1]))
    request = ("audit", str(tmp_path / "a.npz"), "--axis", "0", "-f", "naive", "--dtype", "float16")
    assert [options.get("--axis", "1") for _, _, options in reproductions(cestab, *request)] == ["0", "0"]
