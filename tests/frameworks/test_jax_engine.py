"""The adapter of JAX: its losses against cestab's truth, its modes, its facts."""

from collections.abc import Iterator
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
from cestab.numerics.formats import FORMATS, find_format
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.vocabulary.loss_options import LossOptions

pytest.importorskip("jax", reason="JAX is not installed")
pytest.importorskip("optax", reason="optax is not installed")

INTEGER = "jax:optax.softmax_cross_entropy_with_integer_labels"
SOFTMAX = (
    "jax:jax.nn.log_softmax",
    "jax:optax.softmax_cross_entropy",
    "jax:optax.safe_softmax_cross_entropy",
    "jax:jax.numpy.log",
)
BINARY = "jax:optax.sigmoid_binary_cross_entropy"
USERS = """
import jax, jax.numpy as jnp

def mean_loss(logits, labels):
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1))

def pairs(logits, labels):
    return jax.nn.log_softmax(logits)

def float32_seen(logits, labels):
    return jnp.zeros(len(logits)) + jnp.asarray(0.1, "float64") + 0 * logits[:, 0].astype("float32")
"""


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    yield
    end_losses()


@pytest.mark.parametrize("mode", ["eager", "jit", "vmap"])
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_losses_are_the_true_ones(name: str, mode: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{name}:mode={mode}", dtype)


@pytest.mark.parametrize("mode", ["eager", "jit", "vmap"])
def test_losses_of_integers_and_of_one_logit_are_the_true_ones(mode: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{INTEGER}:mode={mode}", dtype, takes_dense=False)
        check_binary(f"{BINARY}:mode={mode}", dtype)


def test_integer_labels_are_no_dense_target() -> None:
    with pytest.raises(UnsupportedError, match="takes class indices, no dense target"):
        evaluate(INTEGER, benign_logits(), one_hot(index_target()))


@pytest.mark.parametrize("dtype", [fmt.name for fmt in FORMATS.values() if fmt.bits == 8])
def test_8_bit_floats_are_computed_and_every_result_is_one(dtype: str) -> None:
    fmt = find_format(dtype)
    loss, gradient = evaluate(INTEGER, benign_logits(dtype), index_target(), dtype)
    for values in (loss, gradient):
        np.testing.assert_array_equal(values, round_to_format(values.astype(np.float64), fmt))


def test_a_maximum_in_a_format_without_infinity_is_nan() -> None:
    loss, _ = evaluate(SOFTMAX[0], benign_logits("float8_e4m3fn"), index_target(), "float8_e4m3fn")
    assert np.isnan(loss).all()  # its start value is −inf


@pytest.mark.parametrize("name", [INTEGER, SOFTMAX[0]])
def test_upstream_rows_and_batch(name: str) -> None:
    check_upstream(name)
    check_rows(name, atol=ONE_ROUNDING)
    check_batch(name)


def test_a_batch_is_not_mapped_over_its_rows() -> None:
    with pytest.raises(UnsupportedError, match="mode=vmap maps a function of one row; it has no batch"):
        evaluate(f"{INTEGER}:mode=vmap", benign_logits(), index_target(), options=LossOptions(batch=2))


def test_float64_comes_only_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(USERS)
    name = f"jax:{tmp_path / 'users.py'}:float32_seen"
    for dtype, seen in (("float32", np.float32(0.1)), ("float64", 0.1), ("float32", np.float32(0.1))):
        loss, _ = evaluate(name, benign_logits(dtype), index_target(), dtype)
        assert loss[0] == seen


def test_a_loss_of_many_rows_in_one_number_is_called_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(USERS)
    check_softmax(f"jax:{tmp_path / 'users.py'}:mean_loss:target=one-hot", "float32")


def test_what_is_no_loss_is_told(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(USERS)
    with pytest.raises(ExternalError, match=r"returned a loss of shape \(64, 5\) for 64 cases of 5 classes; \(64,\) is needed"):
        evaluate(f"jax:{tmp_path / 'users.py'}:pairs", benign_logits(), index_target())


def test_facts() -> None:
    facts = describe(f"{INTEGER}:mode=jit")
    assert [package for package, _ in facts.versions] == ["jax", "jaxlib", "optax"]
    assert facts.mode == "jit"
    assert facts.flushes_subnormals is True


def test_subnormal_exponentials_are_zero() -> None:
    logits = np.array([[-87.0, -88.0], [0.0, 0.0]])
    loss, _ = evaluate("jax:jax.numpy.log", logits, IndexTarget(index=np.zeros(2, dtype=np.intp)))
    assert np.isfinite(loss).tolist() == [True, False]  # exp(−88) is subnormal, and log 0 infinite


def test_two_equal_logits_of_1e8_have_a_loss_of_0_with_integer_labels() -> None:
    loss, _ = evaluate(INTEGER, np.full((2, 1), 1e8), IndexTarget(index=np.zeros(1, dtype=np.intp)))
    assert loss.tolist() == [0.0]  # truly log 2
    loss, _ = evaluate(SOFTMAX[1], np.full((2, 1), 1e8), DenseTarget(weights=np.array([[1.0], [0.0]])))
    assert loss.tolist() == [np.log(np.float32(2))]


def test_a_confident_gradient_is_zero_from_53_log_2_on() -> None:
    assert zeroing_margin(SOFTMAX[0]) == (False, True)


def test_compiled_code_for_many_rows_rounds_otherwise() -> None:
    """In bfloat16 at a margin of 13, 8 bits of log-softmax are 0 or exp(−13)."""
    losses = {}
    for rows in (64, 2**15):
        logits = np.array([[13.0], [0.0]]).repeat(rows, axis=1)
        target = IndexTarget(index=np.zeros(rows, dtype=np.intp))
        losses[rows] = evaluate("jax:jax.nn.log_softmax:mode=jit", logits, target, "bfloat16")[0]
    assert set(losses[64].tolist()) == {0.0}
    np.testing.assert_allclose(losses[2**15], np.log1p(np.exp(-13.0)), rtol=2.0**-8)
