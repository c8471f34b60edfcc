"""What each formulation computes and what it loses, at logits where that is known from elsewhere."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from cestab.formulations import families, find_formulation
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

NAMES = families()[SOFTMAX_CROSS_ENTROPY]
STABLE = ("log-sum-exp", "log-softmax", "online", "online:chunk=1", "online:chunk=2", "compensated")
LOG_OF_PICK = ("naive", "softmax-log", "clipped", "log-eps", "unshifted-lse")


def evaluate(
    name: str, logits: list[Any], target: int | list[float], dtype: str = "float32", upstream: float = 1.0
) -> tuple[float, list[float]]:
    """Loss and gradient of one case; an integer is an index target, a list a dense one."""
    fmt = FORMATS[dtype]
    z = np.array(logits, dtype=fmt.storage)[:, np.newaxis]
    place: Target
    if isinstance(target, int):
        place = IndexTarget(index=np.array([target]))
    else:
        place = DenseTarget(weights=np.array(target, dtype=fmt.storage)[:, np.newaxis])
    with np.errstate(all="ignore"):
        loss, gradient = find_formulation(name).evaluate(z, place, Arithmetic(fmt=fmt), upstream)
    assert loss.shape == (1,)
    assert gradient.shape == z.shape
    return float(loss[0]), gradient[:, 0].tolist()


def exact(logits: list[float], weights: list[float], eps: float = 0.0) -> tuple[float, FloatArray]:
    """−Σ y·log(p + eps) and its derivative, in 60 digits."""
    with mpmath.workdps(60):
        exponentials = [mpmath.exp(mpmath.mpf(z)) for z in logits]
        p = [e / mpmath.fsum(exponentials) for e in exponentials]
        loss = -mpmath.fsum(y * mpmath.log(q + eps) for y, q in zip(weights, p, strict=True))
        share = [y * q / (q + eps) for y, q in zip(weights, p, strict=True)]
        total = mpmath.fsum(share)
        return float(loss), np.array([float(q * total - s) for q, s in zip(p, share, strict=True)])


@pytest.mark.parametrize("name", [*NAMES, *STABLE[3:5]])
@pytest.mark.parametrize("classes", [2, 3, 10, 300])
@pytest.mark.parametrize("kind", ["index", "dense"])
def test_every_formulation_is_right_at_moderate_logits(name: str, classes: int, kind: str) -> None:
    """Entries of the gradient are sums of O(1) terms, the loss is O(10); a few dozen roundings of u = 2^-53 each."""
    rng = np.random.default_rng(50)
    logits = (rng.standard_normal(classes) * 2).tolist()
    weights = (rng.dirichlet(np.ones(classes)) if kind == "dense" else np.eye(classes)[classes // 3]).tolist()
    loss, gradient = evaluate(name, logits, weights if kind == "dense" else classes // 3, "float64", upstream=0.5)
    true_loss, true_gradient = exact(logits, weights, 1e-7 if name == "log-eps" else 0.0)
    u = FORMATS["float64"].unit_roundoff
    terms = 30 + math.log2(classes)
    assert abs(loss - true_loss) <= terms * u * (1 + abs(true_loss) + max(map(abs, logits)))
    # For a dense target the chain rule sums y_j/p_j over classes with p_j ≥ 1e-7, each rounded at the size of y_j.
    np.testing.assert_allclose(gradient, 0.5 * true_gradient, rtol=0, atol=terms * u)


@pytest.mark.parametrize("name", ["online:chunk=1", "online:chunk=3", "online:chunk=1000"])
def test_online_masks_whole_chunks(name: str) -> None:
    masked = [-math.inf] * 3
    loss, gradient = evaluate(name, [*masked, 1.0, 0.0, *masked], 4, "float64")
    true_loss, true_gradient = exact([1.0, 0.0], [0.0, 1.0])
    assert loss == pytest.approx(true_loss, rel=1e-15)
    np.testing.assert_allclose(gradient, [0, 0, 0, *true_gradient, 0, 0, 0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", STABLE)
def test_shifted_formulations_survive_every_float32(name: str) -> None:
    for t in (1e4, 1e30, 3e38):
        loss, gradient = evaluate(name, [t, 0.0], 1)
        assert (loss, gradient) == (float(np.float32(t)), [1.0, -1.0])
        assert evaluate(name, [t, 0.0], 0)[0] == 0.0


@pytest.mark.parametrize("name", STABLE[:1] + STABLE[2:5])
def test_subtracting_the_target_from_a_rounded_lse_loses_log_2(name: str) -> None:
    assert evaluate(name, [1e8, 1e8], 0)[0] == 0.0


@pytest.mark.parametrize("name", ["log-softmax", "compensated"])
def test_shifting_before_the_logarithm_keeps_log_2(name: str) -> None:
    assert evaluate(name, [1e8, 1e8], 0) == (float(np.float32(math.log(2))), [-0.5, 0.5])


def test_p_minus_1_cancels_from_a_margin_of_53_log_2_in_float64() -> None:
    margin = 53 * math.log(2)
    assert evaluate("log-softmax", [margin + 1e-3, 0.0], 0, "float64")[1][0] == 0.0
    assert evaluate("log-softmax", [margin - 1e-3, 0.0], 0, "float64")[1][0] == -(2.0**-52), "Σ just above the tie 1 + 2^-53"


@pytest.mark.parametrize("name", ["log-sum-exp", "online", "online:chunk=1"])
def test_a_rounded_lse_zeroes_the_gradient_where_it_equals_the_largest_logit(name: str) -> None:
    """exp(−t) falls below half the spacing 2^-47 of lse ≥ 32 at t = 48·ln 2 = 33.27."""
    margin = 48 * math.log(2)
    assert evaluate(name, [margin + 1e-3, 0.0], 0, "float64") == (0.0, [0.0, pytest.approx(math.exp(-margin), rel=2e-3)])
    assert evaluate(name, [margin - 1e-3, 0.0], 0, "float64")[1][0] == pytest.approx(-(2.0**-47), rel=1e-2)


@pytest.mark.parametrize("target", [0, [1.0, 0.0]])
def test_compensated_gradient_of_a_confident_true_class_keeps_its_digits(target: int | list[float]) -> None:
    for margin in (36.8, 100.0, 700.0):
        loss, gradient = evaluate("compensated", [margin, 0.0], target, "float64")
        assert gradient == pytest.approx([-math.exp(-margin), math.exp(-margin)], rel=1e-15, abs=0)
        assert loss == pytest.approx(math.exp(-margin), rel=1e-15, abs=0)


def test_a_clip_caps_the_loss_and_kills_the_gradient() -> None:
    loss, gradient = evaluate("clipped", [20.0, 0.0], 1)
    assert loss == pytest.approx(16.118, abs=5e-4)
    assert gradient == [0.0, 0.0]
    assert evaluate("clipped", [15.0, 0.0], 1)[1] == pytest.approx([1.0, -1.0], rel=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_where_the_bound_is_reached_exactly_the_closed_clip_passes_the_gradient(dtype: str) -> None:
    assert evaluate("clipped:eps=0.25,bounds=open", [0.0, 0.0, 0.0, 0.0], 2, dtype)[1] == [0.0] * 4
    closed = evaluate("clipped:eps=0.25,bounds=closed", [0.0, 0.0, 0.0, 0.0], 2, dtype)[1]
    assert closed == [0.25, 0.25, -0.75, 0.25]


def test_textbook_forms_break_where_exp_overflows_or_p_underflows() -> None:
    loss, gradient = evaluate("naive", [89.0, 0.0], 0)
    assert math.isnan(loss)
    assert all(map(math.isnan, gradient))
    assert evaluate("naive", [88.0, 0.0], 0)[0] == 0.0
    assert evaluate("unshifted-lse", [89.0, 0.0], 0)[0] == math.inf
    assert evaluate("unshifted-lse", [-110.0, -110.0], 0)[0] == -math.inf
    assert evaluate("softmax-log", [89.0, 0.0], 1)[0] == pytest.approx(89.0)
    loss, gradient = evaluate("softmax-log", [104.0, 0.0], 0)
    assert (loss, [math.isnan(g) for g in gradient]) == (0.0, [True, True]), "0 is divided by the other class's p = 0"


@pytest.mark.parametrize("name", LOG_OF_PICK)
def test_a_dense_target_forms_zero_times_infinity_where_a_log_is_infinite(name: str) -> None:
    loss, _ = evaluate(name, [200.0, 0.0], [1.0, 0.0], "float32")
    assert math.isnan(loss) == (name in ("naive", "softmax-log"))


@pytest.mark.parametrize("name", NAMES)
def test_upstream_scales_the_gradient_by_a_power_of_two_exactly(name: str) -> None:
    logits = [1.5, -0.25, 0.5]
    loss, gradient = evaluate(name, logits, 1)
    scaled_loss, scaled = evaluate(name, logits, 1, upstream=1024.0)
    assert scaled_loss == loss
    assert scaled == [1024 * g for g in gradient]


def test_compensated_dense_loss_does_not_overflow_between_opposite_ends() -> None:
    top = FORMATS["float32"].max
    loss, gradient = evaluate("compensated", [top, -top], [0.5, 0.5])
    assert loss == top
    assert gradient == [0.5, -0.5]
