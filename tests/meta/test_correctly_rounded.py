"""Tests of the judge: results that are the truth, correctly rounded, get nothing but under- and overflow kinds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from builders import build_conditions
from cestab.cases.patterns import PATTERNS
from cestab.cases.target_kinds import TARGET_KINDS
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import exact_case, find_truth, make_cases, settle
from cestab.judgement.judge import judge_block
from cestab.judgement.rules import KINDS, Bools, Doubles, any_class
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, IntArray, round_quotient, round_to_format, to_ordinal
from cestab.truth.balls import enclose, precision
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions, Reduction
from cestab.vocabulary.objectives import (
    BINARY_CROSS_ENTROPY,
    FOCAL_LOSS,
    SIGMOID_MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_MEAN_SQUARED_ERROR,
    Z_LOSS,
    Objective,
)

pytestmark = pytest.mark.thorough
K = FindingKind
ALLOWED = {K.OVERFLOWING_LOSS, K.OVERFLOWING_GRADIENT, K.UNDERFLOWING_GRADIENT}
SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
TARGETS = [
    f"{kind.name}:{'0.9' if kind.name == 'soft' else '0.1'}" if kind.has_number else kind.name for kind in TARGET_KINDS.values()
]
LOSS_SCALES = (1.0, 2.0**-10, 2.0**10, 2.0**-20, 65536.0)
MOST_VAGUE, BITS = 20, 2400  # the smallest float64 is 2^-1074
SATURATING = [name for name, fmt in FORMATS.items() if not fmt.has_infinity]
# 8-bit formats have at most 256 magnitudes; the 126 to 168 settings of the others make up the millions
MAGNITUDES = {"float64": 150, "float32": 5000, "float16": 5000, "bfloat16": 5000}


def ordinals_of(fmt: Format, rng: np.random.Generator, count: int) -> IntArray:
    """Every float of an 8-bit format; else half of them near 0 up to 40, half from all floats, with the ends."""
    top = int(to_ordinal(fmt.max, fmt))
    if fmt.bits <= 8:
        return np.arange(-top, top + 1)
    near = to_ordinal(round_to_format(rng.uniform(-40, 40, count // 2), fmt), fmt)
    anywhere = rng.integers(-top, top, count // 2, endpoint=True)
    return np.unique(np.concatenate((near, anywhere, [-top, -1, 0, 1, top])))


def conditions_of(
    fmt: Format, objective: Objective, options: LossOptions = NO_OPTIONS, scales: tuple[float, ...] = LOSS_SCALES
) -> Iterator[Conditions]:
    scales = tuple(s for s in scales if 0 < round_quotient(s, options.divisor, fmt) <= fmt.max)
    unmasked = [p.name for p in PATTERNS.values() if fmt.has_infinity or not p.is_masking]
    patterns = ["margin"] if objective.is_binary else unmasked
    targets = ["correct", "wrong", "soft:0.3", "soft:1.0"] if objective.is_binary else TARGETS
    if options.ignore_index is not None:
        targets = ["correct", "wrong"]
    for pattern, target, loss_scale in product(patterns, targets, scales):
        yield build_conditions(
            fmt,
            objective=objective,
            classes=1 if objective.is_binary else 2,
            loss_scale=loss_scale,
            pattern=pattern,
            target=target,
            seed=1,
            options=options,
        )


def round_correctly(x: FloatArray, fmt: Format, *, saturate: bool) -> FloatArray:
    rounded = round_to_format(x, fmt)
    if saturate:
        rounded = np.where(np.isnan(rounded), np.copysign(fmt.max, x), rounded).astype(fmt.storage)
    return rounded


def find_vague(truth: Truth) -> Bools:
    """Whether only balls tell the loss or the gradient of a case."""
    if truth.vague is None or truth.loss_vague is None:
        return np.zeros(truth.loss.shape, dtype=np.bool_)
    return any_class(truth.vague) | truth.loss_vague


def enclose_vague(conditions: Conditions, cases: Cases, truth: Truth) -> tuple[Doubles, Doubles]:
    """Return the true losses and gradients, in balls where they cancel by more than quadruple precision holds."""
    loss, gradient = truth.loss.copy(), truth.gradient.copy()
    for case in np.flatnonzero(find_vague(truth)).tolist():
        with precision(BITS):
            ball = enclose(exact_case(conditions, cases, case))
            gradient[:, case] = [float(entry) for entry in ball.gradient]
            loss[case] = np.inf if ball.loss is None else float(ball.loss)
    return loss, gradient


def kinds_of(conditions: Conditions, cases: Cases, *, saturate: bool) -> Counter[FindingKind]:
    truth = find_truth(conditions, cases, precise=True)
    is_vague = find_vague(truth)
    cases = cases.select(~is_vague | (np.cumsum(is_vague) <= MOST_VAGUE))  # a ball takes a thousand times as long
    truth = find_truth(conditions, cases, precise=True)
    with np.errstate(all="ignore"):
        loss, gradient = (
            round_correctly(x, conditions.fmt, saturate=saturate) for x in enclose_vague(conditions, cases, truth)
        )
    judgement = judge_block(loss, gradient, truth, conditions.limits)
    settle(conditions, cases, (loss, gradient), judgement, judge_block)
    codes = np.bincount(np.concatenate((judgement.loss_codes, judgement.gradient_codes)), minlength=len(KINDS) + 1)
    return Counter({kind: int(n) for kind, n in zip(KINDS, codes[1:], strict=True) if n})


@pytest.fixture(scope="module")
def judged() -> Iterator[Counter[str]]:
    """Results judged so far, by format; the sum is told at the end."""
    counts: Counter[str] = Counter()
    yield counts
    print(f"\n{counts.total()} correctly rounded results:", dict(counts))


@pytest.mark.parametrize(("name", "saturate"), [*((n, False) for n in FORMATS), *((n, True) for n in SATURATING)])
@pytest.mark.parametrize("objective", [SOFTMAX, BINARY])
def test_correctly_rounded_results_only_under_and_overflow(
    name: str,
    saturate: bool,  # noqa: FBT001
    objective: Objective,
    judged: Counter[str],
) -> None:
    fmt, rng = FORMATS[name], np.random.default_rng(31)
    seen: Counter[FindingKind] = Counter()
    for conditions in conditions_of(fmt, objective):
        cases = make_cases(conditions, ordinals_of(fmt, rng, MAGNITUDES.get(name, 256)))
        kinds = kinds_of(conditions, cases, saturate=saturate)
        assert not set(kinds) - ALLOWED, (kinds, conditions)
        seen += kinds
        judged[name] += 2 * cases.positions.size  # one result is a loss or a gradient
    if objective is SOFTMAX and fmt.max > 2**15:
        assert K.OVERFLOWING_LOSS in seen, "the largest logits must be among the cases"


SUM = {"batch": 6, "reduction": Reduction.SUM}
OPTIONS: list[tuple[Objective, dict[str, Any]]] = [
    (SOFTMAX, {"label_smoothing": 0.1}),
    (SOFTMAX, {"class_weights": (3.0, 0.25), **SUM}),
    (SOFTMAX, {"class_weights": (8.0, 0.5), "label_smoothing": 0.25, "batch": 3}),
    (SOFTMAX, {"ignore_index": 1, "batch": 5}),
    (BINARY, {"label_smoothing": 0.1, "class_weights": (5.0,), **SUM}),
    (FOCAL_LOSS, {"gamma": 2.0}),
    (FOCAL_LOSS, {"gamma": 0.5, **SUM}),
    (FOCAL_LOSS, {"gamma": 8.0}),
    (Z_LOSS, {"z_weight": 1e-4}),
    (Z_LOSS, {"z_weight": 1.0, "label_smoothing": 0.1, "batch": 4}),
    (SOFTMAX_MEAN_SQUARED_ERROR, {}),
    (SOFTMAX_MEAN_SQUARED_ERROR, SUM),
    (SIGMOID_MEAN_SQUARED_ERROR, {}),
]


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize(("objective", "options"), OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [2, 5])
def test_so_it_is_with_every_objective_and_its_options(
    name: str, objective: Objective, options: dict[str, Any], classes: int, judged: Counter[str]
) -> None:
    fmt, rng = FORMATS[name], np.random.default_rng(33)
    for conditions in conditions_of(fmt, objective, LossOptions(**options), (1.0, 2.0**-10, 64.0)):
        own = replace(conditions, classes=1 if objective.is_binary else classes)
        cases = make_cases(own, ordinals_of(fmt, rng, 60 if fmt.bits > 32 else 200))
        kinds = kinds_of(own, cases, saturate=False)
        assert not set(kinds) - ALLOWED, (kinds, own)
        judged[name] += 2 * cases.positions.size


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e4m3fn"])
def test_more_classes_change_nothing(name: str, judged: Counter[str]) -> None:
    fmt, rng = FORMATS[name], np.random.default_rng(32)
    for conditions, classes in product(conditions_of(fmt, SOFTMAX), (3, 17)):
        wider = replace(conditions, classes=classes)
        cases = make_cases(wider, ordinals_of(fmt, rng, 100))
        assert not set(kinds_of(wider, cases, saturate=False)) - ALLOWED, wider
        judged[name] += 2 * cases.positions.size


def test_at_least_a_million_results_were_judged(judged: Counter[str]) -> None:
    """Counts the tests above, so it holds for a run of the whole file only."""
    if len(judged) < len(FORMATS):
        pytest.skip("only a part of this file was run")
    assert judged.total() >= 1_000_000
