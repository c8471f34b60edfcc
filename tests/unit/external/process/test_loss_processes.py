"""Processes of targets: what they import, what they say where a framework is missing, how their messages pass."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cestab.errors import UsageError
from cestab.external.evaluation import Work
from cestab.external.names import parse_external_name
from cestab.external.process.channel import BYTES, Channel, map_memory, open_memory
from cestab.external.process.client import describe_loss, end_losses, evaluate_loss
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import find_format
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.external import DEFAULT_GUARD
from cestab.vocabulary.loss_options import NO_OPTIONS

FRAMEWORKS = ("jax", "keras", "optax", "tensorflow", "torch")
IMPORTED = f"""
import sys
import numpy as np

def loss(z, y):
    return np.full(len(z), float(bool(set({FRAMEWORKS!r}) & set(sys.modules)))), np.zeros_like(z)
"""


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    end_losses()
    yield
    end_losses()


def hide(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have processes find a module that is not installed."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(f"raise ModuleNotFoundError('No module', name={module!r})")
    source = str(Path(__file__).parents[4] / "src")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{source}")


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("jax", "jax:jax.nn.log_softmax"),
        ("torch", "torch:torch.nn.functional.cross_entropy"),
        ("tensorflow", "tensorflow:tf.nn.log_softmax"),
        ("keras", "keras:keras.losses.BinaryCrossentropy:backend=jax"),
    ],
)
def test_a_missing_framework_is_a_sentence(missing: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(missing, tmp_path, monkeypatch)
    with pytest.raises(UsageError) as told:
        describe_loss(parse_external_name(name), DEFAULT_GUARD)
    assert str(told.value) == f"{missing} is not installed, which '{name}' needs: pip install 'cestab[{missing}]'"


def test_nothing_is_imported_that_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(IMPORTED)
    work = Work(
        arithmetic=Arithmetic(fmt=find_format("float32")),
        logits=np.zeros((2, 3), np.float32),
        target=IndexTarget(index=np.zeros(3, np.intp)),
        upstream=1.0,
        options=NO_OPTIONS,
    )
    loss, _ = evaluate_loss(parse_external_name(f"{tmp_path / 'users.py'}:loss"), work, DEFAULT_GUARD)
    assert not loss.any()
    assert not set(FRAMEWORKS) & set(sys.modules)


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["sweep", "jax:nosuch.loss", "--dtype", "float32"]])
def test_the_command_imports_no_framework(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom cestab.__main__ import main\n"
        f"sys.argv = ['cestab', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print(sorted(set({FRAMEWORKS!r}) & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("size", [0, 3, BYTES // 8 - 8, BYTES // 8])
def test_arrays_pass_through_shared_memory_or_with_the_message(size: int) -> None:
    receiving, sending = os.pipe()
    channel = Channel(outgoing=sending, incoming=receiving, memory=map_memory(open_memory()))
    sent = {
        "small": np.arange(3.0),
        "large": np.arange(size, dtype=np.float64),
        "text": "x",
        "odd": np.eye(3)[:, 1],
    }
    with ThreadPoolExecutor() as other_end:  # a pipe does not hold a large message
        other_end.submit(channel.send, sent, 1)
        sender, question, received = channel.receive()
    assert (sender, question) == (os.getpid(), 1)
    channel.send({"small": np.zeros(3)}, 2)
    assert received["text"] == "x"
    for name in ("small", "large", "odd"):
        np.testing.assert_array_equal(received[name], sent[name])
    channel.receive()[2]["small"][0] = 1.0  # it is the receiver's own
    channel.close()
