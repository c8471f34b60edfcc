"""Every objective with its options: truth and balls against mpmath by the definition, within the stated bounds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.balls import ExactCase, enclose
from cestab.truth.objectives import TRUTHS
from cestab.truth.tiers import evaluate_truth
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    OBJECTIVES,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
    Objective,
)

pytestmark = pytest.mark.thorough
INF = math.inf
BATCH = {"batch": 5, "reduction": Reduction.SUM}
WEIGHTS = (0.25, 3.0, 1.0)
OPTIONS: dict[Objective, list[dict[str, Any]]] = {
    SOFTMAX_CROSS_ENTROPY: [
        {},
        {"label_smoothing": 0.1},
        {"label_smoothing": 1.0, "class_weights": WEIGHTS},
        {"class_weights": WEIGHTS},
        {"class_weights": WEIGHTS, **BATCH},
        {"class_weights": WEIGHTS, "batch": 4},
        {"class_weights": WEIGHTS, "batch": 4, "label_smoothing": 0.25},
        {"class_weights": (2.0**20, 2.0**-30, 0.0)},
        {"ignore_index": 1, **BATCH},
    ],
    BINARY_CROSS_ENTROPY: [{}, {"label_smoothing": 0.1}, {"class_weights": (3.5,), **BATCH}],
    FOCAL_LOSS: [{"gamma": gamma} for gamma in (0.0, 0.5, 1.0, 2.0, 8.0)] + [{"gamma": 2.0, **BATCH}],
    Z_LOSS: [{}, {"z_weight": 1e-4}, {"z_weight": 1.0, "label_smoothing": 0.1}, {"z_weight": 0.5, **BATCH}],
    SOFTMAX_MEAN_SQUARED_ERROR: [{}, BATCH],
    SIGMOID_MEAN_SQUARED_ERROR: [{}, BATCH],
}
CASES = [(objective, LossOptions(**given)) for objective, chosen in OPTIONS.items() for given in chosen]
COLUMNS = [
    [0.0, 0.0],
    [40.0, 0.0],
    [-1e-3, 2.0],
    [1.0, 1.0, 1.0],
    [3.0, -2.0, 0.5, 3.0],
    [-5.0, -5.5, -3.0, -40.0],
    [90.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 700.0, 699.0],
    [2.0, -INF, 1.0],
    [-INF, -INF, 1.0],
    [1e-30, -2e-40, 0.0],
    [3e30, -3e30, 1.0],
    [-1e6, -1e6 - 1, -1e6 - 2],
    [*np.random.default_rng(5).standard_normal(17).tolist()],
]
XS = [0.0, 1.0, -1.0, 37.0, -37.0, 100.0, -700.0, 3e30, -3e30, 1e-40]


def digits_for(logits: Sequence[float]) -> int:
    """Digits in which 1 + exp(−spread) keeps 100 of them; beyond 2000 a logit has no share in any number."""
    finite = [z for z in logits if math.isfinite(z)]
    return 120 + min(2000, int(2 * (max(finite) - min(finite) + max(map(abs, finite)))))


class Definition:
    """Loss and gradient of one row by the textbook, in numbers of mpmath."""

    def __init__(self, objective: Objective, logits: Sequence[float], weights: Sequence[float], options: LossOptions) -> None:
        self.z = [mpf(z) for z in logits]
        self.y = [mpf(y) for y in weights]
        self.options = options
        self.loss, self.gradient = self.binary(objective) if objective.is_binary else self.softmax(objective)

    def binary(self, objective: Objective) -> tuple[Any, list[Any]]:
        (x,), (y,) = self.z, self.y
        rising, falling = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
        if objective is SIGMOID_MEAN_SQUARED_ERROR:
            difference = rising * (1 - y) - falling * y
            return difference**2, [2 * difference * rising * falling]
        alpha, weight = mpf(self.options.label_smoothing), mpf((*self.options.class_weights, 1.0)[0])
        y = (1 - alpha) * y + alpha / 2
        return weight * (-y * mp.log(rising) - (1 - y) * mp.log(falling)), [weight * (rising * (1 - y) - falling * y)]

    def softmax(self, objective: Objective) -> tuple[Any, list[Any]]:
        classes = len(self.z)
        peak = max(self.z)
        e = [mp.exp(z - peak) for z in self.z]
        p = [own / mp.fsum(e) for own in e]
        q = [mp.fsum(e[:j] + e[j + 1 :]) / mp.fsum(e) for j in range(classes)]
        log_p = [z - peak - mp.log(mp.fsum(e)) for z in self.z]
        if objective is SOFTMAX_MEAN_SQUARED_ERROR:
            d = [-own if y == 1 else p_j - y for p_j, own, y in zip(p, q, self.y, strict=True)]
            by_p = [2 * own / classes for own in d]
            return mp.fsum(own**2 for own in d) / classes, self.through_softmax(by_p, p, q)
        if objective is FOCAL_LOSS:
            return self.focal(p, q, log_p)
        v = self.effective_weights()
        loss = mp.fsum(-own * log_own for own, log_own in zip(v, log_p, strict=True) if own)
        gradient = [mp.fsum(v) * own - weight for own, weight in zip(p, v, strict=True)]
        if sum(weight != 0 for weight in v) == 1:
            gradient = [-w * own if w else g for g, own, w in zip(gradient, q, v, strict=True)]
        if objective is Z_LOSS:
            lse, weight = peak + mp.log(mp.fsum(e)), mpf(self.options.z_weight)
            loss += weight * lse**2
            gradient = [g + 2 * weight * lse * own for g, own in zip(gradient, p, strict=True)]
        return loss, gradient

    def focal(self, p: list[Any], q: list[Any], log_p: list[Any]) -> tuple[Any, list[Any]]:
        gamma = mpf(self.options.gamma)
        loss = mp.fsum(-y * own**gamma * log_own for y, own, log_own in zip(self.y, q, log_p, strict=True) if y)
        times_p = [  # p·d/dp of (1 − p)^γ·(−log p)
            mpf(0)
            if not y
            else -y * own**gamma + (y * gamma * own ** (gamma - 1) * p_j * log_own if own and p_j and gamma else 0)
            for y, p_j, own, log_own in zip(self.y, p, q, log_p, strict=True)
        ]
        hot = [j for j, y in enumerate(self.y) if y]
        gradient = [own - p_j * mp.fsum(times_p) for own, p_j in zip(times_p, p, strict=True)]
        if len(hot) == 1:
            gradient[hot[0]] = times_p[hot[0]] * q[hot[0]]
        return loss, gradient

    def through_softmax(self, by_p: list[Any], p: list[Any], q: list[Any]) -> list[Any]:
        """∂/∂z_k = Σ_j (∂/∂p_j)·p_j·(δ_jk − p_k)."""
        classes = range(len(p))
        return [mp.fsum(by_p[j] * p[j] * (q[k] if j == k else -p[k]) for j in classes) for k in classes]

    def effective_weights(self) -> list[Any]:
        options, classes = self.options, len(self.z)
        alpha = mpf(options.label_smoothing)
        w = [mpf((options.class_weights or (1.0,))[j % len(options.class_weights or (1.0,))]) for j in range(classes)]
        return [own * ((1 - alpha) * y + alpha / classes) for own, y in zip(w, self.y, strict=True)]


@cache  # its digits take nearly all the time, and it is needed again for every upstream factor
def by_definition(
    objective: Objective, logits: tuple[float, ...], weights: tuple[float, ...], options: LossOptions, *, index: bool
) -> Any:
    """Return the loss of the batch and the gradient of a row before the upstream factor."""
    with mp.workdps(digits_for(logits)):
        return _by_definition(objective, logits, weights, options, index=index)


def _by_definition(
    objective: Objective, logits: Sequence[float], weights: Sequence[float], options: LossOptions, *, index: bool
) -> Any:
    kept = options.batch if options.ignore_index is None else (options.batch + 1) // 2
    if index and options.ignore_index is not None and weights[options.ignore_index] == 1:
        return mpf(0), [mpf(0)] * len(logits)
    row = Definition(objective, logits, weights, options)
    loss, gradient = row.loss, row.gradient
    if index and options.class_weights and options.batch > 1 and options.reduction is Reduction.MEAN:
        norm = mpf(options.class_weights[weights.index(1.0) % len(options.class_weights)])
        loss, gradient = loss / norm, [own / norm for own in gradient]
    return loss * (kept if options.reduction is Reduction.SUM else 1), gradient


def columns(objective: Objective) -> list[list[float]]:
    return [[x] for x in XS] if objective.is_binary else COLUMNS


def targets(objective: Objective, logits: list[float], options: LossOptions) -> Iterator[tuple[list[float], bool]]:
    """Weights of the classes, and whether they stand for an index."""
    classes = len(logits)
    if objective.is_binary:
        yield from (([label], False) for label in (0.0, 1.0, 0.25, 2.0**-20))
        return
    for index in (0, 1, classes - 1):
        yield [float(j == index) for j in range(classes)], True
    if options.ignore_index is None:
        unmasked = [float(math.isfinite(z)) for z in logits]
        yield [0.0] * (classes - 1) + [1.0], False
        yield [own / 32 if j else (1 - (sum(unmasked) - own) / 32) * own for j, own in enumerate(unmasked)], False


def make_target(weights: list[float], *, index: bool) -> Target:
    if index:
        return IndexTarget(index=np.array([weights.index(1.0)]))
    return DenseTarget(weights=np.array(weights).reshape(-1, 1))


def rounded(logits: list[float], dtype: str) -> FloatArray:
    return round_to_format(np.array(logits).reshape(-1, 1), FORMATS[dtype])


@pytest.mark.parametrize(("objective", "options"), CASES, ids=str)
@pytest.mark.parametrize("precise", [False, True])
def test_truth_is_within_its_bound_of_the_definition(objective: Objective, options: LossOptions, precise: bool) -> None:  # noqa: FBT001
    values, worst = 0, 0.0
    for logits, upstream in product(columns(objective), (1.0, 0.1875)):
        z = rounded(logits, "float64" if precise else "float32")
        column = z[:, 0].tolist()
        for weights, index in targets(objective, column, options):
            target = make_target(weights, index=index)
            truth = evaluate_truth(objective, z, target, upstream, precise=precise, options=options)
            with mp.workdps(digits_for(column)):
                loss, gradient = by_definition(objective, tuple(column), tuple(weights), options, index=index)
                pairs = [(truth.loss, truth.loss_low, truth.loss_scale, loss)]
                pairs += [
                    (
                        truth.gradient[j],
                        None if truth.gradient_low is None else truth.gradient_low[j],
                        truth.scale[j],
                        own * upstream,
                    )
                    for j, own in enumerate(gradient)
                ]
                for value, low, scale, exact in pairs:
                    values += 1
                    if mp.isinf(exact):
                        assert value[0] == INF
                        continue
                    error = abs(mpf(float(value[0])) + mpf(0.0 if low is None else float(low[0])) - exact)
                    bound = mpf(truth.relative) * abs(mpf(float(scale[0]))) + mpf(truth.absolute)
                    assert error <= bound, (column, weights, index, mp.nstr(exact), mp.nstr(error), mp.nstr(bound))
                    assert abs(exact) <= abs(mpf(float(scale[0]))) * (1 + mpf(2) ** -40) + mpf(truth.absolute)
                    worst = max(worst, float(error / bound))
    print(f"\n{objective} {options.given()}: {values} values, at most {worst:.2g} of the bound")
    assert values > 80


@pytest.mark.parametrize(("objective", "options"), CASES, ids=str)
def test_balls_enclose_the_definition(objective: Objective, options: LossOptions) -> None:
    slack = mpf(2) ** -390
    for logits in columns(objective):
        for weights, index in targets(objective, logits, options):
            case = ExactCase(objective=objective, logits=logits, weights=weights, upstream=3.0, options=options, is_index=index)
            with ctx.workprec(256):
                ball = enclose(case)
            with mp.workdps(digits_for(logits)):
                loss, gradient = by_definition(objective, tuple(logits), tuple(weights), options, index=index)
                assert (ball.loss is None) == bool(mp.isinf(loss))
                pairs = [(own, 3 * exact) for own, exact in zip(ball.gradient, gradient, strict=True)]
                pairs += [] if ball.loss is None else [(ball.loss, loss)]
                for enclosure, exact in pairs:
                    low, high = ends(enclosure)
                    assert low - slack <= exact <= high + slack
                    assert high - low <= mpf(2) ** -200 * (1 + abs(exact))


def ends(ball: arb) -> tuple[Any, Any]:
    with ctx.workprec(4096):
        low, high = ball.lower().man_exp(), ball.upper().man_exp()
    return mp.ldexp(int(low[0]), int(low[1])), mp.ldexp(int(high[0]), int(high[1]))


def test_every_objective_is_tested_with_each_of_its_options() -> None:
    assert OPTIONS.keys() == TRUTHS.keys() == set(OBJECTIVES.values())
    for objective, chosen in OPTIONS.items():
        tested = {name for given in chosen for name in given} | {"ignore_index"}
        assert tested >= set(objective.option_names)


@pytest.mark.parametrize(
    "wrong",
    [
        LossOptions(gamma=3.0),  # off by one
        LossOptions(gamma=2.0, batch=2, reduction=Reduction.SUM),
    ],
)
def test_a_planted_focal_loss_is_outside_the_bound(wrong: LossOptions) -> None:
    z, target = rounded([1.0, 0.0, -2.0], "float32"), IndexTarget(index=np.array([1]))
    right = evaluate_truth(FOCAL_LOSS, z, target, 1.0, precise=False, options=LossOptions(gamma=2.0))
    other = evaluate_truth(FOCAL_LOSS, z, target, 1.0, precise=False, options=wrong)
    assert abs(right.loss - other.loss)[0] > 1e6 * (right.relative * right.loss[0])


def test_smoothing_is_spread_over_all_classes() -> None:
    """α/K, not α/(K − 1): with equal logits the target's weight is 1 − α + α/K."""
    z, target, options = rounded([0.0, 0.0, 0.0], "float32"), IndexTarget(index=np.array([0])), LossOptions(label_smoothing=0.3)
    truth = evaluate_truth(SOFTMAX_CROSS_ENTROPY, z, target, 1.0, precise=False, options=options)
    assert truth.gradient[:, 0] == pytest.approx([1 / 3 - 0.8, 1 / 3 - 0.1, 1 / 3 - 0.1], rel=1e-14)


def test_a_mean_is_over_the_rows_that_are_kept() -> None:
    options = LossOptions(batch=5, ignore_index=7)
    assert (options.kept_rows, options.divisor, options.multiplier) == (3, 3, 1)
    summed = replace(options, reduction=Reduction.SUM)
    assert (summed.divisor, summed.multiplier) == (1, 3)
