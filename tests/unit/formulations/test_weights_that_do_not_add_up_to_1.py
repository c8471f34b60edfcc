"""A dense target of any sum Y: the loss is Σ y·(lse − z), the gradient Y·p − y, in every formulation of the family."""

from dataclasses import replace

import numpy as np
import pytest

import cestab
from cestab.evaluation.blocks import Cases
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import families, find_formulation
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import DenseTarget
from cestab.vocabulary.kinds import Summation, Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY, Z_LOSS
from cestab.vocabulary.requests import Arithmetics

FAMILY = families()[SOFTMAX_CROSS_ENTROPY]


@pytest.mark.parametrize("name", [*FAMILY, "z-loss-log-sum-exp:z_weight=0.01"])
def test_every_formulation_has_the_loss_and_gradient_of_its_weights(name: str) -> None:
    draw = np.random.default_rng(7)
    logits, weights = draw.normal(size=(5, 30)) * 2, draw.random(size=(5, 30)) * 3
    weights[:, 3] = 0.0
    weights[:, 4] = (0.25, 0.25, 0.5, 0.0, 0.0)
    objective = Z_LOSS if name.startswith("z-loss") else SOFTMAX_CROSS_ENTROPY
    conditions = replace(next(plan_arithmetics(Arithmetics(dtypes=("float64",)), objective)), classes=5)
    cases = Cases(positions=np.arange(30), logits=logits, target=DenseTarget(weights=weights))
    loss, gradient = compute_formulation(conditions, find_formulation(name), cases)
    lse = np.log(np.exp(logits).sum(axis=0))
    p, total = np.exp(logits - lse), weights.sum(axis=0)
    expected = total * lse - (weights * logits).sum(axis=0)
    slope = total * p - weights
    if name.startswith("z-loss"):
        expected, slope = expected + 0.01 * lse**2, slope + 0.02 * lse * p
    tolerance = 1e-3 if name.startswith(("clipped", "log-eps")) else 1e-12
    np.testing.assert_allclose(loss, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient, slope, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["log-softmax", "compensated"])
def test_a_case_has_the_same_result_alone_and_beside_others(name: str) -> None:
    """The first label adds up to 1, though to 0.9921875 in sequence in bfloat16; a neighbour of another sum changes nothing."""
    arithmetics = Arithmetics(dtypes=("bfloat16",), summations=(Summation.SEQUENTIAL,))
    conditions = replace(next(plan_arithmetics(arithmetics, SOFTMAX_CROSS_ENTROPY)), classes=10)
    logits = round_to_format(np.random.default_rng(8).normal(size=(10, 3)), conditions.fmt)
    weights = np.full((10, 3), 0.5, dtype=logits.dtype)
    weights[:, 0] = [0.5, *[2.0**-10] * 8, 0.5 - 2.0**-7]
    cases = Cases(positions=np.arange(3), logits=logits, target=DenseTarget(weights=weights))
    together = compute_formulation(conditions, find_formulation(name), cases)
    alone = compute_formulation(conditions, find_formulation(name), cases.select(np.arange(3) == 0))
    for whole, part in zip(together, alone, strict=True):
        assert whole is not None
        assert part is not None
        np.testing.assert_array_equal(whole[..., :1], part)


def test_uniform_labels_of_ten_classes_fail_nowhere_in_bfloat16() -> None:
    """Y is one number, not a sum in the order of `--summation`, which makes 1.0078125 of ten tenths."""
    report = cestab.sweep("compensated", dtypes="bfloat16", targets="uniform", classes=10, summations="sequential")
    assert report.verdict_counts()[Verdict.FAIL] == 0


def test_explain_takes_weights_of_any_sum() -> None:
    """From a public report: PyTorch gives 1.939785 and 0.193176, -0.193176."""
    explanation = cestab.explain("log-softmax", logits=[1, 0], target=[2, 1], dtype="float64")
    assert float(explanation.true_loss) == pytest.approx(1.939785, abs=5e-7)
    assert [float(entry) for entry in explanation.true_gradient] == pytest.approx([0.193176, -0.193176], abs=5e-7)
    assert explanation.outcome.loss.value == pytest.approx(1.939785, abs=5e-7)
    assert explanation.outcome.findings == ()
