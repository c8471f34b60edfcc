"""The adapter of TensorFlow: its losses against cestab's truth, its modes, its facts."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from engines import (
    DTYPES,
    ONE_ROUNDING,
    benign_logits,
    check_batch,
    check_binary,
    check_rows,
    check_softmax,
    check_upstream,
    describe,
    evaluate,
    index_target,
    one_hot,
    zeroing_margin,
)

from cestab.external.engines.base import ExternalError, UnsupportedError
from cestab.external.process.client import end_losses
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.loss_options import LossOptions

if find_spec("tensorflow") is None:  # importing it writes to standard error
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

SPARSE = "tensorflow:tf.nn.sparse_softmax_cross_entropy_with_logits"
DENSE = "tensorflow:tf.nn.softmax_cross_entropy_with_logits"
CLIPPED = "tensorflow:tf.keras.losses.categorical_crossentropy"
BINARY = "tensorflow:tf.nn.sigmoid_cross_entropy_with_logits"
MODES = ("eager", "compile", "jit", "vmap")


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    yield
    end_losses()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["tensorflow:tf.nn.log_softmax", "tensorflow:tf.math.log", DENSE, CLIPPED])
def test_softmax_losses_are_the_true_ones(name: str, mode: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{name}:mode={mode}", dtype)


@pytest.mark.parametrize("mode", MODES)
def test_losses_of_integers_and_of_one_logit_are_the_true_ones(mode: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{SPARSE}:mode={mode}", dtype, takes_dense=False)
        check_binary(f"{BINARY}:mode={mode}", dtype)


def test_what_it_does_not_compute_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="TensorFlow computes no loss in float8_e5m2"):
        evaluate(SPARSE, benign_logits("float8_e5m2"), index_target(), "float8_e5m2")
    with pytest.raises(UnsupportedError, match="takes class indices, no dense target"):
        evaluate(SPARSE, benign_logits(), one_hot(index_target()))
    with pytest.raises(UnsupportedError, match="mode=vmap maps a function of one row; it has no batch"):
        evaluate(f"{SPARSE}:mode=vmap", benign_logits(), index_target(), options=LossOptions(batch=2))


def test_an_operation_that_is_not_there_for_a_dtype_is_unsupported(tmp_path: Path) -> None:
    users = tmp_path / "users.py"
    users.write_text("import tensorflow as tf\ndef f(z, y): return tf.linalg.det(tf.linalg.diag(z))\n")
    for mode in ("eager", "compile"):
        with pytest.raises(UnsupportedError, match=r"Could not find device|No OpKernel"):
            evaluate(f"tensorflow:{users}:f:mode={mode}", benign_logits("float16"), index_target(), "float16")


def test_a_loss_that_its_tape_does_not_see_is_told(tmp_path: Path) -> None:
    users = tmp_path / "users.py"
    users.write_text("import tensorflow as tf\ndef f(z, y): return tf.stop_gradient(z)[:, 0]\n")
    with pytest.raises(ExternalError, match="TensorFlow sees no path from its logits to its loss"):
        evaluate(f"tensorflow:{users}:f", benign_logits(), index_target())


def test_upstream_rows_and_batch() -> None:
    check_upstream(SPARSE)
    check_rows(SPARSE, atol=ONE_ROUNDING)
    check_batch(SPARSE)


def test_facts() -> None:
    for mode in MODES:
        facts = describe(f"{SPARSE}:mode={mode}")
        assert facts.versions[0][0].startswith("tensorflow")
        assert facts.mode == mode
        assert facts.flushes_subnormals is True


def test_a_probability_is_clipped_only_where_its_logits_are_not_found_in_a_graph() -> None:
    logits, target = np.array([[-20.0], [0.0]]), IndexTarget(index=np.zeros(1, dtype=np.intp))
    loss, gradient = evaluate(CLIPPED, logits, target)
    assert loss[0] == pytest.approx(-np.log(1e-7), abs=1e-4)  # 16.118
    assert not gradient.any()
    for mode in ("compile", "jit"):
        loss, gradient = evaluate(f"{CLIPPED}:mode={mode}", logits, target)
        assert loss[0] == pytest.approx(20.0)
        assert gradient[:, 0].tolist() == pytest.approx([-1.0, 1.0])


def test_a_confident_gradient_is_zero_from_53_log_2_on() -> None:
    assert zeroing_margin(SPARSE) == (False, True)
