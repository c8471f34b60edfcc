"""Agreement of two formulations against counts made case by case with exact fractions, and in any order of blocks."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from flint import arb, ctx

from cestab.commands.compare.agreement import Pair, compare_block
from cestab.commands.resolve import make_arithmetics
from cestab.evaluation.blocks import Block, Conditions
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import case_weights, make_cases
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import find_formulation
from cestab.numerics.rounding import IntArray, to_ordinal
from cestab.truth.balls import ExactCase, enclose
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

NAMES = ("naive", "log-sum-exp", "compensated")


def make_conditions(dtype: str, pattern: str, target: str) -> Conditions:
    plain = next(plan_arithmetics(make_arithmetics({"dtypes": dtype}), SOFTMAX_CROSS_ENTROPY))
    return replace(plain, pattern=pattern, classes=3, target=target)


def ordinals_of(conditions: Conditions) -> IntArray:
    chosen = np.array([-200.0, -30.0, -1.0, 0.0, 0.5, 3.0, 12.0, 60.0, 90.0, 300.0, 4000.0])
    return np.unique(to_ordinal(chosen.astype(conditions.fmt.dtype).astype(conditions.fmt.storage), conditions.fmt))


def distance_from(values: list[float], truth: list[arb]) -> float:
    """Return the largest |x̂ − x| of a case, inf where something is not finite and should be."""
    worst = 0.0
    for value, exact in zip(values, truth, strict=True):
        worst = max(worst, float(abs(arb(value) - exact).mid()) if math.isfinite(value) else math.inf)
    return worst


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("pattern", ["margin", "offset"])
@pytest.mark.parametrize("target", ["correct", "wrong", "smooth:0.1"])
def test_counts_are_those_of_exact_arithmetic(dtype: str, pattern: str, target: str) -> None:
    conditions = make_conditions(dtype, pattern, target)
    ordinals = ordinals_of(conditions)
    cases = make_cases(conditions, ordinals)
    computed = {name: compute_formulation(conditions, find_formulation(name), cases) for name in NAMES}
    _, pairs = compare_block(Block(conditions=conditions, formulations=NAMES, ordinals=ordinals), NAMES[0])
    for name in NAMES[1:]:
        nearer = {"loss": [0, 0], "gradient": [0, 0]}
        for case in range(cases.positions.size):
            exact = ExactCase(
                objective=conditions.objective,
                logits=cases.logits[:, case].tolist(),
                weights=case_weights(cases.target, case, 3),
                upstream=conditions.upstream,
            )
            with ctx.workprec(2000):
                ball = enclose(exact)
                assert ball.loss is not None
                for part, truth in (("loss", [ball.loss]), ("gradient", ball.gradient)):
                    errors = []
                    for one in (NAMES[0], name):
                        loss, gradient = computed[one]
                        values = [float(loss[case])] if part == "loss" else gradient[:, case].tolist()
                        errors.append(distance_from(values, truth))
                    nearer[part][0] += errors[0] < errors[1]
                    nearer[part][1] += errors[1] < errors[0]
        for part in ("loss", "gradient"):
            tally = getattr(pairs[name], part)
            assert tally.cases == cases.positions.size
            assert [tally.nearer_reference, tally.nearer_other] == nearer[part], (name, part)


def test_nan_equals_nan_and_0_equals_minus_0() -> None:
    conditions = make_conditions("float32", "margin", "wrong")
    ordinals = ordinals_of(conditions)
    cases = make_cases(conditions, ordinals)
    _, pairs = compare_block(
        Block(conditions=conditions, formulations=("naive", "naive:", "log-sum-exp"), ordinals=ordinals), "naive"
    )
    loss, gradient = compute_formulation(conditions, find_formulation("naive"), cases)
    assert np.isnan(gradient).any()
    assert pairs["naive:"].loss.equal == pairs["naive:"].gradient.equal == cases.positions.size
    other_loss, other_gradient = compute_formulation(conditions, find_formulation("log-sum-exp"), cases)
    same = [np.array_equal(loss[i], other_loss[i], equal_nan=True) for i in range(cases.positions.size)]
    assert pairs["log-sum-exp"].loss.equal == sum(same)
    same = [np.array_equal(gradient[:, i], other_gradient[:, i], equal_nan=True) for i in range(cases.positions.size)]
    assert pairs["log-sum-exp"].gradient.equal == sum(same) < cases.positions.size


def test_the_distance_is_in_ulps_of_the_truth() -> None:
    conditions = make_conditions("float32", "offset", "correct")
    at = to_ordinal(np.array([2.0**24]), conditions.fmt)
    _, pairs = compare_block(
        Block(conditions=conditions, formulations=("log-sum-exp", "compensated"), ordinals=at), "log-sum-exp"
    )
    distance = pairs["compensated"].loss.place(conditions).distance
    assert distance is not None
    assert distance.value == 2.0**24
    # logits 2^24, 2^24 − 1, 2^24 − 2: log-sum-exp gives 0, truth is log(1 + e^-1 + e^-2) = 0.4076, whose ulp is 2^-25
    assert distance.ulps == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)) * 2**25, rel=1e-6)


def test_blocks_merge_in_any_order() -> None:
    conditions = make_conditions("float16", "margin", "wrong")
    ordinals = np.arange(-600, 20_000, 37)
    _, whole = compare_block(Block(conditions=conditions, formulations=NAMES, ordinals=ordinals), NAMES[0])
    cuts = [0, 100, 101, 350, ordinals.size]
    parts = [
        compare_block(Block(conditions=conditions, formulations=NAMES, ordinals=ordinals[a:b]), NAMES[0])[1]
        for a, b in pairwise(cuts)
    ]
    for order in (parts, parts[::-1], parts[2:] + parts[:2]):
        for name in NAMES[1:]:
            merged = Pair()
            for part in order:
                merged = merged.merge(part[name])
            assert merged == whole[name]
