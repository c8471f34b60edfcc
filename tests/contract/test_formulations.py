"""Laws that every registered formulation keeps on benign logits, whatever its recipe."""

from collections.abc import Iterator

import numpy as np
import pytest

from builders import build_conditions
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import find_truth, settle
from cestab.formulations import FORMULATIONS, Formulation, find_formulation
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.objectives import SOFTMAX_MEAN_SQUARED_ERROR, Z_LOSS

CASES = 64
WIDE_FORMATS = ["float32", "float64"]
OP_BY_OP = 64  # a gradient entry of any recipe is at most about 30 rounded operations away from p − y, each below 1


def without_bias(name: str) -> str:
    """The formulation with an eps far below every tolerance, as its default is a bias of its own."""
    return f"{name}:eps=1e-14" if "eps" in FORMULATIONS[name].defaults() else name


CLASS_NAMES = [without_bias(name) for name, f in FORMULATIONS.items() if not f.objective.is_binary]
BINARY_NAMES = [without_bias(name) for name, f in FORMULATIONS.items() if f.objective.is_binary]
SHIFTABLE_NAMES = [name for name in CLASS_NAMES if find_formulation(name).objective is not Z_LOSS]
# 1/K of the mean counts masked classes, too
MASKABLE_NAMES = [name for name in CLASS_NAMES if find_formulation(name).objective is not SOFTMAX_MEAN_SQUARED_ERROR]
# in DESIGN's words, log takes the whole vector: 0·(1/0) of a masked class is NaN
LOG_OF_EVERY_CLASS = {"naive", "softmax-log", "focal-naive"}


def conditions_for(name: str, fmt: Format, classes: int, loss_scale: float = 1.0) -> Conditions:
    formulation = find_formulation(name)
    return build_conditions(
        fmt, objective=formulation.objective, classes=classes, loss_scale=loss_scale, options=formulation.options
    )


def logits_of(fmt: Format, classes: int, *, seed: int = 12) -> FloatArray:
    """Standard normal, held within ±2; multiples of 1/64, so that narrow formats hold them nearly and shifts are exact."""
    drawn = np.clip(np.random.default_rng(seed).standard_normal((classes, CASES)), -2, 2)
    return round_to_format(np.round(drawn * 64) / 64, fmt)


def targets_of(fmt: Format, classes: int) -> Iterator[Target]:
    rng = np.random.default_rng(13)
    index = rng.integers(classes, size=CASES)
    yield IndexTarget(index=index)
    yield DenseTarget(weights=np.eye(classes)[:, index].astype(fmt.storage))
    yield DenseTarget(weights=round_to_format(rng.dirichlet(np.ones(classes), CASES).T, fmt))


def run(name: str, logits: FloatArray, target: Target, fmt: Format, loss_scale: float = 1.0) -> tuple[FloatArray, FloatArray]:
    cases = Cases(positions=np.arange(logits.shape[1]), logits=logits, target=target)
    return compute_formulation(conditions_for(name, fmt, len(logits), loss_scale), find_formulation(name), cases)


def kinds_seen(name: str, logits: FloatArray, target: Target, fmt: Format, loss_scale: float) -> set[FindingKind]:
    conditions = conditions_for(name, fmt, len(logits), loss_scale)
    cases = Cases(positions=np.arange(logits.shape[1]), logits=logits, target=target)
    loss, gradient = compute_formulation(conditions, find_formulation(name), cases)
    judgement = judge_block(loss, gradient, find_truth(conditions, cases, precise=True), conditions.limits)
    settle(conditions, cases, (loss, gradient), judgement, judge_block)
    assert np.all(judgement.loss_ulps < np.inf)
    return {KINDS[code - 1] for code in {*judgement.loss_codes.tolist(), *judgement.gradient_codes.tolist()} - {0}}


@pytest.mark.parametrize("name", CLASS_NAMES)
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("loss_scale", [1.0, 128.0])
def test_softmax_formulations_are_right_on_benign_logits(name: str, dtype: str, classes: int, loss_scale: float) -> None:
    fmt = FORMATS[dtype]
    for target in targets_of(fmt, classes):
        assert kinds_seen(name, logits_of(fmt, classes), target, fmt, loss_scale) == set()


@pytest.mark.parametrize("name", BINARY_NAMES)
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
@pytest.mark.parametrize("label", [0.0, 0.25, 1.0])
def test_binary_formulations_are_right_on_benign_logits(name: str, dtype: str, label: float) -> None:
    fmt = FORMATS[dtype]
    target = DenseTarget(weights=np.full((1, CASES), label, dtype=fmt.storage))
    assert kinds_seen(name, logits_of(fmt, 1), target, fmt, 1.0) == set()


@pytest.mark.parametrize("formulation", FORMULATIONS.values(), ids=lambda f: f.name)
@pytest.mark.parametrize("dtype", FORMATS)
def test_results_are_numbers_of_the_format_one_loss_a_case(formulation: Formulation, dtype: str) -> None:
    fmt = FORMATS[dtype]
    classes = 1 if formulation.objective.is_binary else 5
    logits = logits_of(fmt, classes)
    kept = logits.copy()
    labels = DenseTarget(weights=np.full((1, CASES), 0.25, dtype=fmt.storage))
    for target in [labels] if formulation.objective.is_binary else targets_of(fmt, classes):
        loss, gradient = run(formulation.name, logits, target, fmt)
        assert (loss.shape, gradient.shape) == ((CASES,), (classes, CASES))
        for values in (loss, gradient):
            assert values.dtype == fmt.storage
            np.testing.assert_array_equal(values, round_to_format(values, fmt))
    np.testing.assert_array_equal(logits, kept, err_msg="the logits were written to")


@pytest.mark.parametrize("name", SHIFTABLE_NAMES)
@pytest.mark.parametrize("dtype", [*WIDE_FORMATS, "float16"])
@pytest.mark.parametrize("classes", [2, 5])
def test_gradient_entries_of_an_index_target_sum_to_0(name: str, dtype: str, classes: int) -> None:
    fmt = FORMATS[dtype]
    _, gradient = run(
        name.partition(":")[0] if fmt.is_narrow else name, logits_of(fmt, classes), next(targets_of(fmt, classes)), fmt
    )
    assert np.abs(gradient.astype(np.float64).sum(axis=0)).max() <= OP_BY_OP * fmt.unit_roundoff
    assert np.median(np.abs(gradient).max(axis=0)) > 0.01, "nothing is learnt from zeros"


@pytest.mark.parametrize("name", CLASS_NAMES)
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
def test_a_permutation_of_classes_permutes_the_gradient(name: str, dtype: str) -> None:
    fmt, order = FORMATS[dtype], np.array([3, 0, 4, 1, 2])
    logits, tolerance = logits_of(fmt, 5), OP_BY_OP * fmt.unit_roundoff
    for target in targets_of(fmt, 5):
        moved = (
            IndexTarget(index=np.argsort(order)[target.index])
            if isinstance(target, IndexTarget)
            else DenseTarget(weights=target.weights[order])
        )
        loss, gradient = run(name, logits, target, fmt)
        other_loss, other_gradient = run(name, np.ascontiguousarray(logits[order]), moved, fmt)
        np.testing.assert_allclose(other_loss, loss, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(other_gradient, gradient[order], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", SHIFTABLE_NAMES)
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
@pytest.mark.parametrize("shift", [-8.0, 3.0])
def test_a_shift_of_all_logits_changes_nothing(name: str, dtype: str, shift: float) -> None:
    """L(z + c) = L(z), exact shifts; recipes without a maximum round at the size of the logits, ≤ 10, instead."""
    fmt = FORMATS[dtype]
    logits, tolerance = logits_of(fmt, 5), 10 * OP_BY_OP * fmt.unit_roundoff
    shifted = (logits + fmt.storage.type(shift)).astype(fmt.storage)
    np.testing.assert_array_equal(shifted - fmt.storage.type(shift), logits)
    for target in targets_of(fmt, 5):
        for moved, still in zip(run(name, shifted, target, fmt), run(name, logits, target, fmt), strict=True):
            np.testing.assert_allclose(moved, still, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", MASKABLE_NAMES)
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
@pytest.mark.parametrize("place", [0, 4])
def test_a_masked_class_gets_no_gradient(name: str, dtype: str, place: int) -> None:
    fmt = FORMATS[dtype]
    logits = logits_of(fmt, 5)
    logits[place] = -np.inf
    index = np.where(np.arange(CASES) % 2, 1, 3)
    loss, gradient = run(name, logits, IndexTarget(index=index), fmt)
    rest = np.delete(logits, place, axis=0)
    other_loss, other_gradient = run(name, rest, IndexTarget(index=index - (index > place)), fmt)
    tolerance = OP_BY_OP * fmt.unit_roundoff
    np.testing.assert_allclose(loss, other_loss, rtol=tolerance)
    if name in LOG_OF_EVERY_CLASS:
        assert np.isnan(gradient[place]).all()
    else:
        assert not gradient[place].any()
        np.testing.assert_allclose(np.delete(gradient, place, axis=0), other_gradient, rtol=0, atol=tolerance)


@pytest.mark.parametrize("chunk", [1, 2, 3, 128])
@pytest.mark.parametrize("dtype", WIDE_FORMATS)
@pytest.mark.parametrize("masked", [slice(0, 0), slice(0, 3), slice(3, 6), slice(6, 7)])
def test_online_agrees_with_log_sum_exp_whatever_the_chunks(chunk: int, dtype: str, masked: slice) -> None:
    """Chunks that are masked everywhere included, the first, a middle and the last one."""
    fmt = FORMATS[dtype]
    logits = 8 * logits_of(fmt, 7)
    logits[masked] = -np.inf
    unmasked = np.setdiff1d(np.arange(7), np.arange(7)[masked])
    target = IndexTarget(index=unmasked[np.arange(CASES) % unmasked.size])
    online, whole = run(f"online:chunk={chunk}", logits, target, fmt), run("log-sum-exp", logits, target, fmt)
    for got, expected in zip(online, whole, strict=True):
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, expected, rtol=0, atol=32 * OP_BY_OP * fmt.unit_roundoff)
