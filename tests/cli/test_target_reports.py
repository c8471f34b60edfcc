"""What reports on code that is not ours say: reproduce lines, explanations, comparisons, checks, differences."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.vocabulary.external import Guard
from events import load_first

Command = Callable[..., Any]

DATA = Path(__file__).parents[1] / "data" / "targets.py"
QUICK = ("--dtype", "float16", "--pattern", "margin", "--classes", "2", "--target", "wrong", "--logits=-200:200:33")


def path_to(function: str) -> str:
    return f"{DATA}:{function}"


def sweep(function: str) -> list[str]:
    return ["sweep", "-f", path_to(function), *QUICK]


def findings_of(report: str) -> list[tuple[str, str]]:
    """Kinds of findings and the command that shows each."""
    settings = json.loads(report)["settings"]
    return [(finding["kind"], finding["first"]["reproduce"]) for setting in settings for finding in setting["findings"]]


@pytest.mark.parametrize(
    ("function", "options"),
    [
        ("no_shift_loss_only", ()),
        ("sign_flip", ("--loss-scale", "64", "--rtol", "1e-4")),
        ("chained", ()),
        ("no_shift", ("--compute", "float32")),
    ],
)
def test_every_finding_is_found_again_by_its_command(function: str, options: tuple[str, ...], cestab: Command) -> None:
    report = cestab(*sweep(function), *options, "--json")
    assert report.status == 0, report.err
    findings = findings_of(report.out)
    assert findings
    for kind, line in findings:
        explained = cestab(*shlex.split(line)[1:], "--json")
        assert explained.status == 0, explained.err
        assert kind in [finding["kind"] for finding in json.loads(explained.out)["findings"]], line


def test_so_it_is_with_rows_of_a_file_and_a_binary_loss(cestab: Command, tmp_path: Path) -> None:
    file = str(tmp_path / "my rows.npz")
    np.savez(file, logits=np.array([[20.0, 0.0], [0.0, 2.0], [200.0, 0.0]]), labels=np.array([0, 1, 1]))
    audit = cestab("audit", file, "-f", path_to("no_shift"), "--dtype", "float16", "--json")
    objective = ("--objective", "binary-cross-entropy")
    binary = cestab("sweep", "-f", path_to("binary"), *objective, "--dtype", "float16", "--logits=-30:30:9", "--json")
    for report in (audit, binary):
        assert report.status == 0, report.err
        assert findings_of(report.out)
        for kind, line in findings_of(report.out):
            explained = cestab(*shlex.split(line)[1:], "--json")
            assert kind in [finding["kind"] for finding in json.loads(explained.out)["findings"]], line


CASE = ("--dtype", "float16", "--logits", "200,0", "--target", "1", "--json")


def explain(cestab: Command, name: str, *options: str) -> dict[str, Any]:
    outcome = cestab("explain", "-f", name, *CASE, *options)
    assert outcome.status == 0, outcome.err
    explanation: dict[str, Any] = json.loads(outcome.out)
    return explanation


def test_code_that_is_not_ours_is_explained_without_its_operations(cestab: Command) -> None:
    explanation = explain(cestab, path_to("no_shift"))
    assert explanation["operations"] == []
    assert explanation["root_cause"] is None
    assert "inf-loss" in [finding["kind"] for finding in explanation["findings"]]
    text = cestab("explain", "-f", path_to("no_shift"), *CASE[:-1]).out
    assert "code that is not cestab's" in text
    assert "inf" in text
    beside = explain(cestab, "naive", "--against", path_to("loss_only"))
    assert beside["operations"]


def test_a_recipe_is_explained_like_cestabs_own_with_its_operations_and_its_root_cause(cestab: Command) -> None:
    theirs, ours = explain(cestab, path_to("chained")), explain(cestab, "softmax-log")
    assert theirs["operations"] == ours["operations"] != []
    assert theirs["root_cause"] == ours["root_cause"] is not None
    assert theirs["findings"] == ours["findings"] != []


def test_a_recipe_in_a_module_of_the_current_folder_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cestab: Command
) -> None:
    lines = ("from cestab import formulation", "from cestab.primitives import log, pick, softmax", "@formulation")
    source = "\n".join((*lines, "def of_mine(z, target):", "    return -pick(log(softmax(z)), target)", ""))
    (tmp_path / "module_of_mine.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    before = list(sys.path)
    theirs = explain(cestab, "python:module_of_mine.of_mine")
    assert theirs["operations"] == explain(cestab, "softmax-log")["operations"]
    assert sys.path == before


def test_a_comparison_with_a_target(cestab: Command) -> None:
    compare = ("compare", "log-softmax", path_to("no_shift"), *QUICK)
    outcome = cestab(*compare, "--fail-on-worse", "--json")
    assert outcome.status == 1
    assert "fail instead of pass" in json.loads(outcome.out)["settings"][0]["worse"]
    for form in ((), ("--detail",), ("--output-format", "csv"), ("--output-format", "markdown")):
        assert cestab("compare", "naive", path_to("loss_only"), path_to("no_shift"), *QUICK, *form).status == 0
    crashed = cestab("compare", "log-softmax", path_to("raises"), path_to("stable"), *QUICK, "--json")
    assert crashed.status == 3
    first, second = json.loads(crashed.out)["settings"]
    assert (first["loss"], second["loss"]["equal_share"]) == (None, 1.0)
    assert cestab("compare", path_to("raises"), path_to("stable"), *QUICK).status == 3


def test_adapters_are_listed(cestab: Command) -> None:
    status, out, _ = cestab("list", "adapters")
    assert status == 0
    for name in ("torch", "jax", "keras", "tensorflow", "python"):
        assert f"\n{name} " in f"\n{out}"


def test_a_difference_tells_a_changed_version_of_what_a_target_runs_on(cestab: Command, tmp_path: Path) -> None:
    report = json.loads(cestab(*sweep("stable"), "--json").out)
    (tmp_path / "old.json").write_text(json.dumps(report), encoding="utf-8")
    (facts,) = report["environment"]["targets"]
    assert facts["versions"] == {"numpy": np.__version__}
    facts["versions"]["numpy"] = "99.0"
    (tmp_path / "new.json").write_text(json.dumps(report), encoding="utf-8")
    outcome = cestab("diff", str(tmp_path / "old.json"), str(tmp_path / "new.json"))
    assert outcome.status == 0
    assert f"numpy {np.__version__}" in outcome.out or np.__version__ in outcome.out
    assert "99.0" in outcome.out


CONFIG = """
[[audit]]
name = "losses"
formulations = ["{path}:{function}", "log-softmax"]
dtypes = ["float16"]
patterns = ["margin"]
classes = [2]
targets = ["wrong"]
logits = "-200:200:33"
timeout = {timeout}
max-memory = "1G"
"""


@pytest.mark.parametrize(
    ("function", "timeout", "status", "words", "form"),
    [
        ("stable", 60, 0, "", ["--json"]),
        ("no_shift", 60, 1, "inf-loss", ["--json"]),
        ("no_shift", 60, 1, "inf-loss", []),
        ("raises", 60, 3, "it raised RuntimeError", ["--json"]),
        ("raises", 60, 3, "it raised RuntimeError", []),
        ("raises", 60, 3, "it raised RuntimeError", ["--output-format", "junit"]),
        ("hangs", 1, 3, "it did not return within 1 s", ["--json"]),
        ("nothing", 60, 2, "there is no 'nothing'", ["--json"]),
        ("stable", 0, 2, "timeout 0.0 is not", ["--json"]),
    ],
)
def test_check_gates_targets(
    function: str,
    timeout: int,
    status: int,
    words: str,
    form: list[str],
    cestab: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cestab.toml").write_text(CONFIG.format(path=DATA, function=function, timeout=timeout), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    if timeout == 1:
        load_first([path_to(function)], Guard(timeout_seconds=1.0, max_memory_bytes=2**30), tmp_path, monkeypatch)
    outcome = cestab("check", *form)
    assert outcome.status == status
    assert words in " ".join((outcome.out + outcome.err).split())
