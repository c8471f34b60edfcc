"""How tests call the adapters: benign logits against cestab's own truth, within the rounding of operation by operation."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.external.conventions import find_convention
from cestab.external.evaluation import Work
from cestab.external.loss_options import read_options
from cestab.external.names import parse_external_name
from cestab.external.process.client import describe_loss, evaluate_loss
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import find_format
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.tiers import evaluate_truth
from cestab.vocabulary.external import DEFAULT_GUARD, ExternalFacts
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions, Reduction
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

ONE_ROUNDING = 2.0**-21  # of float32 logits to 4 and of losses under 8, in either direction
DTYPES = ("float64", "float32", "float16", "bfloat16")
ROWS, CLASSES = 50, 5
Numbers = npt.NDArray[Any]
# Logits to 4: the loss is under 10, a sum of a few numbers under 16 that are rounded by u of themselves each; the gradient's
# are under 1. A factor of two and more is left for the order of the operations.
LOSS_ROUNDINGS, GRADIENT_ROUNDINGS = 64, 12
# A loss of a probability p = sigmoid(x) takes log(1 − p), which turns each rounding of p into 1 + exp(4) = 56 of its own: two.
BINARY_LOSS_ROUNDINGS = 112


def evaluate(
    name: str,
    logits: Numbers,
    target: Target,
    dtype: str = "float32",
    upstream: float = 1.0,
    options: LossOptions = NO_OPTIONS,
) -> tuple[Numbers, Numbers]:
    """Return loss (cases,) and upstream·gradient (classes, cases) of logits (classes, cases) in a dtype."""
    fmt = find_format(dtype)
    work = Work(
        arithmetic=Arithmetic(fmt=fmt),
        logits=np.asarray(logits).astype(fmt.storage),
        target=target,
        upstream=upstream,
        options=options,
    )
    loss, gradient = evaluate_loss(parse_external_name(name), work, DEFAULT_GUARD)
    assert gradient is not None
    return loss, gradient


def describe(name: str) -> ExternalFacts:
    return describe_loss(parse_external_name(name), DEFAULT_GUARD)


def benign_logits(dtype: str = "float32", classes: int = CLASSES) -> Numbers:
    """Return (classes, rows) numbers of the dtype from −4 to 4."""
    return round_to_format(np.random.default_rng(7).uniform(-4, 4, (classes, ROWS)), find_format(dtype))


def index_target(classes: int = CLASSES) -> IndexTarget:
    return IndexTarget(index=np.random.default_rng(8).integers(0, classes, ROWS).astype(np.intp))


def one_hot(target: IndexTarget, classes: int = CLASSES) -> DenseTarget:
    return DenseTarget(weights=np.eye(classes)[target.index].T.copy())


def soft_target(classes: int = CLASSES) -> DenseTarget:
    """Return sixteenths, which sum to 1 in every dtype: TensorFlow's gradient is p − y, whatever the sum."""
    shares = np.full(classes, 1 / classes) if classes > 1 else np.full(2, 0.5)
    return DenseTarget(weights=np.random.default_rng(9).multinomial(16, shares, ROWS).T[:classes] / 16)


def check_against_truth(name: str, dtype: str, *targets: Target, classes: int = CLASSES) -> None:
    """Compare value and gradient on benign logits with the truth, for each target."""
    parsed, fmt = parse_external_name(name), find_format(dtype)
    logits, options = benign_logits(dtype, classes), read_options(parsed)
    for target in targets:
        objective = find_convention(parsed).objective or SOFTMAX_CROSS_ENTROPY
        loss, gradient = evaluate(name, logits, target, dtype, options=options)
        truth = evaluate_truth(objective, logits, target, 1.0, precise=False, options=options)
        rtol = 1e-5 if dtype == "float32" else 0.0  # XLA's exp and log are off by some units in the last place
        for values, true, roundings in (
            (loss, truth.loss, BINARY_LOSS_ROUNDINGS if classes == 1 else LOSS_ROUNDINGS),
            (gradient, truth.gradient, GRADIENT_ROUNDINGS),
        ):
            where = f"{name} {dtype} {type(target).__name__}"
            np.testing.assert_allclose(values, true, atol=roundings * fmt.unit_roundoff, rtol=rtol, err_msg=where)


def check_softmax(name: str, dtype: str, *, takes_dense: bool = True) -> None:
    """Check a softmax loss with both forms of target."""
    dense = (one_hot(index_target()), soft_target()) if takes_dense else ()
    check_against_truth(name, dtype, index_target(), *dense)


def check_binary(name: str, dtype: str) -> None:
    """Check a loss of one logit with labels 0, 1 and between."""
    hard = DenseTarget(weights=(np.arange(ROWS) % 2).astype(np.float64)[np.newaxis])
    check_against_truth(name, dtype, hard, soft_target(1), classes=1)


def check_upstream(name: str) -> None:
    """A power of two as upstream factor scales the gradient exactly and leaves the loss alone."""
    logits, target = benign_logits(), index_target()
    loss, gradient = evaluate(name, logits, target)
    same, scaled = evaluate(name, logits, target, upstream=8.0)
    np.testing.assert_array_equal(same, loss)
    np.testing.assert_array_equal(scaled, 8 * gradient)


def check_rows(name: str, atol: float) -> None:
    """Calls of 7 rows, the last of them padded, give what one call gives: exactly, or within a rounding of the largest logit.

    XLA and TensorFlow compute the rows that are left over from full vectors by other code.
    """
    separator = "," if "=" in name else ":"
    whole = evaluate(name, benign_logits(), index_target())
    parts = evaluate(f"{name}{separator}rows=7", benign_logits(), index_target())
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def check_batch(name: str) -> None:
    """A batch of 4 equal rows has the mean of the rows' losses, and each row a quarter of the gradient; a sum neither."""
    logits, target = benign_logits()[:, :3], IndexTarget(index=index_target().index[:3])
    loss, gradient = evaluate(name, logits, target)
    mean, quarter = evaluate(name, logits, target, options=LossOptions(batch=4))
    np.testing.assert_allclose(mean, loss, rtol=1e-6)
    both = np.concatenate((gradient, gradient))  # of the first row, and of the one that differs most from it
    np.testing.assert_allclose(quarter, both / 4, rtol=1e-6, atol=1e-8)
    total, whole = evaluate(name, logits, target, options=LossOptions(batch=4, reduction=Reduction.SUM))
    np.testing.assert_allclose(total, 4 * loss, rtol=1e-6)
    np.testing.assert_allclose(whole, both, rtol=1e-6, atol=1e-8)


def zeroing_margin(name: str) -> tuple[bool, bool]:
    """Whether the target's float64 gradient is 0 just below 53·ln 2 = 36.7368, and from there on."""
    logits = np.array([[36.7368, 36.7369], [0.0, 0.0]])
    _, gradient = evaluate(name, logits, IndexTarget(index=np.zeros(2, dtype=np.intp)), "float64")
    return bool(gradient[0, 0] == 0), bool(gradient[0, 1] == 0)
