"""A user's loss that is another function than the objective is never judged; the report says what to write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough
Command = Callable[..., Any]
LOSSES = """
import numpy as np

def lse(z):
    m = z.max(axis=-1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=-1, keepdims=True)))[..., 0]

def right(z, target):
    p = np.exp(z - lse(z)[:, None])
    p[np.arange(len(target)), target] -= 1
    return lse(z) - np.take_along_axis(z, target[:, None], 1)[:, 0], p

def smoothed(z, target):
    return 0.9 * right(z, target)[0] + 0.1 * (lse(z)[:, None] - z).mean(1)

def with_temperature(z, target, temperature=2.0):
    return right(z / temperature, target)[0]

def of_probabilities(p, target):
    picked = p[np.arange(len(target)), target]
    gradient = np.zeros_like(p)
    gradient[np.arange(len(target)), target] = -1 / picked
    return -np.log(picked), gradient

def swapped(first, second):
    return right(second, first)[0]

def clipped(z, target):
    p = np.exp(-right(z, target)[0])
    return -np.log(np.clip(p, 1e-7, 1 - 1e-7))

def odd(z, target):
    return right(z, target)[0] + 0.01 * np.abs(z).sum(1)

def negated(z, target):
    loss, gradient = right(z, target)
    return loss, -gradient
"""
SMALL = ("--dtype", "float32", "--classes", "5", "--pattern", "margin", "--target", "wrong", "--logits=-20:20:9")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "losses.py").write_text(LOSSES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(cestab: Command, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    outcome = cestab("sweep", "-f", name, *SMALL, *arguments, "--json")
    (setting,) = json.loads(outcome.out)["settings"]
    return outcome.status, setting


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smoothed", "label smoothing inside, 0.1, exactly; write losses.py:smoothed:label_smoothing=0.1"),
        ("with_temperature", "multiplied by 0.5 (a temperature of 2), exactly; cestab has no truth for that"),
        ("of_probabilities", "it takes probabilities instead of logits; write losses.py:of_probabilities:input=softmax"),
        ("swapped", "it takes its arguments in the other order; write losses.py:swapped:order=target-first"),
        ("odd", "nothing that cestab knows fits"),
    ],
)
def test_another_objective_is_told_with_what_to_write(name: str, words: str, cestab: Command, folder: Path) -> None:  # noqa: ARG001
    status, setting = sweep(cestab, f"losses.py:{name}")
    assert (status, setting["verdict"], setting["cases"], setting["findings"]) == (3, "other-objective", 0, [])
    assert words in setting["reason"]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("right", "pass"),
        ("smoothed:label_smoothing=0.1", "pass"),
        ("of_probabilities:input=softmax", "pass"),
        ("swapped:order=target-first", "pass"),
        ("clipped", "fail"),  # a rounding defect is one
        ("negated", "fail"),  # if only the gradient differs it is judged
    ],
)
def test_the_objective_is_judged(name: str, verdict: str, cestab: Command, folder: Path) -> None:  # noqa: ARG001
    status, setting = sweep(cestab, f"losses.py:{name}")
    assert (status, setting["verdict"]) == (0, verdict)
    assert setting["cases"] > 0


def test_every_command_refuses_it(cestab: Command, folder: Path) -> None:
    outcome = cestab("compare", "log-softmax", "losses.py:smoothed", *SMALL)
    assert outcome.status == 3
    assert "could not be compared" in " ".join(outcome.out.split())
    assert cestab("compare", "log-softmax", "losses.py:odd", *SMALL, "--fail-on-worse").status == 1
    outcome = cestab("explain", "-f", "losses.py:smoothed", "--logits", "1,0,0", "--target", "1")
    assert outcome.status == 3
    assert "label smoothing inside, 0.1" in outcome.err
    (folder / "cestab.toml").write_text('[[audit]]\nformulations = "losses.py:odd"\ndtypes = "float32"\nclasses = 5\n', "utf-8")
    assert cestab("check").status == 3


def test_every_row_of_a_batch_is_judged(cestab: Command, folder: Path) -> None:
    """A backward that forgets all rows but one, as one of chunks may: the first row alone looks right."""
    with (folder / "losses.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\ndef batched(z, target, lost=()):\n"
            "    loss, gradient = right(z, target)\n"
            "    gradient[list(lost) if len(z) > 1 else []] = 0\n"
            "    return (loss.mean(), gradient / len(z)) if len(z) == 8 else (loss, gradient)\n"
            "\n\ndef forgetful(z, target):\n    return batched(z, target, range(1, 8))\n"
            "\n\ndef first_lost(z, target):\n    return batched(z, target, [0])\n"
        )
    for name, verdict in (("batched", "pass"), ("forgetful", "fail"), ("first_lost", "fail")):
        _, setting = sweep(cestab, f"losses.py:{name}", "--batch", "8")
        assert setting["verdict"] == verdict, name
    kinds = [finding["kind"] for finding in setting["findings"]]
    assert kinds == ["vanishing-gradient"]


def test_a_function_of_another_framework_is_named(cestab: Command, folder: Path) -> None:
    (folder / "jax.py").write_text("def nothing(z, target):\n    raise TypeError('an array of jax is needed')\n", "utf-8")
    (folder / "mine.py").write_text("import jax\n\ndef loss(z, target):\n    return jax.nothing(z, target)\n", "utf-8")
    _, setting = sweep(cestab, "mine.py:loss")
    assert setting["verdict"] == "error"
    assert setting["reason"].endswith("did you mean jax:mine.py:loss?")
