"""The vectorised judge against DESIGN's table of findings, written once more in mpmath for one case at a time."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from builders import build_conditions
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import find_truth, make_cases, settle
from cestab.judgement.judge import judge_block, judge_hard_outcomes
from cestab.judgement.rules import CODES, KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, from_ordinal, round_to_format, to_ordinal
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.kinds import FindingKind
from decision_table import Table

K = FindingKind
CASES_PER_SETTING = 24
FORMAT_NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]


def conditions_for(
    fmt: Format, *, pattern: str, target: str, classes: int, loss_scale: float, flush_subnormals: bool = False
) -> Conditions:
    return build_conditions(
        fmt,
        classes=classes,
        loss_scale=loss_scale,
        pattern=pattern,
        target=target,
        seed=5,
        flush_subnormals=flush_subnormals,
    )


def exact_values(conditions: Conditions, cases: Cases, case: int) -> tuple[Any, list[Any], Any]:
    """Loss, upstream·gradient and gradient scale by definition; mpf at the current precision."""
    logits = [mpf(z) for z in cases.logits[:, case].tolist()]
    if isinstance(cases.target, IndexTarget):
        weights = [mpf(int(j == cases.target.index[case])) for j in range(len(logits))]
    else:
        weights = [mpf(y) for y in cases.target.weights[:, case].tolist()]
    exponentials = [mp.exp(z) if mp.isfinite(z) else mpf(0) for z in logits]
    partition, total = mp.fsum(exponentials), mp.fsum(weights)
    gradient = [(total * e / partition - y) * conditions.upstream for e, y in zip(exponentials, weights, strict=True)]
    return mp.fsum(y * (mp.log(partition) - z) for y, z in zip(weights, logits, strict=True) if y), gradient, total


def digits_for(largest: float) -> int:
    """Digits that keep exp(−largest) beside 1 as far as 4096 bits do (1233 digits), and 2^-1074 beside any logit."""
    return 1700 if 250 < largest < 3000 else 400 + math.ceil(math.log10(max(largest, 1.0)))


def perturb(true: FloatArray, floor: float, fmt: Format, rng: np.random.Generator) -> FloatArray:
    """Seeded results of every sort: right, off by about each threshold, doubled, zero, NaN, ±inf, ±max."""
    sign, jitter = rng.choice([-1.0, 1.0], true.shape), rng.uniform(0.5, 1.6, true.shape)
    magnitude = np.abs(true)
    with np.errstate(all="ignore"):
        choices = [
            true,
            true,
            true + sign * jitter * (floor + fmt.rtol * magnitude),
            true + sign * jitter * 0.1 * np.maximum(1.0, magnitude),
            true + sign * rng.uniform(0, 3, true.shape) * fmt.unit_roundoff * magnitude,
            -1.5 * true,
            np.zeros_like(true),
            np.full_like(true, np.nan),
            sign * np.inf,
            sign * fmt.max,
            true * rng.uniform(0, 2, true.shape),
        ]
        picked = rng.choice(len(choices), true.shape, p=[0.22, 0.1, 0.2, 0.1, 0.1, 0.03, 0.08, 0.03, 0.06, 0.05, 0.03])
        return round_to_format(np.choose(picked, choices), fmt)


def settings(fmt: Format) -> Iterator[Conditions]:
    scales = [s for s in (1.0, 2.0**-20, 512.0, fmt.max, 5 * fmt.smallest_subnormal) if fmt.smallest_subnormal <= s <= fmt.max]
    for pattern, target, loss_scale in product(("margin", "gaussian"), ("correct", "wrong", "smooth:0.1"), scales):
        for classes, flushes in ((2, False), (3, False), (3, True)):
            yield conditions_for(
                fmt, pattern=pattern, target=target, classes=classes, loss_scale=loss_scale, flush_subnormals=flushes
            )


@pytest.mark.thorough
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_every_case_gets_the_kind_of_the_table(name: str) -> None:
    fmt, rng = FORMATS[name], np.random.default_rng(99)
    seen: Counter[FindingKind | None] = Counter()
    for conditions in settings(fmt):
        top = int(to_ordinal(fmt.max, fmt))
        near = to_ordinal(round_to_format(rng.uniform(-fmt.bits, fmt.bits, CASES_PER_SETTING // 2), fmt), fmt)
        anywhere = rng.integers(-top, top, CASES_PER_SETTING // 2, endpoint=True)
        ordinals = np.unique(np.concatenate((near, anywhere, [-top, 1 - top, top - 1, top])))
        cases = make_cases(conditions, ordinals)
        truth = find_truth(conditions, cases, precise=True)
        loss = perturb(truth.loss, fmt.atol, fmt, rng)
        gradient = perturb(truth.gradient, fmt.atol * conditions.upstream, fmt, rng)
        gradient[:, rng.random(loss.size) < 0.1] = 0
        judgement = judge_block(loss, gradient, truth, conditions.limits)
        settle(conditions, cases, (loss, gradient), judgement, judge_block)
        hard = judge_hard_outcomes(loss, gradient, truth, conditions.limits)
        settle(conditions, cases, (loss, gradient), hard, judge_hard_outcomes)
        for case in range(loss.size):
            with mp.workdps(digits_for(float(np.abs(cases.logits[:, case]).max()))):
                exact_loss, exact_gradient, scale = exact_values(conditions, cases, case)
                table = Table(conditions, scale)
                expected = (
                    list(table.loss_kinds(float(loss[case]), exact_loss)),
                    list(table.gradient_kinds(gradient[:, case].tolist(), exact_gradient)),
                )
            where = (
                conditions.fmt.name,
                conditions.pattern,
                conditions.target,
                conditions.loss_scale,
                conditions.flush_subnormals,
                cases.logits[:, case],
                loss[case],
                gradient[:, case],
            )
            got = [judgement.loss_codes[case], judgement.gradient_codes[case]]
            assert got == [CODES[kinds[0]] if kinds else 0 for kinds in expected], where
            outcomes = [next((CODES[kind] for kind in kinds if kind.is_hard), 0) for kinds in expected]
            for judged in (judgement, hard):
                assert [judged.loss_outcomes[case], judged.gradient_outcomes[case]] == outcomes, where
            seen.update(kinds[0] if kinds else None for kinds in expected)
    unseen = set() if fmt.has_infinity else {K.INF_LOSS, K.INF_GRADIENT}
    if fmt.atol < (1 - fmt.rtol) * fmt.smallest_normal:
        unseen.add(K.ZEROED_LOSS)  # a loss large enough for it is missed before
    assert {None, *(kind for kind in K if not kind.is_fact)} - set(seen) == unseen


def test_a_tie_of_one_entry_does_not_excuse_another() -> None:
    """Entry 2 is at its tolerance but for exp(−10240); entry 0 is off by 57344."""
    fmt = FORMATS["float8_e5m2"]
    conditions = conditions_for(fmt, pattern="margin", target="wrong", classes=3, loss_scale=4 * fmt.smallest_subnormal)
    assert settled_gradient_kind(conditions, 10240.0, [-57344.0, 0.0, -(2.0**-16)]) is K.WRONG_GRADIENT


def settled_gradient_kind(conditions: Conditions, t: float, gradient: list[float]) -> FindingKind | None:
    cases = make_cases(conditions, to_ordinal(np.array([t]), conditions.fmt))
    truth = find_truth(conditions, cases, precise=True)
    computed = np.array(gradient, dtype=conditions.fmt.storage).reshape(-1, 1)
    judgement = judge_block(truth.loss, computed, truth, conditions.limits)
    settle(conditions, cases, (truth.loss, computed), judgement, judge_block)
    code = int(judgement.gradient_codes[0])
    return KINDS[code - 1] if code else None


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_ulps_are_spacings_of_the_format_at_the_truth(name: str) -> None:
    """Two floats k places apart in one binade are k ulps apart, and half a place is half an ulp."""
    fmt = FORMATS[name]
    conditions = conditions_for(fmt, pattern="margin", target="wrong", classes=2, loss_scale=1.0)
    cases = make_cases(conditions, to_ordinal(np.array([1.0]), fmt))
    truth = find_truth(conditions, cases, precise=True)
    nearest = to_ordinal(round_to_format(truth.loss, fmt), fmt)  # log(1 + e) = 1.3133, in the binade of 1
    away = 1 if from_ordinal(nearest, fmt)[0] > truth.loss[0] else -1
    for places in (0, 1, 2):
        loss = from_ordinal(nearest + away * places, fmt)
        judgement = judge_block(loss, truth.gradient, truth, conditions.limits)
        ulps = float(judgement.loss_ulps[0])
        if places < 2:  # two float8_e5m2 further begins another binade
            assert places <= ulps <= places + 0.5
        with mp.workdps(60):
            exact = abs(mpf(float(loss[0])) - mp.log(1 + mp.e)) / mp.ldexp(1, 1 - fmt.precision)
            assert abs(ulps - exact) <= 2.0**-15 + exact * 2.0**-40


def test_ulps_do_not_exist_for_infinite_or_nan_values() -> None:
    fmt = FORMATS["float32"]
    conditions = conditions_for(fmt, pattern="margin", target="wrong", classes=2, loss_scale=1.0)
    cases = make_cases(conditions, to_ordinal(np.array([1.0, 2.0, 3.0]), fmt))
    truth = find_truth(conditions, cases, precise=True)
    gradient = truth.gradient.astype(np.float32)
    gradient[0, 0], gradient[:, 1] = np.nan, np.inf
    judgement = judge_block(np.array([np.nan, np.inf, 0], np.float32), gradient, truth, conditions.limits)
    assert np.isnan(judgement.loss_ulps).tolist() == [True, True, False]
    assert np.isnan(judgement.gradient_ulps).tolist() == [False, True, False]
