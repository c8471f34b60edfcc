"""Other objectives: what fits the losses of a function exactly, where they are not those of the objective.

Pure; everything is float64. A fit is exact where every loss of every case agrees to a few roundings.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cestab.judgement.rules import Doubles
from cestab.vocabulary.objectives import FOCAL_LOSS, Z_LOSS

DIGITS = 6  # of a parameter that is shown, where so many are exact
SEARCH_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Benign cases: logits (classes, cases), weights of the target, computed and true losses, and what roundings may add."""

    logits: Doubles
    weights: Doubles
    computed: Doubles
    true: Doubles
    tolerance: float

    @property
    def classes(self) -> int:
        return len(self.logits)

    def is_exact(self, fitted: Doubles) -> bool:
        """Whether losses are those that were computed, but for rounding."""
        error = np.abs(self.computed - fitted)
        return bool(np.all(error <= self.tolerance * np.maximum(1.0, np.abs(fitted))))

    @cached_property
    def parts(self) -> Doubles:
        """−log p of every class, of two rows for a binary loss: those of the labels 1 and 0."""
        return negative_log(self.logits)

    @property
    def labels(self) -> Doubles:
        """The weights of the rows of `parts`."""
        return self.weights if self.classes > 1 else np.concatenate((self.weights, 1.0 - self.weights))

    @cached_property
    def lse(self) -> Doubles:
        peak = np.max(self.logits, axis=0)
        total: Doubles = peak + np.log(np.sum(np.exp(self.logits - peak), axis=0))
        return total


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a function computes instead, in words, and what its user writes: a parameter of its name, or an objective.

    `is_call`: it is the objective, once it is called as the parameter says.
    """

    sentence: str
    parameter: str | None = None
    objective: str | None = None
    is_call: bool = False


def negative_log(z: Doubles) -> Doubles:
    """Return −log p per class, or −log σ(x) and −log σ(−x) of a single logit."""
    if len(z) == 1:
        return np.concatenate((np.logaddexp(0.0, -z), np.logaddexp(0.0, z)))
    peak = np.max(z, axis=0)
    lse = peak + np.log(np.sum(np.exp(z - peak), axis=0))
    parts: Doubles = lse - z
    return parts


def find_fit(observed: Observed) -> Fit | None:
    """Return the first fit that is exact."""
    with np.errstate(all="ignore"):
        return next((fit for make in FITS for fit in make(observed)), None)


def _fit_factor(observed: Observed) -> Iterator[Fit]:
    factor = float(np.median(observed.computed / observed.true))
    if math.isfinite(factor) and factor and observed.is_exact(factor * observed.true):
        named = {
            1 / math.log(2): "it is in base 2, 1/ln 2 times the loss",
            1 / math.log(10): "it is in base 10, 1/ln 10 times the loss",
            -1.0: "it has the opposite sign",
            1 / observed.classes: f"it is the mean over the classes, 1/{observed.classes} of the loss",
            1 / observed.true.size: f"it is divided by the number of rows, {observed.true.size}",
        }
        sentence = next((words for value, words in named.items() if _is_close(factor, value)), None)
        yield Fit(sentence=sentence or f"it is {_show(factor)} times the loss")


def _fit_mean(observed: Observed) -> Iterator[Fit]:
    mean = np.full_like(observed.true, observed.true.mean())
    if observed.is_exact(mean):
        yield Fit(sentence="it is the mean over all rows, in every row")


def _fit_constant(observed: Observed) -> Iterator[Fit]:
    difference = float(np.median(observed.computed - observed.true))
    if difference and observed.is_exact(observed.true + difference):
        yield Fit(sentence=f"it adds {_show(difference)}")


def _fit_smoothing(observed: Observed) -> Iterator[Fit]:
    """(1 − α)·L + α·mean of −log p; with α/(K − 1) on the other classes it is the same with α·K/(K − 1)."""
    even = observed.parts.mean(axis=0) * np.sum(observed.labels, axis=0)
    alpha = _solve(even - observed.true, observed.computed - observed.true)
    if not 0 < alpha <= 1 or not observed.is_exact((1 - alpha) * observed.true + alpha * even):
        return
    classes = len(observed.parts)
    other = alpha * (classes - 1) / classes  # what is taken from the label
    amount = shown = _show(alpha)
    if len(_show(other)) < len(shown):
        amount = f"{_show(other)} in the convention α/(K − 1), which is {shown} in α/K"
    yield Fit(sentence=f"it has label smoothing inside, {amount}", parameter=f"label_smoothing={shown}")


def _fit_scale(observed: Observed) -> Iterator[Fit]:
    """Logits times β: the loss of the largest logit's label falls with β."""

    def at(beta: float) -> Doubles:
        return _weigh(observed, negative_log(observed.logits * beta))

    beta = _search(observed, at)
    if beta is not None:
        yield Fit(sentence=f"its logits are multiplied by {_show(beta)} (a temperature of {_show(1 / beta)})")


def _fit_softcap(observed: Observed) -> Iterator[Fit]:
    def at(cap: float) -> Doubles:
        return _weigh(observed, negative_log(cap * np.tanh(observed.logits / cap)))

    cap = _search(observed, at)
    if cap is not None:
        yield Fit(sentence=f"its logits are capped, {_show(cap)}·tanh(z/{_show(cap)})")


def _fit_z_loss(observed: Observed) -> Iterator[Fit]:
    if observed.classes == 1:
        return
    square = observed.lse**2
    weight = _solve(square, observed.computed - observed.true)
    if weight > 0 and observed.is_exact(observed.true + weight * square):
        yield Fit(
            sentence=f"it adds {_show(weight)}·lse², a z-loss", parameter=f"z_weight={_show(weight)}", objective=Z_LOSS.name
        )


def _fit_focal(observed: Observed) -> Iterator[Fit]:
    """α·q^γ·L of an index target, q = 1 − p."""
    p = np.exp(-observed.true)
    logs = np.stack((np.log1p(-p), np.ones_like(p)))
    ratio = np.log(observed.computed / observed.true)
    if not np.all(np.isfinite(logs)) or not np.all(np.isfinite(ratio)):
        return
    gamma, constant = np.linalg.lstsq(logs.T, ratio, rcond=None)[0].tolist()
    alpha = math.exp(constant)
    if gamma > 1e-3 and observed.is_exact(alpha * (1 - p) ** gamma * observed.true):
        if not _is_close(alpha, 1.0):
            yield Fit(sentence=f"it is {_show(alpha)} times a focal loss with γ = {_show(gamma)}")
        elif observed.classes > 1:
            parameter = f"gamma={_show(gamma)}"
            yield Fit(sentence=f"it is a focal loss with γ = {_show(gamma)}", parameter=parameter, objective=FOCAL_LOSS.name)
        else:
            yield Fit(sentence=f"it is a binary focal loss with γ = {_show(gamma)}")


def _fit_weights(observed: Observed) -> Iterator[Fit]:
    """A weight for each class: Σ w_j·y_j·(−log p_j)."""
    terms = (observed.labels * observed.parts).T
    if np.linalg.matrix_rank(terms) < terms.shape[1]:
        return
    weights = np.linalg.lstsq(terms, observed.computed, rcond=None)[0]
    if np.any(weights < 0) or not observed.is_exact(terms @ weights):
        return
    shown = ":".join(_show(weight) for weight in weights.tolist())
    if observed.classes == 1:
        yield Fit(sentence=f"it weighs the label 1 by {_show(float(weights[0]))} and 0 by {_show(float(weights[1]))}")
    else:
        yield Fit(sentence=f"it has class weights, {shown}", parameter=f"weight={shown}")


FITS: tuple[Callable[[Observed], Iterator[Fit]], ...] = (
    _fit_factor,
    _fit_mean,
    _fit_constant,
    _fit_smoothing,
    _fit_scale,
    _fit_z_loss,
    _fit_focal,
    _fit_weights,
    _fit_softcap,
)


def find_gradient_fit(computed: Doubles, larger: Doubles, true: Doubles, tolerance: float) -> str | None:
    """Return what wrong gradients (classes, cases) are, where something fits exactly.

    `computed` are those for an upstream factor of 1, `larger` for one of 4. Of batches both are (2·classes, cases): of the
    first row, and of the one that differs most from it.
    """
    with np.errstate(all="ignore"):  # what it returns may be NaN or infinite
        return _fit_rows(computed, larger, true, tolerance)


def _fit_rows(computed: Doubles, larger: Doubles, true: Doubles, tolerance: float) -> str | None:
    first, other = computed[: len(true)], computed[-len(true) :]
    if not _is_equal(first, true, tolerance):
        return _fit_gradient(first, larger[: len(true)], true, tolerance)
    if _is_equal(other, true, tolerance):
        return None
    if _is_equal(other, 0.0 * true, tolerance):
        return "not every row of a batch has a gradient"
    return _fit_gradient(other, larger[-len(true) :], true, tolerance)


def _fit_gradient(computed: Doubles, larger: Doubles, true: Doubles, tolerance: float) -> str | None:
    """Return what one wrong gradient of each case is."""
    factor = _solve(true.reshape(-1), computed.reshape(-1))
    factors = np.array([_solve(*pair) for pair in zip(true.T, computed.T, strict=True)])
    powers = 2.0 ** np.round(np.log2(np.abs(factors)))
    fits = (
        (computed, 0.0 * true, "the gradient is 0"),
        (larger, computed, "the upstream gradient is ignored"),
        (computed, -true, "the gradient has the opposite sign"),
        (computed, factor * true, f"the gradient is {_show(factor)} times the true one"),
        (computed, (factors > 0.5) * true, "not every row has a gradient"),
        (computed, powers * true, "the upstream gradient of another row is taken"),
        (np.sort(computed, axis=0), np.sort(true, axis=0), "the gradient is that of other classes, or of another row"),
    )
    fit = next((sentence for a, b, sentence in fits if _is_equal(a, b, tolerance)), None)
    others = [np.any(_are_close(computed[:, [i]], np.delete(true, i, axis=1), tolerance)) for i in range(true.shape[1])]
    return "the gradient is that of another row" if fit is None and np.mean(others) > 0.5 else fit


def _is_equal(a: Doubles, b: Doubles, tolerance: float) -> bool:
    return bool(np.all(_are_close(a, b, tolerance)))


def _are_close(a: Doubles, b: Doubles, tolerance: float) -> npt.NDArray[np.bool_]:
    """Whether gradients are the same, by case, but for rounding."""
    scale = np.maximum(np.max(np.abs(b), axis=0), 2.0**-20)
    close: npt.NDArray[np.bool_] = np.all(np.abs(a - b) <= tolerance * scale, axis=0)
    return close


def _weigh(observed: Observed, parts: Doubles) -> Doubles:
    total: Doubles = np.sum(observed.labels * parts, axis=0)
    return total


def _solve(a: Doubles, b: Doubles) -> float:
    """Return the x of least |a·x − b|²; 0 where a is 0."""
    square = float(a @ a)
    return float(a @ b) / square if square else 0.0


def _search(observed: Observed, at: Callable[[float], Doubles]) -> float | None:
    """Return the positive parameter of a fit that is exact: bisected where the loss of one case moves one way with it."""
    case = int(np.argmax(np.abs(at(1.0) - at(1.5))))
    low, high, goal = 2.0**-20, 2.0**20, float(observed.computed[case])
    rises = bool(at(1.5)[case] > at(1.0)[case])
    for _ in range(SEARCH_STEPS):
        middle = math.sqrt(low * high)
        if (float(at(middle)[case]) < goal) == rises:
            low = middle
        else:
            high = middle
    return middle if observed.is_exact(at(middle)) and not _is_close(middle, 1.0) else None


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-5)


def _show(number: float) -> str:
    """Return a number in the fewest digits that are as good as six."""
    rounded = (float(f"{number:.{digits}g}") for digits in range(1, DIGITS))
    chosen = next((x for x in rounded if math.isclose(x, number, rel_tol=1e-6)), float(f"{number:.{DIGITS}g}"))
    return repr(chosen).removesuffix(".0")
