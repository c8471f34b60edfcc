"""Tests of the whole judgement: formulations with a planted defect get the finding of that defect, sound ones none."""

from collections.abc import Iterator

import numpy as np
import pytest

from builders import build_conditions
from cestab.evaluation.blocks import Block
from cestab.evaluation.evaluate import evaluate_block
from cestab.formulations.registry import FORMULATIONS, Formulation, Fused, formulation
from cestab.judgement.summary import Summary
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.operations import exp, log, max_over_classes, pick, subtract_target
from cestab.numerics.rounding import FloatArray, round_to_format, to_ordinal
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import IndexTarget, Target
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

SOFTMAX = SOFTMAX_CROSS_ENTROPY
K = FindingKind


def log_probabilities(z: Array) -> Array:
    shifted = z - max_over_classes(z)
    return shifted - log(sum_over_classes(exp(shifted)))


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the recipes of this file for one test."""
    before = dict(FORMULATIONS)
    for recipe in (
        sound,
        flipped_sign,
        no_shift,
        off_by_one,
        no_normalisation,
        no_pick,
        mean_over_classes,
        detached,
        slightly_off,
        sum_of_cases,
    ):
        formulation(SOFTMAX, source="planted")(recipe)
    whole = FORMULATIONS["sound"]
    FORMULATIONS["no-upstream"] = NoUpstream(name="no-upstream", objective=SOFTMAX, recipe=whole.recipe, source="planted")
    added = dict(FORMULATIONS)
    FORMULATIONS.clear()
    FORMULATIONS.update(before)
    for name in added.keys() - before.keys():
        monkeypatch.setitem(FORMULATIONS, name, added[name])
    yield
    monkeypatch.undo()
    assert before == FORMULATIONS, "the registry is as before"


def sound(z: Array, target: Target) -> Fused:
    """nothing wrong with it"""
    log_p = log_probabilities(z)
    return Fused(-pick(log_p, target), subtract_target(exp(log_p), target))


def flipped_sign(z: Array, target: Target) -> Fused:
    """y − p"""
    loss, gradient = sound(z, target)
    return Fused(loss, -gradient)


def no_shift(z: Array, target: Target) -> Fused:
    """no maximum is subtracted"""
    log_p = z - log(sum_over_classes(exp(z)))
    return Fused(-pick(log_p, target), subtract_target(exp(log_p), target))


def off_by_one(z: Array, target: Target) -> Fused:
    """the class after the target's"""
    assert isinstance(target, IndexTarget)
    return sound(z, IndexTarget(index=(target.index + 1) % len(z.value)))


def no_normalisation(z: Array, target: Target) -> Fused:
    """exp(z − m) − y without division by the sum"""
    return Fused(sound(z, target).loss, subtract_target(exp(z - max_over_classes(z)), target))


def no_pick(z: Array, target: Target) -> Fused:
    """the loss is the lse alone"""
    peak = max_over_classes(z)
    return Fused(peak + log(sum_over_classes(exp(z - peak))), sound(z, target).gradient)


def mean_over_classes(z: Array, target: Target) -> Fused:
    """1/classes too much"""
    loss, gradient = sound(z, target)
    return Fused(loss, gradient * (1 / len(z.value)))


def detached(z: Array, target: Target) -> Fused:
    """no gradient reaches the logits"""
    loss, gradient = sound(z, target)
    return Fused(loss, gradient * 0.0)


def slightly_off(z: Array, target: Target) -> Fused:
    """a thousandth too much, in loss and gradient"""
    loss, gradient = sound(z, target)
    return Fused(loss * 1.001, gradient * 1.001)


def sum_of_cases(z: Array, target: Target) -> Fused:
    """the mean over a batch of two forgot its 1/2"""
    loss, gradient = sound(z, target)
    return Fused(loss * 2.0, gradient * 2.0)


class NoUpstream(Formulation):
    """Its backward pass forgets the gradient that comes in."""

    def evaluate(
        self, logits: FloatArray, target: Target, arithmetic: Arithmetic, upstream: float
    ) -> tuple[FloatArray, FloatArray]:
        assert upstream > 0
        return super().evaluate(logits, target, arithmetic, 1.0)


def findings_of(
    name: str, t: FloatArray, *, dtype: str = "float32", loss_scale: float = 1.0, pattern: str = "spread"
) -> set[FindingKind]:
    fmt = FORMATS[dtype]
    conditions = build_conditions(fmt, classes=3, loss_scale=loss_scale, pattern=pattern, target="wrong")
    ordinals = np.unique(to_ordinal(round_to_format(t, fmt), fmt))
    summary = evaluate_block(Block(conditions=conditions, formulations=(name,), ordinals=ordinals))[name]
    assert isinstance(summary, Summary)
    return set(summary.tallies)


MODERATE = np.linspace(0.25, 4.0, 33)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flipped-sign", {K.WRONG_GRADIENT}),
        ("off-by-one", {K.WRONG_LOSS, K.WRONG_GRADIENT}),
        ("no-normalisation", {K.WRONG_GRADIENT, K.INACCURATE_GRADIENT}),
        ("no-pick", {K.WRONG_LOSS}),
        ("mean-over-classes", {K.WRONG_GRADIENT}),
        ("detached", {K.VANISHING_GRADIENT}),
        ("sum-of-cases", {K.WRONG_LOSS, K.WRONG_GRADIENT}),
        ("no-shift", set()),
        ("no-upstream", set()),
        ("sound", set()),
    ],
)
def test_a_defect_gets_its_findings_and_no_other(name: str, expected: set[FindingKind], dtype: str) -> None:
    assert findings_of(name, MODERATE, dtype=dtype) == expected


def test_a_thousandth_is_inaccurate_in_float32_and_nothing_at_all_in_bfloat16() -> None:
    """There 1.001 is 1."""
    assert findings_of("slightly-off", MODERATE) == {K.INACCURATE_LOSS, K.INACCURATE_GRADIENT}
    assert findings_of("slightly-off", MODERATE, dtype="bfloat16") == findings_of("sound", MODERATE, dtype="bfloat16")


@pytest.mark.parametrize("loss_scale", [8.0, 0.125])
def test_an_ignored_upstream_gradient_is_wrong(loss_scale: float) -> None:
    assert findings_of("no-upstream", MODERATE, loss_scale=loss_scale) == {K.WRONG_GRADIENT}
    assert findings_of("sound", MODERATE, loss_scale=loss_scale) == set()


def test_a_missing_shift_shows_once_exp_overflows() -> None:
    large = np.linspace(100.0, 1000.0, 20)
    assert findings_of("no-shift", large, pattern="equal") == {K.INF_LOSS, K.WRONG_GRADIENT}
    assert findings_of("sound", large, pattern="equal") == set()
