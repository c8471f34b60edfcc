"""The adapter of Keras on each of its backends: its losses against cestab's truth, its classes, its clips."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from engines import (
    DTYPES,
    ONE_ROUNDING,
    ROWS,
    benign_logits,
    check_against_truth,
    check_batch,
    check_binary,
    check_rows,
    check_softmax,
    check_upstream,
    describe,
    evaluate,
    index_target,
    soft_target,
)

import cestab
from cestab.errors import UsageError
from cestab.external.engines.base import UnsupportedError
from cestab.external.names import KERAS_BACKENDS
from cestab.external.process.client import end_losses
from cestab.numerics.target import DenseTarget, IndexTarget

for module in ("keras", *KERAS_BACKENDS):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed", allow_module_level=True)

LOSSES = "keras:keras.losses."
each_backend = pytest.mark.parametrize("backend", KERAS_BACKENDS)


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    yield
    end_losses()


def name_in(name: str, backend: str, dtype: str) -> str:
    """The name of a loss with its backend; a class computes in float32 unless it is made with another dtype."""
    return f"{LOSSES}{name}backend={backend}{f',dtype={dtype}' if name[0].isupper() else ''}"


@each_backend
@pytest.mark.parametrize(
    "name",
    [
        "categorical_crossentropy:",
        "categorical_crossentropy:from_logits=True,",
        "CategoricalCrossentropy:label_smoothing=0.1,",
    ],
)
def test_losses_of_distributions_are_the_true_ones(name: str, backend: str) -> None:
    for dtype in DTYPES:
        check_softmax(name_in(name, backend, dtype), dtype)


@each_backend
@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy:", "SparseCategoricalCrossentropy:from_logits=True,"])
def test_losses_of_integers_are_the_true_ones(name: str, backend: str) -> None:
    for dtype in DTYPES:
        check_softmax(name_in(name, backend, dtype), dtype, takes_dense=False)


@each_backend
@pytest.mark.parametrize("name", ["binary_crossentropy:from_logits=True,", "BinaryCrossentropy:"])
def test_losses_of_one_logit_are_the_true_ones(name: str, backend: str) -> None:
    for dtype in DTYPES if backend == "tensorflow" else DTYPES[1:]:
        check_binary(name_in(name, backend, dtype), dtype)


@each_backend
def test_a_mean_goes_through_float32_on_all_backends_but_tensorflow(backend: str) -> None:
    label = DenseTarget(weights=np.ones((1, ROWS)))
    name = f"{LOSSES}binary_crossentropy:from_logits=True,backend={backend}"
    loss, _ = evaluate(name, benign_logits("float64", 1), label, "float64")
    assert (loss == loss.astype(np.float32)).all() == (backend != "tensorflow")


@pytest.mark.parametrize("name", ["keras:keras.ops.log_softmax", "keras:keras.ops.log"])
def test_log_probabilities_are_the_true_ones(name: str) -> None:
    check_softmax(f"{name}:backend=jax", "float32")


def test_a_focal_loss_has_keras_gamma_and_needs_alpha_1() -> None:
    name = f"{LOSSES}CategoricalFocalCrossentropy:backend=jax"
    for dtype in ("float64", "float32"):
        check_against_truth(f"{name},alpha=1.0,dtype={dtype}", dtype, index_target(), soft_target())
        check_against_truth(f"{name},alpha=1.0,gamma=1.5,dtype={dtype}", dtype, index_target())
    with pytest.raises(UsageError, match=r"for which cestab has no truth: add alpha=1\.0"):
        check_against_truth(name, "float32", index_target())


@pytest.mark.parametrize(("backend", "mode"), [("jax", "jit"), ("jax", "vmap"), ("torch", "vmap"), ("tensorflow", "jit")])
def test_modes_are_the_backends(backend: str, mode: str) -> None:
    check_softmax(f"{LOSSES}CategoricalCrossentropy:from_logits=True,backend={backend},mode={mode}", "float32")


@each_backend
def test_upstream_rows_and_batch(backend: str) -> None:
    name = f"{LOSSES}SparseCategoricalCrossentropy:from_logits=True,backend={backend}"
    check_upstream(name)
    check_rows(name, atol=0.0 if backend == "torch" else ONE_ROUNDING)
    check_batch(name)


@each_backend
def test_facts(backend: str) -> None:
    facts = describe(f"{LOSSES}BinaryCrossentropy:backend={backend}")
    packages = [package.replace("_", "-") for package, _ in facts.versions]
    assert packages[:2] == ["keras", {"tensorflow": "tensorflow-cpu"}.get(backend, backend)]
    assert facts.flushes_subnormals is (backend != "torch")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_clip_at_1e_7_caps_the_loss_and_stops_the_gradient(backend: str) -> None:
    target = IndexTarget(index=np.zeros(1, dtype=np.intp))
    loss, gradient = evaluate(f"{LOSSES}categorical_crossentropy:backend={backend}", np.array([[-20.0], [0.0]]), target)
    assert loss[0] == pytest.approx(16.118, abs=1e-3)
    assert not gradient.any()


def test_tensorflow_finds_the_logits_behind_the_softmax() -> None:
    target = IndexTarget(index=np.zeros(1, dtype=np.intp))
    loss, _ = evaluate(f"{LOSSES}categorical_crossentropy:backend=tensorflow", np.array([[-20.0], [0.0]]), target)
    assert loss[0] == pytest.approx(20.0)


def test_a_class_computes_as_it_is_written_in_float32_unless_the_name_gives_another_dtype() -> None:
    name = f"{LOSSES}CategoricalCrossentropy:from_logits=True,backend=jax"
    loss, _ = evaluate(f"{name},dtype=bfloat16", benign_logits("bfloat16"), index_target(), "bfloat16")
    wide, _ = evaluate(name, benign_logits("bfloat16"), index_target(), "bfloat16")
    assert not (loss.view(np.uint32) & 0xFFFF).any()
    assert (wide.view(np.uint32) & 0xFFFF).any()


def test_indices_are_rounded_to_the_dtype_by_a_class_of_losses() -> None:
    logits, target = np.zeros((300, 1)), IndexTarget(index=np.array([257]))
    _, gradient = evaluate(
        name_in("SparseCategoricalCrossentropy:from_logits=True,", "jax", "bfloat16"), logits, target, "bfloat16"
    )
    assert np.argmin(gradient[:, 0]) == 256  # Keras casts its targets to the dtype, and 257 is no bfloat16
    _, gradient = evaluate(f"{LOSSES}sparse_categorical_crossentropy:from_logits=True,backend=jax", logits, target, "bfloat16")
    assert np.argmin(gradient[:, 0]) == 257


@each_backend
@pytest.mark.parametrize("options", ["", ":backend={}"])
def test_a_missing_backend_is_told(options: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / backend).mkdir()
    (tmp_path / backend / "__init__.py").write_text(f"raise ModuleNotFoundError('No module', name={backend!r})")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(cestab.__file__).parents[1]}")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    name = f"{LOSSES}BinaryCrossentropy{options.format(backend)}"
    with pytest.raises(UsageError) as told:
        describe(name)
    assert str(told.value) == f"{backend} is not installed, which '{name}' needs: pip install 'cestab[{backend}]'"


def test_what_it_does_not_have_is_told() -> None:
    label = DenseTarget(weights=np.ones((1, ROWS)))
    with pytest.raises(UnsupportedError, match="Keras computes no loss in float8_e4m3fn"):
        evaluate(f"{LOSSES}BinaryCrossentropy:backend=jax", benign_logits("float8_e4m3fn", 1), label, "float8_e4m3fn")
    with pytest.raises(
        UsageError, match=r"unknown backend of keras 'jaxx'; did you mean jax\? \(known: jax, tensorflow, torch\)"
    ):
        describe(f"{LOSSES}BinaryCrossentropy:backend=jaxx")
    with pytest.raises(UsageError, match="unknown mode of keras 'compile'"):
        describe(f"{LOSSES}BinaryCrossentropy:backend=jax,mode=compile")
