"""Defects planted into correctly rounded results, in every format and objective.

Each is found wherever it leaves the tolerances of DESIGN's table, and spared elsewhere. Where that is, the table in mpmath
says, which gets the true values from balls.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from builders import build_conditions
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import exact_case, find_truth, settle
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.truth.balls import enclose, precision
from cestab.vocabulary.kinds import FindingKind, Severity
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
    Objective,
)
from decision_table import Table

pytestmark = pytest.mark.thorough
K = FindingKind
ALLOWED = {K.OVERFLOWING_LOSS, K.OVERFLOWING_GRADIENT, K.UNDERFLOWING_GRADIENT}  # by the format, of right results too
BITS = 2400
MAGNITUDES = [0.0, 2.0**-9, 0.25, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 17.0, 30.0, 60.0, 100.0, 1000.0, 9984.0]
OPTIONS = {FOCAL_LOSS: LossOptions(gamma=2.0), Z_LOSS: LossOptions(z_weight=1e-4)}
OBJECTIVES = [
    SOFTMAX_CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    Z_LOSS,
    SOFTMAX_MEAN_SQUARED_ERROR,
    SIGMOID_MEAN_SQUARED_ERROR,
]
Logits = list[float]
OF_SOFTMAX = ("lse minus z", "p minus 1", "narrow sum", "no maximum")


@dataclass(frozen=True, kw_only=True)
class Right:
    """A case with its correctly rounded loss and gradient, and the gradient of another label."""

    fmt: Format
    z: Logits
    label: int
    loss: float
    gradient: FloatArray
    other: FloatArray

    def round(self, x: Any) -> FloatArray:
        return round_to_format(np.atleast_1d(np.asarray(x, dtype=np.float64)), self.fmt)


def take_probabilities(right: Right, e: FloatArray, total: FloatArray) -> FloatArray:
    """Return e/Σ less the one-hot label, rounded after each operation."""
    gradient = right.round(e / total)
    gradient[right.label] = right.round(gradient[right.label] - 1.0)[0]
    return gradient


def plant_nothing(right: Right) -> tuple[float, FloatArray]:
    return right.loss, right.gradient


def plant_negated(right: Right) -> tuple[float, FloatArray]:
    return right.loss, -right.gradient


def plant_doubled(right: Right) -> tuple[float, FloatArray]:
    return right.loss, right.round(2.0 * right.gradient)


def plant_zero(right: Right) -> tuple[float, FloatArray]:
    return right.loss, 0.0 * right.gradient


def plant_permuted(right: Right) -> tuple[float, FloatArray]:
    return right.loss, np.roll(right.gradient, 1)


def plant_another_label(right: Right) -> tuple[float, FloatArray]:
    return right.loss, right.other


def plant_one_entry_0(right: Right) -> tuple[float, FloatArray]:
    largest = np.argmax(np.abs(right.gradient))
    return right.loss, np.where(np.arange(right.gradient.size) == largest, 0.0, right.gradient)


def plant_lse_minus_z(right: Right) -> tuple[float, FloatArray]:
    peak = max(right.z)
    lse = right.round(peak + math.log(math.fsum(math.exp(x - peak) for x in right.z)))
    return float(right.round(lse - right.z[right.label])[0]), right.gradient


def plant_p_minus_1(right: Right) -> tuple[float, FloatArray]:
    gradient = right.gradient.copy()
    gradient[right.label] = right.round(right.round(1.0 + gradient[right.label]) - 1.0)[0]
    return right.loss, gradient


def plant_narrow_sum(right: Right) -> tuple[float, FloatArray]:
    e = right.round(np.exp(np.array(right.z) - max(right.z)))
    total: FloatArray = np.zeros(1)
    for x in e:
        total = right.round(total + x)
    return right.loss, take_probabilities(right, e, total)


def plant_no_maximum(right: Right) -> tuple[float, FloatArray]:
    with np.errstate(all="ignore"):
        e = right.round(np.exp(np.array(right.z)))
        total = right.round(np.sum(e, dtype=np.float64))
        return float(right.round(np.log(total) - right.z[right.label])[0]), take_probabilities(right, e, total)


PLANTS = {name.removeprefix("plant_").replace("_", " "): make for name, make in list(globals().items()) if name[:6] == "plant_"}


def true_values(conditions: Conditions, cases: Cases) -> tuple[Any, list[Any]]:
    """Loss and gradient of the only case, mpf of 2400 bits."""
    with precision(BITS):
        ball = enclose(exact_case(conditions, cases, 0))
        assert ball.loss is not None
        numbers = [(int(m), int(e)) for m, e in (x.mid().man_exp() for x in (ball.loss, *ball.gradient))]
    loss, *gradient = (mp.ldexp(m, e) for m, e in numbers)
    return loss, gradient


def gradient_scale(objective: Objective, z: Logits) -> Any:
    """The s of DESIGN, for labels of weight 1."""
    scales = {
        Z_LOSS: 1 + 2 * mpf(1e-4) * max(abs(x) for x in z),
        SOFTMAX_MEAN_SQUARED_ERROR: mpf(1) / len(z),
        SIGMOID_MEAN_SQUARED_ERROR: mpf(1) / 4,
    }
    return scales.get(objective, mpf(1))


def case_of(objective: Objective, z: Logits, label: int, fmt: Format) -> Cases:
    logits = np.array(z, dtype=fmt.storage).reshape(-1, 1)
    target = DenseTarget(weights=np.full((1, 1), float(label))) if objective.is_binary else IndexTarget(index=np.array([label]))
    return Cases(positions=np.array([0]), logits=logits, target=target)


def judged(conditions: Conditions, cases: Cases, loss: float, gradient: FloatArray) -> list[FindingKind | None]:
    results = np.array([loss], dtype=conditions.fmt.storage), gradient.astype(conditions.fmt.storage).reshape(-1, 1)
    truth = find_truth(conditions, cases, precise=True)
    judgement = judge_block(*results, truth, conditions.limits)
    settle(conditions, cases, results, judgement, judge_block)
    codes = int(judgement.loss_codes[0]), int(judgement.gradient_codes[0])
    return [KINDS[code - 1] if code else None for code in codes]


def cases_of(objective: Objective, fmt: Format, classes: int) -> Iterator[tuple[float, Logits, int]]:
    """Margins of both signs within the format, with the label of the largest logit and of the smallest."""
    for magnitude in MAGNITUDES:
        t = float(round_to_format(np.array([min(magnitude, fmt.max)]), fmt)[0])
        for signed in {t, -t}:
            z = [signed] + [0.0] * (classes - 1)
            labels = (0, 1) if objective.is_binary else (0, classes - 1)
            yield from ((signed, z, label) for label in labels)


def is_failure(kinds: list[FindingKind | None]) -> bool:
    return any(kind is not None and kind.severity is Severity.FAIL for kind in kinds)


def tally(objective: Objective, fmt: Format, classes: int) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how often each defect was tried, found, and failed at |t| ≤ 3; every case agrees with the table."""
    tried, found, failed_near_0 = Counter[str](), Counter[str](), Counter[str]()
    conditions = build_conditions(
        fmt, objective=objective, classes=classes, pattern="margin", options=OPTIONS.get(objective, LossOptions())
    )
    for t, z, label in cases_of(objective, fmt, classes):
        cases, other = (case_of(objective, z, each, fmt) for each in (label, 1 - label if classes <= 2 else label - 1))
        with mp.workprec(BITS):
            loss, gradient = true_values(conditions, cases)
            _, other_gradient = true_values(conditions, other)
            rounded, other_rounded, rounded_loss = (
                round_to_format(np.array([float(x) for x in values]), fmt) for values in (gradient, other_gradient, [loss])
            )
            right = Right(fmt=fmt, z=z, label=label, loss=float(rounded_loss[0]), gradient=rounded, other=other_rounded)
            table = Table(conditions, gradient_scale(objective, z))
            for name, make in PLANTS.items():
                if name in OF_SOFTMAX and objective is not SOFTMAX_CROSS_ENTROPY:
                    continue
                planted = make(right)
                expected = [
                    next(iter(table.loss_kinds(planted[0], loss)), None),
                    next(iter(table.gradient_kinds(planted[1].tolist(), gradient)), None),
                ]
                assert judged(conditions, cases, *planted) == expected, (name, t, label, planted)
                tried[name] += 1
                found[name] += bool({*expected} - {None, *ALLOWED})
                failed_near_0[name] += abs(t) <= 3 and is_failure(expected)
    return tried, found, failed_near_0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_defects_are_found_where_they_leave_the_tolerances(name: str, objective: Objective) -> None:
    tried, found, failed_near_0 = tally(objective, FORMATS[name], 1 if objective.is_binary else 2)
    print(f"\n{name}, {objective}: found of tried", {plant: f"{found[plant]}/{n}" for plant, n in tried.items()})
    assert found["nothing"] == 0, "right results are spared"
    if FORMATS[name].bits > 8 and not objective.is_binary:
        for defect in ("negated", "doubled", "zero", "permuted"):
            assert failed_near_0[defect] >= 10, (defect, "found near 0, where gradients are largest")


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_in_16_bits_with_1000_classes_they_always_are(name: str) -> None:
    """A sum of 1,000 ones stays 256 in bfloat16; in float16 it is right, and what is wrong is lost among 1,000 entries."""
    tried, found, failed_near_0 = tally(SOFTMAX_CROSS_ENTROPY, FORMATS[name], 1000)
    print(f"\n{name}: found of tried", {plant: f"{found[plant]}/{n}" for plant, n in tried.items()})
    assert found["nothing"] == 0
    for defect in ("negated", "doubled", "zero", "permuted", "another label", "one entry 0"):
        assert failed_near_0[defect] == 22, defect
    assert failed_near_0["narrow sum"] == (22 if name == "bfloat16" else 0)
