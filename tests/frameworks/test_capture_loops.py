"""Recording in loops of torch and JAX: what the framework computes comes back, and nothing of the loop is changed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.capture import record
from cestab.cases.recording import open_recording
from cestab.commands.capture import SNIPPETS
from cestab.errors import UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.requests import RecordingSource

Array = npt.NDArray[Any]
SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
RNG = np.random.default_rng(0)


def read(path: Path, objective: Objective = SOFTMAX) -> tuple[Array, Array]:
    with open_recording(RecordingSource(file=str(path)), objective) as recording:
        logits, labels = recording.read(slice(0, recording.rows))
    return logits.T, labels


def draw_batches(count: int = 4, rows: int = 8, features: int = 3) -> Iterator[tuple[Array, Array]]:
    for _ in range(count):
        yield RNG.normal(size=(rows, features)).astype(np.float32), RNG.integers(0, 5, rows)


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "float8_e5m2"])
def test_tensors_with_their_graph_are_recorded_in_their_format(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    known = []
    with record(tmp_path / "a.safetensors") as keep:
        for inputs, labels in draw_batches():
            logits = (torch.tensor(inputs) @ weights).to(getattr(torch, name))
            keep(logits, torch.tensor(labels))
            known.append(logits.detach().double().numpy())
            torch.nn.functional.cross_entropy(logits.float(), torch.tensor(labels)).backward()
    assert weights.grad is not None
    assert bool(weights.grad.abs().sum() > 0), "the graph is whole"
    np.testing.assert_array_equal(read(tmp_path / "a.safetensors")[0], np.concatenate(known))


def test_a_language_model_of_torch_is_cut_before_it_is_copied(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = torch.randn(2, 6, 11).bfloat16().transpose(0, 1), torch.randint(0, 11, (6, 2))
    with record(tmp_path / "a.safetensors", max_bytes=7 * (2 * 11 + 8)) as keep:
        keep(logits, labels)
    assert (keep.rows, keep.is_full) == (7, True)
    found, own = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found, logits.reshape(12, 11)[:7].double().numpy())
    np.testing.assert_array_equal(own, labels.reshape(12)[:7].numpy())


def test_binary_tensors_are_recorded(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = torch.randn(9, 1).half(), torch.rand(9, 1)
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits, labels)
        keep(logits, labels > 0.5)
    found, own = read(tmp_path / "a.safetensors", BINARY)
    np.testing.assert_array_equal(found, torch.cat([logits, logits]).double().numpy())
    np.testing.assert_array_equal(own, torch.cat([labels, labels > 0.5]).numpy()[:, 0])


def test_tensors_that_are_no_arrays_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for logits, word in ((torch.eye(3).int(), "int32"), (torch.empty(3, 3, device="meta"), "no NumPy array")):
        with pytest.raises(UsageError, match=word), record(tmp_path / "a.safetensors") as keep:
            keep(logits, torch.zeros(3, dtype=torch.int64))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_arrays_of_jax_are_recorded_in_their_format(name: str, tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    known = []
    with record(tmp_path / "a.safetensors") as keep:
        for inputs, labels in draw_batches(features=5):
            logits = jax.numpy.asarray(inputs).astype(name)
            keep(logits, jax.numpy.asarray(labels))
            known.append(np.asarray(logits).astype(np.float64))
    np.testing.assert_array_equal(read(tmp_path / "a.safetensors")[0], np.concatenate(known))


@pytest.mark.parametrize("transform", ["jit", "grad", "vmap"])
def test_a_recorder_that_jax_traces_is_told_to_come_out(transform: str, tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    with record(tmp_path / "a.safetensors") as keep:
        keep(jax.numpy.zeros((2, 3)), jax.numpy.zeros(2, int))

        def loss(logits: Any, labels: Any) -> Any:
            keep(logits, labels)
            return logits.sum()

        with pytest.raises(UsageError, match="JAX is tracing"):
            getattr(jax, transform)(loss)(jax.numpy.zeros((2, 3)), jax.numpy.zeros(2, int))
    assert keep.rows == 2


def test_the_printed_lines_for_torch_record_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Linear(3, 5)
    loader = [(torch.tensor(inputs), torch.tensor(labels)) for inputs, labels in draw_batches(103)]
    exec(SNIPPETS["torch"], {"torch": torch, "model": model, "loader": loader})  # noqa: S102  # what users paste
    assert model.weight.grad is not None
    logits, labels = read(tmp_path / "logits.safetensors")
    assert len(logits) == 800, "100 batches"
    np.testing.assert_array_equal(logits[:8], model(loader[0][0]).detach().numpy())
    np.testing.assert_array_equal(labels[:8], loader[0][1].numpy())
    assert api.audit("logits.safetensors", dtypes="bfloat16").rows == 800


def test_the_printed_lines_for_jax_record_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    monkeypatch.chdir(tmp_path)

    @jax.jit  # type: ignore[untyped-decorator]
    def train_step(weights: Any, inputs: Any, labels: Any) -> Any:
        def loss(own: Any) -> Any:
            logits = inputs @ own
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), logits

        gradients, logits = jax.grad(loss, has_aux=True)(weights)
        return weights - 0.1 * gradients, logits

    params = jax.numpy.ones((3, 5))
    loader = list(draw_batches(103))
    exec(SNIPPETS["jax"], {"train_step": train_step, "loader": loader, "params": params})  # noqa: S102  # what users paste
    logits, labels = read(tmp_path / "logits.safetensors")
    assert len(logits) == 800
    np.testing.assert_array_equal(logits[:8], np.asarray(loader[0][0] @ params))
    np.testing.assert_array_equal(labels[:8], loader[0][1])


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_loops_of_the_page_run_and_print_what_it_says(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(framework)
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "capture.md").read_text(encoding="utf-8")
    (code,) = (
        block
        for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        if f"import {framework}\n" in block
    )
    exec(code, {})  # noqa: S102  # what users paste
    assert capsys.readouterr().out == "6400 100 True\n"
    assert "# 6400 100 True\n" in code
    report = api.audit("logits.safetensors", dtypes=["bfloat16", "float32"], formulations="compensated")
    assert (report.rows, {result.cases for result in report.settings}) == (6400, {6400})


def test_images_of_torch_and_jax_have_their_classes_on_axis_1(tmp_path: Path) -> None:
    torch, jnp = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    logits, labels = RNG.normal(size=(2, 5, 3, 4)).astype(np.float32), RNG.integers(0, 5, (2, 3, 4))
    for make in (torch.tensor, jnp.asarray):
        with record(tmp_path / "a.safetensors", axis=1) as keep:
            keep(make(logits), make(labels))
        found, own = read(tmp_path / "a.safetensors")
        np.testing.assert_array_equal(found, np.moveaxis(logits, 1, -1).reshape(24, 5))
        np.testing.assert_array_equal(own, labels.reshape(24))
