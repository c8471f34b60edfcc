"""What another objective is: losses from their definitions are named with their parameters, and rounding defects are not."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from cestab.judgement.fits import Observed, find_fit, find_gradient_fit

Doubles = npt.NDArray[np.float64]
ROWS = 24
U = 2.0**-53


def logits_of(classes: int) -> Doubles:
    return np.clip(np.random.default_rng(4).standard_normal((classes, ROWS)), -3, 3)


def cross_entropy(z: Doubles, y: Doubles) -> Doubles:
    """Σ y·(−log p), or of one logit y·log(1 + exp(−x)) + (1 − y)·log(1 + exp(x))."""
    if len(z) == 1:
        return np.asarray(y[0] * np.log1p(np.exp(-z[0])) + (1 - y[0]) * np.log1p(np.exp(z[0])))
    return np.asarray(np.sum(y * (np.log(np.sum(np.exp(z), axis=0)) - z), axis=0))


def labels_of(classes: int) -> Doubles:
    if classes == 1:
        return np.asarray(np.arange(ROWS) % 2 * 1.0)[np.newaxis]
    return np.eye(classes)[:, np.arange(ROWS) % classes]


def observe(make: Callable[[Doubles, Doubles], Doubles], classes: int) -> Observed:
    z, y = logits_of(classes), labels_of(classes)
    return Observed(logits=z, weights=y, computed=make(z, y), true=cross_entropy(z, y), tolerance=64 * U)


def log_partition(z: Doubles) -> Doubles:
    return np.asarray(np.log(np.sum(np.exp(z), axis=0)))


def smooth(z: Doubles, y: Doubles, alpha: float) -> Doubles:
    if len(z) == 1:
        return cross_entropy(z, (1 - alpha) * y + alpha / 2)
    return cross_entropy(z, (1 - alpha) * y + alpha / len(z))


def smooth_others(z: Doubles, y: Doubles) -> Doubles:
    """0.1 spread over the classes that are not the label's."""
    return cross_entropy(z, np.where(y == 1, 0.9, 0.1 / (len(z) - 1)))


def focal(z: Doubles, y: Doubles, alpha: float = 1.0) -> Doubles:
    loss = cross_entropy(z, y)
    return np.asarray(alpha * (1 - np.exp(-loss)) ** 2 * loss)


CASES: list[tuple[Callable[[Doubles, Doubles], Doubles], int, str, str | None]] = [
    (lambda z, y: smooth(z, y, 0.1), 5, "label smoothing inside, 0.1", "label_smoothing=0.1"),
    (lambda z, y: smooth(z, y, 0.2), 1, "label smoothing inside, 0.2", "label_smoothing=0.2"),
    (smooth_others, 5, "0.1 in the convention α/(K − 1), which is 0.125 in α/K", "label_smoothing=0.125"),
    (lambda z, y: cross_entropy(z, y) / math.log(2), 5, "base 2", None),
    (lambda z, y: cross_entropy(z, y) / math.log(10), 1, "base 10", None),
    (lambda z, y: -cross_entropy(z, y), 5, "the opposite sign", None),
    (lambda z, y: cross_entropy(z, y) / 5, 5, "the mean over the classes", None),
    (lambda z, y: cross_entropy(z, y) / ROWS, 5, "divided by the number of rows", None),
    (lambda z, y: 3 * cross_entropy(z, y), 5, "3 times the loss", None),
    (lambda z, y: np.full(ROWS, cross_entropy(z, y).mean()), 5, "the mean over all rows", None),
    (lambda z, y: cross_entropy(z, y) + 0.25, 5, "it adds 0.25", None),
    (lambda z, y: cross_entropy(z / 2.5, y), 5, "multiplied by 0.4 (a temperature of 2.5)", None),
    (lambda z, y: cross_entropy(20 * z, y), 1, "multiplied by 20", None),
    (lambda z, y: cross_entropy(30 * np.tanh(z / 30), y), 5, "capped, 30·tanh(z/30)", None),
    (lambda z, y: cross_entropy(z, y) + 1e-4 * log_partition(z) ** 2, 5, "0.0001·lse²", "z_weight=0.0001"),
    (focal, 5, "a focal loss with γ = 2", "gamma=2"),
    (focal, 1, "a binary focal loss with γ = 2", None),
    (lambda z, y: focal(z, y, 0.25), 5, "0.25 times a focal loss with γ = 2", None),
    (lambda z, y: cross_entropy(z, y) * np.where(y[0] == 1, 0.2, 0.8), 2, "class weights, 0.2:0.8", "weight=0.2:0.8"),
    (lambda z, y: cross_entropy(z, y) * np.where(y[0] == 1, 3.0, 1.0), 1, "the label 1 by 3 and 0 by 1", None),
]


@pytest.mark.parametrize(("make", "classes", "words", "parameter"), CASES, ids=[case[2] for case in CASES])
def test_what_a_loss_is_is_told(
    make: Callable[[Doubles, Doubles], Doubles], classes: int, words: str, parameter: str | None
) -> None:
    fit = find_fit(observe(make, classes))
    assert fit is not None
    assert words in fit.sentence
    assert fit.parameter == parameter


@pytest.mark.parametrize("classes", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "make",
    [
        lambda z, y: -np.log(np.clip(np.exp(-cross_entropy(z, y)), 1e-7, 1 - 1e-7) + 1e-7),
        lambda z, y: cross_entropy(z, y) * (1 + 1e-9 * np.arange(ROWS)),
        lambda z, y: cross_entropy(z, y) + 1e-3 * np.sum(np.abs(z), axis=0),
    ],
    ids=["epsilon", "noise", "something else"],
)
def test_nothing_fits_what_is_only_near(make: Callable[[Doubles, Doubles], Doubles], classes: int) -> None:
    assert find_fit(observe(make, classes)) is None


def gradients_of(classes: int, upstream: float = 1.0) -> Doubles:
    z, y = logits_of(classes), labels_of(classes)
    return np.asarray(upstream * (np.exp(z) / np.exp(z).sum(axis=0) - y))


FACTORS = 2.0 ** (np.arange(ROWS) % 3)  # on the upstream gradients of the rows, by which gradients have been divided


@pytest.mark.parametrize(
    ("backward", "sentence"),
    [
        (lambda g, upstream: upstream * g, None),
        (lambda g, upstream: 0.0 * upstream * g, "the gradient is 0"),
        (lambda g, upstream: -upstream * g, "the gradient has the opposite sign"),
        (lambda g, upstream: 0.125 * upstream * g, "the gradient is 0.125 times the true one"),
        (lambda g, _: g / FACTORS, "the upstream gradient is ignored"),
        (lambda g, upstream: upstream * g * np.roll(FACTORS, 1) / FACTORS, "the upstream gradient of another row is taken"),
        (lambda g, upstream: upstream * g[::-1], "the gradient is that of other classes, or of another row"),
        (lambda g, upstream: upstream * np.roll(g, 1, axis=1), "the gradient is that of another row"),
        (lambda g, upstream: upstream * g * (np.arange(ROWS) < 3), "not every row has a gradient"),
        (lambda g, upstream: upstream * g * (1 + np.arange(ROWS)), None),
        (lambda g, upstream: upstream * (g + 0.01), None),
        (lambda g, upstream: upstream * np.where(g > 0, np.inf, -np.inf), None),
    ],
)
def test_what_a_wrong_gradient_is(backward: Callable[[Doubles, float], Doubles], sentence: str | None) -> None:
    g = gradients_of(5)
    assert find_gradient_fit(backward(g, 1.0), backward(g, 4.0), g, 64 * U) == sentence


def test_what_a_wrong_gradient_of_one_row_of_a_batch_is() -> None:
    g = gradients_of(5)
    for other, sentence in (
        (0.0 * g, "not every row of a batch has a gradient"),
        (-g, "the gradient has the opposite sign"),
        (g, None),
    ):
        both = np.concatenate((g, other))
        assert find_gradient_fit(both, 4 * both, g, 64 * U) == sentence
