"""Tests of the judge: results that are the truth, correctly rounded, get nothing but under- and overflow kinds."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from cestab.audit.evaluate import Cases, Conditions, find_truth, make_cases, settle
from cestab.audit.judge import judge_block
from cestab.audit.rules import KINDS
from cestab.cases.patterns import PATTERNS
from cestab.cases.targets import TARGET_KINDS
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, IntArray, round_number, round_to_format, to_ordinal
from cestab.results import FindingKind, Fp8Overflow, Objective, Summation

K = FindingKind
ALLOWED = {K.OVERFLOWING_LOSS, K.OVERFLOWING_GRADIENT, K.UNDERFLOWING_GRADIENT}
SOFTMAX, BINARY = Objective.SOFTMAX_CROSS_ENTROPY, Objective.BINARY_CROSS_ENTROPY
TARGETS = [
    f"{kind.name}:{'0.9' if kind.name == 'soft' else '0.1'}" if kind.has_number else kind.name for kind in TARGET_KINDS.values()
]
LOSS_SCALES = (1.0, 2.0**-10, 2.0**10, 2.0**-20)
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


def conditions_of(fmt: Format, objective: Objective) -> Iterator[Conditions]:
    scales = [s for s in LOSS_SCALES if 0 < round_number(s, fmt) <= fmt.max]
    patterns = (
        [p.name for p in PATTERNS.values() if fmt.has_infinity or not p.is_masking] if objective is SOFTMAX else ["margin"]
    )
    targets = TARGETS if objective is SOFTMAX else ["correct", "wrong", "soft:0.3", "soft:1.0"]
    for pattern, target, loss_scale in product(patterns, targets, scales):
        yield Conditions(
            objective,
            fmt,
            fmt,
            Summation.WIDE,
            classes=2 if objective is SOFTMAX else 1,
            loss_scale=loss_scale,
            rtol=fmt.rtol,
            atol=fmt.atol,
            fp8_overflow=Fp8Overflow.NAN,
            flush=False,
            pattern=pattern,
            target=target,
            seed=1,
        )


def round_correctly(x: FloatArray, fmt: Format, *, saturate: bool) -> FloatArray:
    rounded = round_to_format(x, fmt)
    if saturate:
        rounded = np.where(np.isnan(rounded), np.copysign(fmt.max, x), rounded).astype(fmt.storage)
    return rounded


def kinds_of(conditions: Conditions, cases: Cases, *, saturate: bool) -> Counter[FindingKind]:
    truth = find_truth(conditions, cases, precise=True)
    with np.errstate(all="ignore"):
        loss = round_correctly(truth.loss, conditions.fmt, saturate=saturate)
        gradient = round_correctly(truth.gradient, conditions.fmt, saturate=saturate)
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


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e4m3fn"])
def test_more_classes_change_nothing(name: str, judged: Counter[str]) -> None:
    fmt, rng = FORMATS[name], np.random.default_rng(32)
    for conditions, classes in product(conditions_of(fmt, SOFTMAX), (3, 17)):
        wider = Conditions(**{**vars(conditions), "classes": classes})
        cases = make_cases(wider, ordinals_of(fmt, rng, 100))
        assert not set(kinds_of(wider, cases, saturate=False)) - ALLOWED, wider
        judged[name] += 2 * cases.positions.size


def test_at_least_a_million_results_were_judged(judged: Counter[str]) -> None:
    """Counts the tests above, so it holds for a run of the whole file only."""
    if len(judged) < len(FORMATS):
        pytest.skip("only a part of this file was run")
    assert judged.total() >= 1_000_000
