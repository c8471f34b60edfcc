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
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import find_truth, make_cases, settle
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import from_ordinal, round_to_format, to_ordinal
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.loss_options import LossOptions, Reduction

K = FindingKind
Kinds = tuple[FindingKind | None, FindingKind | None]
FORMAT_NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
# float8_e4m3fn overflows to NaN
OVERFLOWS = [*((name, math.inf) for name in ("float64", "float32", "float16", "bfloat16")), ("float8_e4m3fn", math.nan)]
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
    """Return the smallest float x for which (1 + 4u)·x rounds beyond the format, and the float below it.

    A result that is finite, max, is judged as it is: x itself would have to be beyond, which no number of the format is.
    """
    edge = Fraction(fmt.max) + Fraction(2) ** (fmt.max_exponent - fmt.precision)

    def is_beyond(x: float) -> bool:
        magnitude = (1 + 4 * Fraction(fmt.unit_roundoff)) * Fraction(x)
        return magnitude > edge or (magnitude == edge and not fmt.top_code_is_nan)  # e4m3fn: 464 rounds to the even 448

    return neighbours(fmt, fmt.max, fmt.max / 2, is_beyond)


@all_overflows
def test_overflowing_loss(name: str, result: float) -> None:
    """With the wrong target and large t the loss is t."""
    fmt, conditions = FORMATS[name], conditions_for(name, "wrong")
    outside, inside = overflow_edge(fmt)
    assert kinds_of(conditions, outside, loss=result) == (K.OVERFLOWING_LOSS, None)
    assert kinds_of(conditions, inside, loss=result) == (K.NAN_LOSS if math.isnan(result) else K.INF_LOSS, None)


@all_overflows
def test_overflowing_gradient(name: str, result: float) -> None:
    """The gradient is ± the loss scale where p is 1 but for exp(−10000) or exp(−384)."""
    fmt = FORMATS[name]
    outside, inside = overflow_edge(fmt)
    t = float(round_to_format(np.array([min(10000.0, 384.0 if fmt.max < 1000 else 10000.0)]), fmt)[0])
    for scale, kind in ((outside, K.OVERFLOWING_GRADIENT), (inside, K.NAN_GRADIENT if math.isnan(result) else K.INF_GRADIENT)):
        assert kinds_of(conditions_for(name, "wrong", scale), t, gradient=[result, -result])[1] is kind


def test_saturated_values_are_set_aside_only_where_the_truth_rounds_to_them() -> None:
    """Of float8_e4m3fn, whose largest number is 448, a loss of 448 + exp(−448) is 448, no overflow."""
    conditions = conditions_for("float8_e4m3fn", "wrong")
    assert kinds_of(conditions, 448.0, loss=448.0) == (None, None)
    assert kinds_of(replace(conditions, loss_scale=2.0), 448.0, loss=448.0)[0] is K.OVERFLOWING_LOSS
    sum_of_two = replace(conditions, options=LossOptions(batch=2, reduction=Reduction.SUM))
    assert kinds_of(sum_of_two, 256.0, loss=448.0)[0] is K.OVERFLOWING_LOSS
    assert kinds_of(sum_of_two, 160.0, loss=448.0)[0] is K.WRONG_LOSS


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
    """At margin 3 the loss is 0.0486: the tolerance of every format lies below a tenth and half an ulp."""
    conditions, fmt = conditions_for(name, "correct"), FORMATS[name]
    with mp.workdps(60):
        true = true_loss(3.0)
        missed, within = float_beyond(fmt, true, mpf(fmt.atol) + mpf(fmt.rtol) * true)
        far, near = float_beyond(fmt, true, mpf(1) / 10 + half_ulp(fmt, true))
    expected = {far: K.WRONG_LOSS, near: K.INACCURATE_LOSS, missed: K.INACCURATE_LOSS, within: None}
    assert {loss: kinds_of(conditions, 3.0, loss=loss) for loss in expected} == {
        loss: (k, None) for loss, k in expected.items()
    }


def phi(fmt: Format) -> float:
    """Norms of gradients below this count as this."""
    return min(1.0, max(64 * fmt.unit_roundoff, 2.0**-14))


def half_ulp(fmt: Format, x: Any) -> Any:
    """Half of the spacing of a normal format's numbers at x."""
    return mp.ldexp(1, int(mp.floor(mp.log(abs(x), 2))) - fmt.precision)


@all_formats
@pytest.mark.parametrize("loss_scale", [1.0, 2.0])
def test_wrong_and_inaccurate_gradient(name: str, loss_scale: float) -> None:
    """At margin 0.5 the gradient is ∓0.378, and everything about it is proportional to the loss scale.

    What the other entry, which is correctly rounded, has no excess of, this one may have: a tenth of the sum of both.
    """
    conditions, fmt = conditions_for(name, "correct", loss_scale), FORMATS[name]
    with mp.workdps(60):
        true = -true_peak(0.5) * loss_scale
        missed, within = float_beyond(fmt, true, mpf(fmt.atol) * loss_scale + mpf(fmt.rtol) * abs(true))
        far, near = float_beyond(fmt, true, max(2 * abs(true), phi(fmt) * loss_scale) / 10 + half_ulp(fmt, true))
    expected: dict[float, FindingKind | None] = {far: K.WRONG_GRADIENT}
    expected |= {entry: K.INACCURATE_GRADIENT for entry in (near, missed) if missed <= entry < far}
    expected |= {entry: None for entry in (near, within) if entry < min(missed, far)}
    got = {entry: kinds_of(conditions, 0.5, gradient=[entry, None]) for entry in expected}
    assert got == {entry: (None, kind) for entry, kind in expected.items()}


@all_formats
def test_small_gradients_count_as_phi(name: str) -> None:
    """At a margin where the norm is below φ, p − 1 rounding to 0 is no failure, and an entry of 0.1·φ beside it is."""
    fmt = FORMATS[name]
    with mp.workdps(60):
        above, below = neighbours(fmt, 0.5, 32.0, lambda t: 2 * true_peak(t) > mpf(phi(fmt)) / 10)
    conditions = conditions_for(name, "correct")
    assert kinds_of(conditions, above, gradient=[0.0, 0.0]) == (None, K.VANISHING_GRADIENT)
    assert kinds_of(conditions, below, gradient=[0.0, 0.0])[1] in (K.INACCURATE_GRADIENT, K.ZEROED_GRADIENT, None)
    assert kinds_of(conditions, below, gradient=[0.0, phi(fmt) / 4])[1] is K.WRONG_GRADIENT


def edge_of_zeroed(fmt: Format, true: Callable[[float], Any]) -> tuple[float, float]:
    """Return the last t of a truth above the smallest normal number, and the next."""
    with mp.workdps(60):
        return neighbours(fmt, fmt.smallest_subnormal, 800.0, lambda t: true(t) > mpf(fmt.smallest_normal))


@pytest.mark.parametrize("name", ["float64", "float32", "bfloat16"])
def test_zeroed_loss(name: str) -> None:
    """Zero is zeroed where the truth is a normal number and does not miss, as in no format of fewer exponents."""
    fmt, conditions = FORMATS[name], conditions_for(name, "correct")
    last, after = edge_of_zeroed(fmt, true_loss)
    assert kinds_of(conditions, last, loss=0.0)[0] is K.ZEROED_LOSS
    assert kinds_of(conditions, after, loss=0.0)[0] is None


@all_formats
def test_zeroed_gradient(name: str) -> None:
    """The same of a gradient, at a loss scale of which the tolerance is a normal number."""
    fmt = FORMATS[name]
    conditions = conditions_for(name, "correct", 16.0 if fmt.bits == 16 else 4.0)
    with mp.workdps(60):
        last, after = edge_of_zeroed(fmt, lambda t: conditions.loss_scale * true_peak(t))
    assert kinds_of(conditions, last, gradient=[0.0, 0.0])[1] is K.ZEROED_GRADIENT
    assert kinds_of(conditions, after, gradient=[0.0, 0.0])[1] is None


def test_an_entry_lost_beside_large_ones_is_not_zeroed() -> None:
    """At margin 17 of float32 an entry is below u times the target's, as 1 − p is where it rounds to 1."""
    fmt = FORMATS["float32"]
    conditions = conditions_for("float32", "correct")
    for z, expected in ((16.0, K.ZEROED_GRADIENT), (18.0, None)):
        cases = Cases(
            positions=np.array([0]),
            logits=np.array([[0.0], [0.0], [-z]], np.float32),
            target=IndexTarget(index=np.array([0])),
        )
        truth = find_truth(conditions, cases, precise=True)
        computed = round_to_format(truth.gradient, fmt)
        computed[2] = 0
        judgement = judge_block(round_to_format(truth.loss, fmt), computed, truth, conditions.limits)
        assert judgement.gradient_codes.tolist() == [0 if expected is None else KINDS.index(expected) + 1], z


@all_formats
def test_underflowing_gradient(name: str) -> None:
    """At loss scale 4 subnormals an entry of 1/4 is the smallest number, and a smaller one is lost to the format."""
    fmt = FORMATS[name]
    conditions = conditions_for(name, "correct", 4 * fmt.smallest_subnormal)
    zero: list[float | None] = [0.0, 0.0]
    with mp.workdps(60):
        kept, lost = neighbours(fmt, 0.5, 4.0, lambda t: true_peak(t) >= mpf(1) / 4)
    assert kinds_of(conditions, kept, gradient=zero)[1] is K.VANISHING_GRADIENT
    assert kinds_of(conditions, lost, gradient=zero)[1] is K.UNDERFLOWING_GRADIENT
    with mp.workdps(60):
        last, after = neighbours(fmt, lost, 32.0, lambda t: 2 * true_peak(t) > mpf(phi(fmt)) / 10)
    assert kinds_of(conditions, last, gradient=zero)[1] is K.UNDERFLOWING_GRADIENT
    assert kinds_of(conditions, after, gradient=zero)[1] is None


@all_formats
def test_flushing_makes_the_smallest_normal_the_smallest_number(name: str) -> None:
    """So the gradient is lost by the format, no formulation, where it is subnormal."""
    fmt = FORMATS[name]
    conditions = replace(conditions_for(name, "correct", 4 * fmt.smallest_normal), flush_subnormals=True)
    with mp.workdps(60):
        kept, lost = neighbours(fmt, 0.5, 4.0, lambda t: true_peak(t) >= mpf(1) / 4)
    zero: list[float | None] = [0.0, 0.0]
    assert kinds_of(conditions, kept, gradient=zero)[1] is K.VANISHING_GRADIENT
    assert kinds_of(conditions, lost, gradient=zero)[1] is K.UNDERFLOWING_GRADIENT


@all_formats
def test_negative_loss(name: str) -> None:
    conditions, fmt = conditions_for(name, "correct"), FORMATS[name]
    t = 3.0 if fmt.bits > 8 else 4.5
    assert kinds_of(conditions, t, loss=-fmt.smallest_subnormal)[0] is K.NEGATIVE_LOSS
    assert kinds_of(conditions, t, loss=-0.0)[0] is not K.NEGATIVE_LOSS
    assert kinds_of(conditions, t, loss=-1.0)[0] is K.WRONG_LOSS


def test_every_kind_is_planted_above() -> None:
    """The names of the tests and of the kinds, so that a new kind asks for its plant."""
    planted = {"overflowing", "nan", "inf", "vanishing", "underflowing", "wrong", "negative", "inaccurate", "zeroed"}
    assert {kind.label.split("-")[0] for kind in KINDS} == planted


def test_tolerances_of_the_request_are_those_of_the_table() -> None:
    """A loss off by 0.08 at margin 3 is inaccurate, and right once atol allows 0.1, or rtol 2; off by 0.2 it stays wrong."""
    conditions = conditions_for("float32", "correct")
    assert kinds_of(conditions, 3.0, loss=0.125)[0] is K.INACCURATE_LOSS
    for looser in (replace(conditions, atol=0.1), replace(conditions, rtol=2.0)):
        assert kinds_of(looser, 3.0, loss=0.125)[0] is None
        assert kinds_of(looser, 3.0, loss=0.25)[0] is K.WRONG_LOSS
