"""Rows of one call: those of a batch differ, but have the loss of the case; upstream factors of others differ."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab.external.batches import MOST_DOUBLINGS, make_batch, spread_factors
from cestab.numerics.formats import FORMATS
from cestab.vocabulary.loss_options import LossOptions

Numbers = npt.NDArray[Any]
FLOAT64 = FORMATS["float64"]
INDEX, DENSE = np.array(1), np.array([0.5, 0.25, 0.25, 0.0])
SPREAD = np.array([1.5, -2.0, 0.5, 4.0])


def loss_and_gradient(z: Numbers, target: Numbers, weights: Numbers) -> tuple[float, Numbers]:
    """Σ w·y·(lse − z) by the textbook, whose digits small logits do not cost."""
    if not z.ndim:
        p = 1 / (1 + np.exp(-z))
        return float(-target * np.log(p) - (1 - target) * np.log(1 - p)), np.asarray(p - target)[np.newaxis]
    y = (target if target.ndim else np.eye(len(z))[int(target)]) * weights
    p = np.exp(z) / np.exp(z).sum()
    return float(-(y @ np.log(p))), y.sum() * p - y


@pytest.mark.parametrize(
    ("z", "target", "options"),
    [
        (SPREAD, INDEX, LossOptions(batch=7)),
        (SPREAD, DENSE, LossOptions(batch=7)),
        (SPREAD, INDEX, LossOptions(batch=7, class_weights=(0.25, 0.75))),
        (SPREAD, INDEX, LossOptions(batch=7, class_weights=(0.25, 0.75, 0.5))),
        (SPREAD, INDEX, LossOptions(batch=7, ignore_index=2)),
        (np.array(1.5), np.array(1.0), LossOptions(batch=7)),
        (np.array(-0.5), np.array(0.25), LossOptions(batch=7)),
    ],
)
def test_every_row_has_the_loss_of_the_case_and_restored_its_gradient(
    z: Numbers, target: Numbers, options: LossOptions
) -> None:
    batch = make_batch(z, target, FLOAT64, options)
    weights = np.resize(options.class_weights or 1.0, z.shape)
    loss, gradient = loss_and_gradient(z, target, weights)
    gradients = np.zeros((7, max(1, z.size)))
    for row in range(7):
        if not batch.is_ignored[row]:
            row_loss, gradients[row] = loss_and_gradient(batch.logits[row], batch.target[row], weights)
            assert row_loss == pytest.approx(loss, rel=1e-14)
    assert not (batch.logits == batch.logits[0]).all()
    np.testing.assert_allclose(batch.take_extremes(gradients), [np.concatenate((gradient, gradient))], atol=1e-15)
    assert batch.is_ignored.tolist() == [options.ignore_index is not None and row % 2 == 1 for row in range(7)]
    assert (batch.target[batch.is_ignored] == 2).all()


def test_labels_and_both_ends_of_the_logits_differ_from_row_to_row() -> None:
    batch = make_batch(np.array([30.0, 0.0]), np.array(1), FLOAT64, LossOptions(batch=4))
    assert batch.logits.tolist() == [[30, 0], [0, 30], [0, -30], [0, 30]]
    assert batch.target.tolist() == [1, 0, 1, 0]
    masked = make_batch(np.array([30.0, 1.0, -np.inf]), np.array(1), FLOAT64, LossOptions(batch=4))
    assert masked.logits.tolist() == [[30, 1, -np.inf], [-np.inf, 30, 1], [0, -29, -np.inf], [-np.inf, 29, 0]]


@pytest.mark.parametrize("z", [[1e8, 1e-8], [16.0, 2.0**-9]])
def test_a_constant_is_added_only_where_that_is_exact(z: list[float]) -> None:
    """1e8 − 1e-8 is no float64, 16 − 2⁻⁹ none of bfloat16."""
    batch = make_batch(np.array(z), np.array(0), FORMATS["bfloat16" if z[0] == 16 else "float64"], LossOptions(batch=4))
    assert batch.logits.tolist() == [z, z[::-1], z, z[::-1]]


def test_a_z_loss_depends_on_a_constant() -> None:
    batch = make_batch(np.array([30.0, 0.0]), np.array(1), FLOAT64, LossOptions(batch=4, z_weight=0.5))
    assert batch.logits.tolist() == [[30, 0], [0, 30], [30, 0], [0, 30]]


def test_upstream_factors_are_powers_of_two_of_benign_rows_and_depend_on_the_row_alone() -> None:
    z = np.random.default_rng(3).uniform(-3, 3, (64, 5)).astype(np.float32)
    factors = spread_factors(z, 5, 1.0, FORMATS["float32"])
    assert set(factors.tolist()) == {2.0**k for k in range(MOST_DOUBLINGS + 1)}
    assert spread_factors(z[::-1], 5, 1.0, FORMATS["float32"]).tolist() == factors[::-1].tolist()
    z[:, 0] = 3.5
    assert set(spread_factors(z, 5, 1.0, FORMATS["float32"]).tolist()) == {1.0}


@pytest.mark.parametrize(
    ("dtype", "upstream", "classes"), [("float16", 1.0, 1000), ("float16", 32.0, 2), ("float8_e4m3fn", 1.0, 2)]
)
def test_upstream_factors_do_not_leave_the_normal_numbers(dtype: str, upstream: float, classes: int) -> None:
    z = np.random.default_rng(3).uniform(-3, 3, (64, classes))
    assert set(spread_factors(z, classes, upstream, FORMATS[dtype]).tolist()) == {1.0}
