"""Ball arithmetic: enclosures against mpmath, and the doubling of the precision."""

import math
from itertools import product
from threading import Thread
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from cestab.truth.balls import Ball, ExactCase, enclose, precision, refine
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY

SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
DOUBLINGS = [128, 256, 512, 1024, 2048, 4096]
DIGITS = 420  # the smallest value of the cases below is exp(−700), whose last digits are those of 1 + exp(−700)


def exact_float(x: arb) -> Any:
    """A point of a ball (lower or upper end) as an mpmath number, without rounding."""
    mantissa, exponent = x.man_exp()
    return mp.ldexp(int(mantissa), int(exponent))


def assert_encloses(ball: arb, exact: Any) -> None:
    slack = mpf(10) ** (20 - DIGITS)  # mpmath's own error, absolute
    with ctx.workprec(4096):
        low, high = exact_float(ball.lower()), exact_float(ball.upper())
    assert low - slack <= exact <= high + slack
    assert high - low <= abs(exact) * mpf(2) ** -100 + mpf(10) ** -30, "an enclosure so wide says nothing"


def by_definition(case: ExactCase) -> tuple[Any, list[Any]]:
    upstream = mpf(case.upstream)
    if case.objective is BINARY:
        x, y = mpf(case.logits[0]), mpf(case.weights[0])
        e = mp.exp(x)
        return mp.log(1 + e) - y * x, [(e / (1 + e) - y) * upstream]
    exponentials = [mpf(0) if math.isinf(z) else mp.exp(mpf(z)) for z in case.logits]
    partition, total = mp.fsum(exponentials), mp.fsum(case.weights)
    gradient = [(total * e / partition - mpf(y)) * upstream for e, y in zip(exponentials, case.weights, strict=True)]
    picked = mp.fsum(mpf(y) * mpf(z) for y, z in zip(case.weights, case.logits, strict=True) if y != 0)
    return total * mp.log(partition) - picked, gradient


def seeded_cases() -> list[ExactCase]:
    rng = np.random.default_rng(11)
    cases = []
    for classes, scale, upstream in product((2, 3, 10, 40), (1e-3, 1.0, 30.0, 200.0), (1.0, 2.0**-20, 640.0)):
        logits = (rng.standard_normal(classes) * scale).tolist()
        hot = [0.0] * classes
        hot[int(rng.integers(classes))] = 1.0
        soft = rng.dirichlet(np.ones(classes)).tolist()
        cases += [
            ExactCase(objective=SOFTMAX, logits=logits, weights=hot, upstream=upstream),
            ExactCase(objective=SOFTMAX, logits=logits, weights=soft, upstream=upstream),
        ]
        if classes > 2:
            cases.append(
                ExactCase(
                    objective=SOFTMAX,
                    logits=[*logits[:-1], -math.inf],
                    weights=[1.0] + [0.0] * (classes - 1),
                    upstream=upstream,
                )
            )
        cases.append(
            ExactCase(objective=BINARY, logits=logits[:1], weights=[float(rng.choice([0.0, 0.3, 1.0]))], upstream=upstream)
        )
    return cases


def test_enclosures_hold_the_exact_loss_and_gradient() -> None:
    values = 0
    for case in seeded_cases():
        with ctx.workprec(128):
            ball = enclose(case)
        with mp.workdps(DIGITS):
            loss, gradient = by_definition(case)
            assert ball.loss is not None
            assert_encloses(ball.loss, loss)
            for entry, exact in zip(ball.gradient, gradient, strict=True):
                assert_encloses(entry, exact)
        values += 1 + len(gradient)
    assert values > 1500


@pytest.mark.parametrize(("margin", "target"), [(700.0, 0), (-700.0, 0), (700.0, 1)])
def test_a_hard_target_cancels_nowhere(margin: float, target: int) -> None:
    case = ExactCase(objective=SOFTMAX, logits=[margin, 0.0], weights=[float(j == target) for j in range(2)], upstream=1.0)
    with ctx.workprec(128):
        ball = enclose(case)
        assert ball.loss is not None
        assert min(entry.rel_accuracy_bits() for entry in (ball.loss, *ball.gradient)) > 100


def test_a_masked_target_has_no_loss_ball() -> None:
    with ctx.workprec(128):
        ball = enclose(ExactCase(objective=SOFTMAX, logits=[0.0, 0.0, -math.inf], weights=[0.0, 0.0, 1.0], upstream=2.0))
    assert ball.loss is None
    assert [float(entry) for entry in ball.gradient] == [1.0, 1.0, -2.0]


def test_refine_doubles_the_precision_until_the_decision_falls() -> None:
    """A threshold 2^-300 above the loss log 3 needs more than 256 bits."""
    case = ExactCase(objective=SOFTMAX, logits=[0.0, 0.0, 0.0], weights=[1.0, 0.0, 0.0], upstream=1.0)
    with ctx.workprec(4096):
        threshold = arb(3).log() + arb(2) ** -300
    tried: list[int] = []

    def decide(ball: Ball) -> bool:
        tried.append(ctx.prec)
        assert ball.loss is not None
        assert not ball.loss > threshold
        return bool(ball.loss < threshold)

    before = ctx.prec
    assert refine(case, decide)
    assert tried == [128, 256, 512]
    assert ctx.prec == before


def test_refine_gives_up_at_its_limit() -> None:
    case = ExactCase(objective=BINARY, logits=[0.7], weights=[1.0], upstream=1.0)
    tried: list[int] = []

    def never(_: Ball) -> bool:
        tried.append(ctx.prec)
        return False

    assert not refine(case, never)
    assert tried == DOUBLINGS
    tried.clear()
    assert not refine(case, never, limit=600)
    assert tried == [128, 256, 512]


def test_an_exact_equality_is_never_decided() -> None:
    """p = 1/3 three times: 1 − p and 1/2 + p/2 are equal, which no enclosure can show."""
    case = ExactCase(objective=SOFTMAX, logits=[5.0, 5.0, 5.0], weights=[1.0, 0.0, 0.0], upstream=1.0)

    def decide(ball: Ball) -> bool:
        error, threshold = 1 - ball.gradient[1], arb(0.5) + arb(0.5) * ball.gradient[1]
        return bool(error > threshold or error <= threshold)

    assert not refine(case, decide)


def test_a_precision_is_kept_while_another_thread_asks_for_its_own() -> None:
    """flint has one precision for the whole process: the second thread has to wait for the first."""
    seen: list[int] = []

    def ask() -> None:
        with precision(300):
            seen.append(ctx.prec)

    thread = Thread(target=ask)
    with precision(100):
        thread.start()
        thread.join(0.1)
        assert (ctx.prec, seen) == (100, [])
        with precision(200):
            assert ctx.prec == 200
    thread.join()
    assert seen == [300]
