"""Evaluating a NumPy target on batches: every case is a batch of rows that differ, but have the same loss."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy_losses import INDEX, LOGITS, Calls, evaluate, exact_loss, recorded, work_of

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError, Numbers, UnsupportedError
from cestab.vocabulary.loss_options import LossOptions, Reduction

BATCH = LossOptions(batch=4)


def test_every_case_is_a_batch_of_rows_of_its_loss_that_the_function_reduces() -> None:
    calls: Calls = []

    def reduce(z: Numbers, target: Numbers) -> Any:
        loss, gradient = exact_loss(z.T, target)
        return loss.mean(), gradient.T / len(z)

    loss, gradient = evaluate(recorded(calls, reduce), work_of(dtype="float64", options=BATCH))
    assert [z.shape for z, _ in calls] == [(4, 3)] * 5
    for (z, y), logits, label in zip(calls, LOGITS.T, INDEX, strict=True):
        rows = [logits, np.roll(logits, 1), logits - logits.max(), np.roll(logits - logits.min(), 1)]
        assert z.tolist() == [row.tolist() for row in rows]
        assert y.tolist() == [label, (label + 1) % 3, label, (label + 1) % 3]
    exact = exact_loss()
    assert np.allclose(loss, exact[0], rtol=1e-15)
    assert gradient is not None
    assert np.allclose(gradient, np.concatenate((exact[1], exact[1])) / 4, rtol=0, atol=1e-15), "of one row, twice"


@pytest.mark.parametrize("row", [0, 1, 3])
@pytest.mark.parametrize("planted", [0.0, 7.0, np.nan])
def test_a_row_that_differs_is_kept_beside_the_first(row: int, planted: float) -> None:
    """Whichever of them is wrong: the caller, who knows the truth, sees both."""

    def lose(z: Numbers, _: Numbers) -> Any:
        gradient = np.full_like(z, 0.25)
        gradient[row] = planted
        return z[:, 0].mean(), gradient

    _, gradient = evaluate(lose, work_of(dtype="float64", options=BATCH))
    assert gradient is not None
    first, other = gradient[:3], gradient[3:]
    expected = (planted, planted if np.isnan(planted) else 0.25) if row == 0 else (0.25, planted)  # all are far from NaN
    np.testing.assert_array_equal((first[0, 0], other[0, 0]), expected)


def test_what_an_ignored_row_has_is_wrong() -> None:
    options = LossOptions(batch=4, ignore_index=-1)
    _, gradient = evaluate(lambda z, _: (z[0, 0], np.full_like(z, 0.5)), work_of(options=options), "order=logits-first")
    assert gradient is not None
    assert set(gradient[:3].reshape(-1).tolist()) == {0.5}
    assert set(gradient[3:].reshape(-1).tolist()) == {1.0}


@pytest.mark.parametrize("reduction", list(Reduction))
def test_losses_of_the_rows_of_a_batch_are_reduced_or_the_function_is_told_to(reduction: Reduction) -> None:
    options = LossOptions(batch=4, reduction=reduction)
    factor = 4 if reduction is Reduction.SUM else 1
    loss, _ = evaluate(lambda z, _: np.ptp(z, axis=1), work_of(options=options))
    assert loss.tolist() == (factor * np.ptp(LOGITS, axis=0)).tolist()
    told: list[str] = []

    def own(z: Numbers, _: Numbers, *, reduction: str = "mean") -> Any:
        told.append(reduction)
        return np.ptp(z, axis=1) if reduction == "none" else getattr(np.ptp(z, axis=1), reduction)()

    assert evaluate(own, work_of(options=options))[0].tolist() == (factor * np.ptp(LOGITS, axis=0)).tolist()
    assert set(told) == {reduction.value}
    assert evaluate(own)[0].tolist() == np.ptp(LOGITS, axis=0).tolist()
    assert told[-1] == "none"


def test_every_second_row_of_a_batch_carries_the_ignore_index() -> None:
    calls: Calls = []
    options = LossOptions(batch=5, ignore_index=-1)
    evaluate(recorded(calls, lambda z, _: z[0, 0]), work_of(options=options), "order=logits-first")
    assert [y.tolist() for _, y in calls] == [[label, -1, (label + 1) % 3, -1, label] for label in INDEX.tolist()]


def test_a_batch_has_one_loss() -> None:
    with pytest.raises(ExternalError, match=r"it returned a loss of shape \(2,\) for a batch; one number is needed"):
        evaluate(lambda z, _: (z[:2, 0], z), work_of(options=BATCH))
    with pytest.raises(UnsupportedError, match="its gradients are of single rows"):
        evaluate(lambda z, _: (z[:, 0], z), work_of(options=BATCH))


@pytest.mark.parametrize("option", [{"class_weights": (0.25, 0.75)}, {"ignore_index": 1}])
def test_a_mean_of_rows_that_count_differently_is_not_guessed(option: dict[str, Any]) -> None:
    options = LossOptions(batch=4, **option)
    with pytest.raises(UnsupportedError, match="use --reduction sum"):
        evaluate(lambda z, _: np.ptp(z, axis=1), work_of(options=options))
    summed = replace(options, reduction=Reduction.SUM)
    assert (
        evaluate(lambda z, _: np.ptp(z, axis=1), work_of(options=summed))[0].tolist() == (4 * np.ptp(LOGITS, axis=0)).tolist()
    )


def test_a_name_does_not_ask_for_another_reduction() -> None:
    def own(z: Numbers, _: Numbers, *, reduction: str = "none") -> Any:
        return np.ptp(z, axis=1) if reduction == "none" else np.ptp(z, axis=1).sum()

    with pytest.raises(UsageError, match="asks for another reduction of a batch than reduction=mean"):
        evaluate(own, work_of(options=BATCH), "reduction=sum")
    for parameters, reduction, factor in (("reduction=sum", Reduction.SUM, 4), ("reduction=none", Reduction.MEAN, 1)):
        loss, _ = evaluate(own, work_of(options=replace(BATCH, reduction=reduction)), parameters)
        assert loss.tolist() == (factor * np.ptp(LOGITS, axis=0)).tolist()


def test_of_a_batch_no_more_than_one_row_of_the_gradient_is_kept() -> None:
    """Else a sweep holds all batches in memory: 65,536 of 4,096 rows of float16 are 2 GB."""
    tracemalloc.start()
    try:
        evaluate(lambda z, _: (z[:, 0].mean(), np.zeros_like(z)), work_of(options=LossOptions(batch=2**16)))
        (_, peak) = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    row = 3 * 4 + 3 * 4 + 8  # bytes of the logits, the gradient and the label
    assert peak < 5 * row * 2**16 / 2, "half of what five cases take"
