"""Decisions in ball arithmetic agree with the vectorised judge, and what no float64 can tell apart is sent to them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from builders import build_conditions
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import find_truth, make_cases
from cestab.judgement.doubtful import decide_exactly
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import CODES, Limits
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import FloatArray, round_to_format, to_ordinal
from cestab.numerics.target import IndexTarget
from cestab.truth.balls import ExactCase
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

K = FindingKind
NO_FINDING = 0
SOFTMAX = SOFTMAX_CROSS_ENTROPY
SETTINGS = [
    (name, target, classes)
    for name in ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn")
    for target in ("correct", "wrong", "soft:0.9")
    for classes in (2, 4)
]


def conditions_for(name: str, *, target: str, classes: int, loss_scale: float = 1.0) -> Conditions:
    fmt = FORMATS[name]
    return build_conditions(fmt, classes=classes, loss_scale=loss_scale, pattern="margin", target=target)


def cases_at(conditions: Conditions, t: list[float] | FloatArray) -> Cases:
    fmt = conditions.fmt
    return make_cases(conditions, np.unique(to_ordinal(round_to_format(np.array(t), fmt), fmt)))


def exact_case(conditions: Conditions, cases: Cases, case: int) -> ExactCase:
    if isinstance(cases.target, IndexTarget):
        weights = [float(j == cases.target.index[case]) for j in range(conditions.classes)]
    else:
        weights = cases.target.weights[:, case].tolist()
    return ExactCase(
        objective=conditions.objective, logits=cases.logits[:, case].tolist(), weights=weights, upstream=conditions.upstream
    )


@pytest.mark.parametrize(("name", "target", "classes"), SETTINGS)
def test_exact_and_vectorised_decisions_agree_where_nothing_is_in_doubt(name: str, target: str, classes: int) -> None:
    conditions = conditions_for(name, target=target, classes=classes, loss_scale=0.25)
    fmt, limits = conditions.fmt, conditions.limits
    rng = np.random.default_rng(2024)
    cases = cases_at(conditions, np.concatenate((rng.uniform(-20, 20, 60), rng.uniform(-1, 1, 10) * fmt.max, [fmt.max])))
    truth = find_truth(conditions, cases, precise=True)

    def near_threshold(true: FloatArray, floor: FloatArray, far: FloatArray | float) -> FloatArray:
        """Truth, and truth moved by the tolerance or by a tenth times 1 ± a little; some zero, NaN and infinite."""
        miss, distance = floor + limits.rtol * np.abs(true), rng.choice([-1.0, 1.0], true.shape)
        factor = 1 + rng.choice([-1.0, 1.0], true.shape) * 10.0 ** rng.uniform(-8, -1, true.shape)
        moved = [
            true,
            true + distance * factor * miss,
            true + distance * factor * far,
            0 * true,
            0 * true + np.nan,
            distance * np.inf,
        ]
        kinds = rng.choice(len(moved), true.shape, p=[0.4, 0.3, 0.15, 0.09, 0.03, 0.03])
        return np.choose(kinds, moved).astype(fmt.storage)

    with np.errstate(over="ignore"):
        loss = near_threshold(truth.loss, limits.loss_floor(1.0), 0.1 * np.maximum(1.0, truth.loss))
        gradient = near_threshold(truth.gradient, limits.gradient_floor(1.0), 0.1 * limits.upstream)
    judgement = judge_block(loss, gradient, truth, limits)
    compared = 0
    for case in np.flatnonzero(~judgement.doubtful).tolist():
        exact, scale = exact_case(conditions, cases, case), float(truth.gradient_scale[case])
        decision = decide_exactly(exact, float(loss[case]), gradient[:, case], scale, limits)
        assert vars(decision) == {
            "loss_code": judgement.loss_codes[case],
            "gradient_code": judgement.gradient_codes[case],
            "loss_outcome": judgement.loss_outcomes[case],
            "gradient_outcome": judgement.gradient_outcomes[case],
            "is_tie": False,
        }, (cases.logits[:, case], loss[case], gradient[:, case])
        compared += 1
    assert compared > 0.9 * loss.size
    assert len(set(judgement.gradient_codes.tolist())) > 2


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("nudge", [0.0, 2.0**-60, -(2.0**-60)])
def test_a_value_at_its_tolerance_is_in_doubt(name: str, nudge: float) -> None:
    """Atol is put at the error itself, from which it differs by less than 2^-52 of it, or 2^-60."""
    conditions = conditions_for(name, target="wrong", classes=2)
    cases = cases_at(conditions, [1.0, 2.0])
    truth = find_truth(conditions, cases, precise=True)
    loss = (truth.loss + np.array([0.0625, 0.0])).astype(conditions.fmt.storage)
    gradient = truth.gradient.astype(conditions.fmt.storage)
    atol = float(abs(loss[0] - truth.loss[0])) * (1 + nudge)
    limits = replace(conditions.limits, rtol=0.0, atol=atol)
    assert judge_block(loss, gradient, truth, limits).doubtful.tolist() == [True, False]
    gradient[0, 1] += conditions.fmt.storage.type(0.0625)
    atol = float(abs(gradient[0, 1] - truth.gradient[0, 1])) * (1 + nudge)
    limits = replace(conditions.limits, rtol=0.0, atol=atol)
    assert judge_block(truth.loss, gradient, truth, limits).doubtful.tolist() == [False, True]


@pytest.mark.parametrize("name", ["float64", "float32"])
def test_a_value_a_tenth_away_is_in_doubt(name: str) -> None:
    conditions = conditions_for(name, target="correct", classes=2)
    cases = cases_at(conditions, [8.0])
    truth = find_truth(conditions, cases, precise=True)
    right = truth.gradient.astype(conditions.fmt.storage)
    rounding = 2.0 ** (-12 - conditions.fmt.precision)  # half an ulp of the loss, which is 3.35e-4
    tenth = 0.1 + rounding
    for distance, expected in ((tenth, True), (tenth + 2.0**-40, False), (tenth - 2.0**-40, False)):
        judgement = judge_block(truth.loss + distance, right, truth, conditions.limits)
        assert judgement.doubtful.tolist() == [expected], distance


def test_a_gradient_lost_at_the_edge_of_vanishing_is_in_doubt() -> None:
    """All entries 0, a tenth of φ set at the true norm."""
    conditions = conditions_for("float32", target="correct", classes=2)
    cases = cases_at(conditions, [3.0])
    truth = find_truth(conditions, cases, precise=True)
    norm, nothing = float(np.abs(truth.gradient).sum()), np.zeros((2, 1), np.float32)
    for factor, expected in ((1.0, None), (1 + 2.0**-40, K.INACCURATE_GRADIENT), (1 - 2.0**-40, K.VANISHING_GRADIENT)):
        limits = replace(conditions.limits, upstream=norm * factor / (0.1 * 2.0**-14))
        judgement = judge_block(truth.loss, nothing, truth, replace(limits, atol=0.0))
        assert judgement.doubtful.tolist() == [expected is None], factor
        if expected is not None:
            assert judgement.gradient_codes.tolist() == [CODES[expected]], factor


def test_an_infinite_value_at_the_edge_of_the_format_is_in_doubt() -> None:
    """(1 + 4u)·g meets the overflow threshold of float16 within a float64: p is 1 but for exp(−60000)."""
    for factor, expected in ((1.0, None), (1 + 2.0**-40, K.OVERFLOWING_GRADIENT), (1 - 2.0**-40, K.INF_GRADIENT)):
        loss_scale = factor * 65520 / (1 + 2.0**-9)
        conditions = build_conditions(
            FORMATS["float16"], compute=FORMATS["float64"], loss_scale=loss_scale, pattern="margin", target="wrong"
        )
        truth = find_truth(conditions, cases_at(conditions, [60000.0]), precise=True)
        infinite = np.array([[np.inf], [-np.inf]], np.float32)
        judgement = judge_block(truth.loss.astype(np.float32), infinite, truth, conditions.limits)
        assert judgement.doubtful.tolist() == [expected is None]
        if expected is not None:
            assert judgement.gradient_codes.tolist() == [CODES[expected]]


THIRDS = ExactCase(objective=SOFTMAX, logits=[7.0, 7.0, 7.0], weights=[1.0, 0.0, 0.0], upstream=1.0)


def thirds_limits(rtol: float) -> Limits:
    return Limits(fmt=FORMATS["float32"], rtol=rtol, atol=2.0**-5, upstream=1.0)


@pytest.mark.parametrize(
    ("rtol", "is_tie", "code"), [(2.0**-5, True, NO_FINDING), (2.0**-5 - 2.0**-50, False, CODES[K.INACCURATE_GRADIENT])]
)
def test_an_exact_tie_raises_no_finding(rtol: float, is_tie: bool, code: int) -> None:  # noqa: FBT001
    """p = 1/3 and ĝ = 3/8: the error 1/24 equals (1 + 1/3)/32, which balls of no size can tell; with less rtol it misses."""
    gradient = np.array([-2 / 3, 0.375, 1 / 3], dtype=np.float32)
    decision = decide_exactly(THIRDS, math.log(3), gradient, 1.0, thirds_limits(rtol))
    assert (decision.loss_code, decision.gradient_code, decision.is_tie) == (NO_FINDING, code, is_tie)


def test_a_tie_of_the_gradient_leaves_the_loss_its_finding() -> None:
    gradient = np.array([-2 / 3, 0.375, 1 / 3], dtype=np.float32)
    decision = decide_exactly(THIRDS, math.nan, gradient, 1.0, thirds_limits(2.0**-5))
    assert (decision.loss_code, decision.gradient_code, decision.is_tie) == (CODES[K.NAN_LOSS], NO_FINDING, True)


@pytest.mark.parametrize(("loss", "expected"), [(0.1, K.WRONG_LOSS), (math.nextafter(0.1, 0.0), K.INACCURATE_LOSS)])
def test_a_tenth_is_a_tenth_and_no_float(loss: float, expected: FindingKind) -> None:
    """The loss is 3.7e-44; the float 0.1 is 5.6e-18 above a tenth, and what is subtracted from it is less."""
    case = ExactCase(objective=SOFTMAX, logits=[100.0, 0.0], weights=[1.0, 0.0], upstream=1.0)
    limits = Limits(fmt=FORMATS["float64"], rtol=2.0**-40, atol=2.0**-40, upstream=1.0)
    assert decide_exactly(case, loss, None, 1.0, limits).loss_code == CODES[expected]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (math.inf, None),
        (-math.inf, K.INF_LOSS),
        (math.nan, K.NAN_LOSS),
        (3.0e38, K.WRONG_LOSS),
        (0.0, K.WRONG_LOSS),
    ],
)
def test_a_masked_target_has_a_true_loss_of_infinity(loss: float, expected: FindingKind | None) -> None:
    case = ExactCase(objective=SOFTMAX, logits=[0.0, -math.inf], weights=[0.0, 1.0], upstream=1.0)
    gradient = np.array([1.0, -1.0], dtype=np.float32)
    limits = Limits(fmt=FORMATS["float32"], rtol=1.3e-6, atol=1e-5, upstream=1.0)
    decision = decide_exactly(case, loss, gradient, 1.0, limits)
    code = NO_FINDING if expected is None else CODES[expected]
    assert (decision.loss_code, decision.gradient_code, decision.is_tie) == (code, NO_FINDING, False)


def test_the_vectorised_judge_knows_masked_targets() -> None:
    """Label smoothing gives the masked class weight, so that the loss is +inf in truth; inf is right and 9 is not."""
    conditions = build_conditions(
        FORMATS["float32"], pattern="masked", classes=4, target="correct", options=LossOptions(label_smoothing=0.1)
    )
    cases = cases_at(conditions, [3.0])
    truth = find_truth(conditions, cases, precise=False)
    gradient = truth.gradient.astype(np.float32)
    for loss, kind in ((np.inf, None), (9.0, K.WRONG_LOSS), (np.nan, K.NAN_LOSS), (-np.inf, K.INF_LOSS)):
        judgement = judge_block(np.array([loss], np.float32), gradient, truth, conditions.limits)
        code = NO_FINDING if kind is None else CODES[kind]
        assert (judgement.loss_codes.tolist(), judgement.doubtful.tolist()) == ([code], [False])
