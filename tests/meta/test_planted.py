"""Tests of the judge: a planted result gets its kind, and one float of the format inside the threshold it does not."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from builders import build_conditions
from cestab.evaluation.blocks import Conditions
from cestab.evaluation.evaluate import find_truth, make_cases, settle
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import from_ordinal, round_to_format, to_ordinal
from cestab.vocabulary.kinds import FindingKind

K = FindingKind
Kinds = tuple[FindingKind | None, FindingKind | None]
FORMAT_NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
# float8_e4m3fn overflows to NaN, or saturates at 448
OVERFLOWS = [
    *((name, math.inf) for name in ("float64", "float32", "float16", "bfloat16")),
    ("float8_e4m3fn", math.nan),
    ("float8_e4m3fn", 448.0),
]
all_formats = pytest.mark.parametrize("name", FORMAT_NAMES)
all_overflows = pytest.mark.parametrize(("name", "result"), OVERFLOWS)


def conditions_for(name: str, target: str, loss_scale: float = 1.0) -> Conditions:
    """Two classes, the logits t and 0."""
    fmt = FORMATS[name]
    return build_conditions(fmt, loss_scale=loss_scale, pattern="margin", target=target)


def kinds_of(
    conditions: Conditions, t: float, *, loss: float | None = None, gradient: list[float | None] | None = None
) -> Kinds:
    """Judge one case; what is None is the truth, correctly rounded."""
    fmt = conditions.fmt
    cases = make_cases(conditions, to_ordinal(np.array([t]), fmt))
    truth = find_truth(conditions, cases, precise=True)
    computed_loss = (
        round_to_format(truth.loss if loss is None else np.array([loss]), fmt) if loss != math.inf else np.array([np.inf])
    )
    computed = round_to_format(truth.gradient, fmt)
    for entry, value in enumerate(gradient or []):
        computed[entry, 0] = computed[entry, 0] if value is None else value
    judgement = judge_block(computed_loss.astype(fmt.storage), computed, truth, conditions.limits)
    settle(conditions, cases, (computed_loss, computed), judgement, judge_block)
    first, second = (int(codes[0]) for codes in (judgement.loss_codes, judgement.gradient_codes))
    return KINDS[first - 1] if first else None, KINDS[second - 1] if second else None


def neighbours(fmt: Format, low: float, high: float, holds: Callable[[float], bool]) -> tuple[float, float]:
    """Return the neighbouring floats between which a monotone predicate turns from True (at `low`) to False."""
    yes, no = (int(k) for k in to_ordinal(round_to_format(np.array([low, high]), fmt), fmt))
    assert holds(low), low
    assert not holds(high), high
    while abs(no - yes) > 1:
        middle = (yes + no) // 2
        yes, no = (middle, no) if holds(float(from_ordinal(middle, fmt))) else (yes, middle)
    return float(from_ordinal(yes, fmt)), float(from_ordinal(no, fmt))


def true_loss(t: float) -> Any:
    """Margin t, the first class is the target."""
    return mp.log1p(mp.exp(-mpf(t)))


def true_peak(t: float) -> Any:
    """The size of both gradient entries there."""
    return 1 / (1 + mp.exp(mpf(t)))


def overflow_edge(fmt: Format) -> tuple[float, float]:
    """Return the smallest float x for which (1 + rtol)·x rounds beyond the format, and the float below it."""
    edge = Fraction(fmt.max) + Fraction(2) ** (fmt.max_exponent - fmt.precision)

    def is_beyond(x: float) -> bool:
        magnitude = (1 + Fraction(fmt.rtol)) * Fraction(x)
        return magnitude > edge or (magnitude == edge and not fmt.top_code_is_nan)  # e4m3fn: 464 rounds to the even 448

    return neighbours(fmt, fmt.max, fmt.max / 2, is_beyond)


@all_overflows
def test_overflowing_loss(name: str, result: float) -> None:
    """With the wrong target and large t the loss is t."""
    fmt, conditions = FORMATS[name], conditions_for(name, "wrong")
    outside, inside = overflow_edge(fmt)
    expected = K.NAN_LOSS if math.isnan(result) else K.INF_LOSS if math.isinf(result) else K.WRONG_LOSS
    assert kinds_of(conditions, outside, loss=result) == (K.OVERFLOWING_LOSS, None)
    assert kinds_of(conditions, inside, loss=result) == (expected, None)


@all_overflows
def test_overflowing_gradient(name: str, result: float) -> None:
    """The gradient is ± the loss scale where p is 1 but for exp(−10000) or exp(−384)."""
    fmt = FORMATS[name]
    outside, inside = overflow_edge(fmt)
    expected = K.NAN_GRADIENT if math.isnan(result) else K.INF_GRADIENT if math.isinf(result) else K.WRONG_GRADIENT
    t = float(round_to_format(np.array([min(10000.0, 384.0 if fmt.max < 1000 else 10000.0)]), fmt)[0])
    for scale, kind in ((outside, K.OVERFLOWING_GRADIENT), (inside, expected)):
        assert kinds_of(conditions_for(name, "wrong", scale), t, gradient=[result, -result])[1] is kind


@pytest.mark.parametrize(("t", "expected"), [(32768.0, K.INF_LOSS), (40960.0, None), (49152.0, K.OVERFLOWING_LOSS)])
def test_overflow_in_float8_e5m2(t: float, expected: FindingKind | None) -> None:
    """Max and half an ulp is 61440 = 1.5·40960, so a loss of 40960 + exp(−40960) is a tie, which raises no finding."""
    assert kinds_of(conditions_for("float8_e5m2", "wrong"), t, loss=math.inf) == (expected, None)


@all_formats
def test_nan_and_infinity(name: str) -> None:
    conditions = conditions_for(name, "correct")
    assert kinds_of(conditions, 3.0) == (None, None)
    assert kinds_of(conditions, 3.0, loss=math.nan) == (K.NAN_LOSS, None)
    assert kinds_of(conditions, 3.0, loss=math.inf) == (K.INF_LOSS, None)
    assert kinds_of(conditions, 3.0, loss=conditions.fmt.max) == (K.WRONG_LOSS, None)
    assert kinds_of(conditions, 3.0, gradient=[None, math.nan]) == (None, K.NAN_GRADIENT)
    assert kinds_of(conditions, 3.0, gradient=[-math.inf, None]) == (None, K.INF_GRADIENT)
    assert kinds_of(conditions, 3.0, gradient=[math.inf, math.nan]) == (None, K.NAN_GRADIENT)
    assert kinds_of(conditions, 3.0, gradient=[-conditions.fmt.max, None]) == (None, K.WRONG_GRADIENT)


def float_beyond(fmt: Format, true: Any, distance: Any) -> tuple[float, float]:
    """Return the smallest float above true + distance, and the float below it."""
    return neighbours(fmt, 1.0, float(round_to_format(np.array([float(true)]), fmt)[0]), lambda x: mpf(x) - true > distance)


@all_formats
def test_wrong_and_inaccurate_loss(name: str) -> None:
    """At margin 3 the loss is 0.0486: the tolerance of every format lies below a tenth."""
    conditions, fmt = conditions_for(name, "correct"), FORMATS[name]
    with mp.workdps(60):
        true = true_loss(3.0)
        missed, within = float_beyond(fmt, true, mpf(fmt.atol) + mpf(fmt.rtol) * true)
        far, near = float_beyond(fmt, true, mpf(0.1))
    expected = {far: K.WRONG_LOSS, near: K.INACCURATE_LOSS, missed: K.INACCURATE_LOSS, within: None}
    assert {loss: kinds_of(conditions, 3.0, loss=loss) for loss in expected} == {
        loss: (k, None) for loss, k in expected.items()
    }


@all_formats
@pytest.mark.parametrize("loss_scale", [1.0, 2.0])
def test_wrong_and_inaccurate_gradient(name: str, loss_scale: float) -> None:
    """There the gradient is ∓0.0474, and everything about it is proportional to the loss scale."""
    conditions, fmt = conditions_for(name, "correct", loss_scale), FORMATS[name]
    with mp.workdps(60):
        true = -true_peak(3.0) * loss_scale
        missed, within = float_beyond(fmt, true, mpf(fmt.atol) * loss_scale + mpf(fmt.rtol) * abs(true))
        far, near = float_beyond(fmt, true, mpf(0.1) * loss_scale)
    expected = {far: K.WRONG_GRADIENT, near: K.INACCURATE_GRADIENT, missed: K.INACCURATE_GRADIENT, within: None}
    got = {entry: kinds_of(conditions, 3.0, gradient=[entry, None]) for entry in expected}
    assert got == {entry: (None, kind) for entry, kind in expected.items()}


def edge_of_zeroed(fmt: Format, true: Callable[[float], Any]) -> tuple[float, float]:
    """Return the last t of a truth above 2 subnormals, and the next; from the first t on it is below atol, or near it."""
    start, stop = (4.5, 16.0) if fmt.bits <= 8 else (20.0 if fmt.bits > 16 else 12.0, 800.0)
    with mp.workdps(60):
        return neighbours(fmt, start, stop, lambda t: true(t) > 2 * mpf(fmt.smallest_subnormal))


@all_formats
def test_zeroed_loss_and_gradient(name: str) -> None:
    """Zero is zeroed where the truth exceeds 2 subnormals, for 2 classes, and does not miss."""
    fmt, conditions = FORMATS[name], conditions_for(name, "correct")
    last, after = edge_of_zeroed(fmt, true_loss)
    assert kinds_of(conditions, last, loss=0.0)[0] is K.ZEROED_LOSS
    assert kinds_of(conditions, after, loss=0.0)[0] is None
    last, after = edge_of_zeroed(fmt, true_peak)
    assert kinds_of(conditions, last, gradient=[0.0, 0.0])[1] is K.ZEROED_GRADIENT
    assert kinds_of(conditions, after, gradient=[0.0, 0.0])[1] is None


@all_formats
def test_vanishing_gradient(name: str) -> None:
    """The largest entry crosses atol + rtol: from above with the right target, from below with the wrong one."""
    fmt = FORMATS[name]
    tolerance = mpf(fmt.atol) + mpf(fmt.rtol)
    with mp.workdps(60):
        if tolerance < 0.5:
            target = "correct"
            above, below = neighbours(fmt, fmt.smallest_subnormal, 32.0, lambda t: true_peak(t) > tolerance)
        else:
            target = "wrong"
            above, below = neighbours(fmt, 3.0, fmt.smallest_subnormal, lambda t: true_peak(-t) > tolerance)
    conditions = conditions_for(name, target)
    assert kinds_of(conditions, above, gradient=[0.0, 0.0]) == (None, K.VANISHING_GRADIENT)
    assert kinds_of(conditions, below, gradient=[0.0, 0.0])[1] in (K.WRONG_GRADIENT, K.INACCURATE_GRADIENT)
    assert kinds_of(conditions, above, gradient=[0.0, fmt.smallest_subnormal])[1] is not K.VANISHING_GRADIENT


@all_formats
def test_underflowing_gradient(name: str) -> None:
    """At loss scale 4 subnormals, entries of 1/8 round to 0; below atol nobody misses them."""
    fmt = FORMATS[name]
    conditions = conditions_for(name, "correct", 4 * fmt.smallest_subnormal)
    zero: list[float | None] = [0.0, 0.0]
    with mp.workdps(60):
        kept, lost = neighbours(fmt, 1.0, 4.0, lambda t: true_peak(t) > mpf(1) / 8)
        last, after = neighbours(fmt, lost, 32.0, lambda t: true_peak(t) > mpf(fmt.atol))
    assert kinds_of(conditions, lost, gradient=zero)[1] is K.UNDERFLOWING_GRADIENT
    assert kinds_of(conditions, kept, gradient=zero)[1] is (K.VANISHING_GRADIENT if fmt.atol + fmt.rtol < 0.125 else None)
    assert kinds_of(conditions, last, gradient=zero)[1] is K.UNDERFLOWING_GRADIENT
    assert kinds_of(conditions, after, gradient=zero)[1] is None


def test_every_kind_is_planted_above() -> None:
    """The names of the tests and of the kinds, so that a new kind asks for its plant."""
    planted = {"overflowing", "nan", "inf", "vanishing", "underflowing", "wrong", "inaccurate", "zeroed"}
    assert {kind.label.split("-")[0] for kind in KINDS} == planted


def test_tolerances_of_the_request_are_those_of_the_table() -> None:
    """A loss off by 0.2 at margin 3 is wrong, and right once atol allows 0.25, or rtol 5."""
    conditions = conditions_for("float32", "correct")
    assert kinds_of(conditions, 3.0, loss=0.25)[0] is K.WRONG_LOSS
    assert kinds_of(replace(conditions, atol=0.25), 3.0, loss=0.25)[0] is None
    assert kinds_of(replace(conditions, rtol=5.0), 3.0, loss=0.25)[0] is None
