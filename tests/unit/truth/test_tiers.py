"""Truth against mpmath at 400 digits and more, written from the definition: −Σ y·log p, and Y·p − y."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from mpmath import mp, mpf

from cestab.cases.patterns import PATTERNS, has_truth, make_logits
from cestab.cases.target_kinds import TARGET_KINDS, make_target
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.tiers import Truth, evaluate_truth
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY

SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
TARGETS = [
    f"{kind.name}:{'0.9' if kind.name == 'soft' else '0.1'}" if kind.has_number else kind.name for kind in TARGET_KINDS.values()
]
MAGNITUDES_BY_CLASSES = {2: 10, 3: 6, 10: 4, 200: 1}
TIERS = [("float64", True), ("float64", False), ("float32", False), ("float16", False), ("bfloat16", False)]


class Exact(NamedTuple):
    """What mpmath says of one case: the loss, the gradient without upstream factor."""

    loss: Any
    gradient: list[Any]


def digits_for(logits: Sequence[float]) -> int:
    """Lse and logits cancel from their own size down to 2^-1074 (324 digits); 76 digits are left over."""
    largest = max(abs(z) for z in logits if math.isfinite(z))
    return 400 + math.ceil(math.log10(max(1.0, largest)))


def exponentials_of(logits: Sequence[float]) -> list[Any]:
    return [mpf(0) if math.isinf(z) else mp.exp(mpf(z)) for z in logits]


def softmax_by_definition(logits: Sequence[float], weights: Sequence[float], exponentials: Sequence[Any]) -> Exact:
    """Σ y_j·(log Σ exp z − z_j) and (Σ y)·exp z_j / Σ exp z − y_j, nothing shifted, nothing rearranged."""
    partition = mp.fsum(exponentials)
    total = mp.fsum(mpf(y) for y in weights)
    gradient = [total * e / partition - mpf(y) for e, y in zip(exponentials, weights, strict=True)]
    if any(y != 0 and math.isinf(z) for y, z in zip(weights, logits, strict=True)):
        return Exact(mp.inf, gradient)
    picked = mp.fsum(mpf(y) * mpf(z) for y, z in zip(weights, logits, strict=True) if y != 0)
    return Exact(total * mp.log(partition) - picked, gradient)


def binary_by_definition(x: float, y: float) -> Exact:
    """log(1 + exp x) − y·x, and exp x/(1 + exp x) − y."""
    e = mp.exp(mpf(x))
    return Exact(mp.log(1 + e) - mpf(y) * mpf(x), [e / (1 + e) - mpf(y)])


def ulp(x: Any, fmt: Format) -> Any:
    if x == 0:
        return mpf(fmt.smallest_subnormal)
    exponent = max(int(mp.frexp(abs(x))[1]) - 1, fmt.min_exponent)
    return mp.ldexp(1, exponent - fmt.precision + 1)


class Discrepancies:
    """How many values were compared, and the largest discrepancies in ulps of the format, cancelled entries apart."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.values = 0
        self.worst = self.worst_cancelled = 0.0

    def compare(self, value: float, low: float, exact: Any, bound: Any, scale: Any) -> None:
        """Assert |value + low − exact| ≤ bound; an entry far below the scale it was subtracted from is cancelled."""
        error = abs(mpf(value) + mpf(low) - exact)
        assert error <= bound, (value, mp.nstr(exact), mp.nstr(error), mp.nstr(bound))
        ulps = float(error / ulp(exact, self.fmt))
        self.values += 1
        if abs(exact) * 2**10 < scale:
            self.worst_cancelled = max(self.worst_cancelled, ulps)
        elif abs(exact) > mpf(2) ** -960:  # below, value + low would need digits beyond the smallest float64
            self.worst = max(self.worst, ulps)

    def compare_case(self, truth: Truth, case: int, exact: Exact, upstream: float) -> None:
        """Compare loss and gradient of one case within the bounds that Truth states."""
        relative, absolute = mpf(truth.relative), mpf(truth.absolute)
        loss = float(truth.loss[case])
        if math.isinf(loss):  # mpmath: the target is masked, or the sum of 2^1024 and half an ulp is reached
            assert exact.loss >= (mpf(2) ** 1024 - mpf(2) ** 970) * (1 - relative), mp.nstr(exact.loss)
        else:
            low = 0.0 if truth.loss_low is None else float(truth.loss_low[case])
            self.compare(loss, low, exact.loss, relative * abs(exact.loss) + absolute, exact.loss)
        for j, entry in enumerate(exact.gradient):
            low = 0.0 if truth.gradient_low is None else float(truth.gradient_low[j, case])
            scale = abs(mpf(float(truth.scale[j, case])))
            self.compare(float(truth.gradient[j, case]), low, entry * mpf(upstream), relative * scale + absolute, scale)


def magnitudes(fmt: Format, count: int, rng: np.random.Generator, top: float) -> FloatArray:
    """Seeded log-uniform magnitudes of both signs, and the ends of the format up to `top`; the last ones drop out first."""
    wide = np.exp(rng.uniform(math.log(fmt.smallest_subnormal) / 4, math.log(fmt.max) / 2, count))
    usual = rng.uniform(0.1, 60.0, count)
    drawn = np.where(rng.random(count) < 0.7, usual, wide) * rng.choice([-1.0, 1.0], count)
    ends = np.array([690.0, top, -top, fmt.smallest_subnormal, -7 * fmt.smallest_subnormal, 0.0, 36.75])
    return round_to_format(np.concatenate((drawn, ends[: count if count > 1 else 0])), fmt)


def weights_of(target: Target, case: int, classes: int) -> list[float]:
    if isinstance(target, IndexTarget):
        return [float(j == target.index[case]) for j in range(classes)]
    return [float(y) for y in target.weights[:, case]]


def largest_logit(fmt: Format, precise: bool) -> float:  # noqa: FBT001
    """The float64 tier cannot form differences of the largest float64 (see the test of those)."""
    return fmt.max / 16 if fmt.bits > 32 and not precise else fmt.max


def blocks(fmt: Format, top: float) -> Iterator[FloatArray]:
    rng = np.random.default_rng(20240607)
    for (classes, count), pattern in product(MAGNITUDES_BY_CLASSES.items(), PATTERNS.values()):
        logits = make_logits(pattern, magnitudes(fmt, count, rng, top), classes, 3, fmt)
        kept = np.ascontiguousarray(logits[:, has_truth(logits, masks=pattern.is_masking)])
        if kept.size:
            yield kept


def report(tier: str, cases: int, seen: Discrepancies) -> None:
    print(f"\n{tier}: {cases} cases, {seen.values} values, at most {seen.worst:.2e} ulps off", end="; ")
    print(f"{seen.worst_cancelled:.2e} where the target is subtracted")


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "precise"), TIERS)
def test_softmax_truth_is_within_its_stated_bound(name: str, precise: bool) -> None:  # noqa: FBT001
    fmt = FORMATS[name]
    cases, seen = 0, Discrepancies(fmt)
    for logits in blocks(fmt, largest_logit(fmt, precise)):
        classes = len(logits)
        targets = [make_target(kind, logits, fmt, SOFTMAX) for kind in TARGETS]
        upstreams = [(1.0, 0.125, 1024.0)[k % 3] for k in range(len(targets))]
        truths = [evaluate_truth(SOFTMAX, logits, t, u, precise=precise) for t, u in zip(targets, upstreams, strict=True)]
        for case in range(logits.shape[1]):
            column = logits[:, case].tolist()
            with mp.workdps(digits_for(column)):
                exponentials = exponentials_of(column)
                for target, upstream, truth in zip(targets, upstreams, truths, strict=True):
                    exact = softmax_by_definition(column, weights_of(target, case, classes), exponentials)
                    seen.compare_case(truth, case, exact, upstream)
                    cases += 1
    report(f"{name}{' (quadruple)' if precise else ''}", cases, seen)
    assert seen.values > 15_000
    # relative 2^-43 is 2^-19 of an ulp of 24 digits, 2^-98 is 2^-45 of one of 53; cancelled by less than 2^10 at that
    assert seen.worst < (2.0**-9 if precise or fmt.bits <= 32 else 2.0**20)


@pytest.mark.parametrize(("name", "precise"), TIERS)
def test_binary_truth_is_within_its_stated_bound(name: str, precise: bool) -> None:  # noqa: FBT001
    fmt = FORMATS[name]
    rng = np.random.default_rng(7)
    x = magnitudes(fmt, 150, rng, fmt.max)
    seen = Discrepancies(fmt)
    for label in (0.0, 0.3, 1.0):
        y = round_to_format(np.full((1, x.size), label), fmt)
        truth = evaluate_truth(BINARY, x.reshape(1, -1), DenseTarget(weights=y), 0.5, precise=precise)
        for case, value in enumerate(x.tolist()):
            with mp.workdps(digits_for([value])):
                seen.compare_case(truth, case, binary_by_definition(value, float(y[0, case])), 0.5)
    report(f"{name}{' (quadruple)' if precise else ''}, binary", 3 * x.size, seen)
    assert seen.values > 800
    assert seen.worst < (2.0**-9 if precise or fmt.bits <= 32 else 2.0**20)


def test_a_loss_of_1e_minus_300_keeps_all_its_digits() -> None:
    """log1p(exp(−690)): lse − z would be 0 in every format."""
    truth = evaluate_truth(SOFTMAX, np.array([[690.0], [0.0]]), IndexTarget(index=np.array([0])), 1.0, precise=True)
    assert truth.loss_low is not None
    with mp.workdps(800):
        exact = mp.log(mp.exp(690) + 1) - 690
        assert mpf("2.1e-300") < exact < mpf("2.2e-300")
        assert abs(mpf(float(truth.loss[0])) + mpf(float(truth.loss_low[0])) - exact) <= mpf(2.0**-1074)


def test_a_masked_target_has_an_infinite_loss_and_a_gradient() -> None:
    logits = np.array([[1.0], [0.0], [-np.inf]])
    truth = evaluate_truth(SOFTMAX, logits, IndexTarget(index=np.array([2])), 1.0, precise=False)
    assert truth.loss[0] == np.inf
    p = math.e / (math.e + 1)
    np.testing.assert_allclose(truth.gradient[:, 0], [p, 1 - p, -1.0], rtol=2.0**-50)


@pytest.mark.parametrize("precise", [False, True])
def test_beside_a_masked_class_the_other_of_two_is_certain(precise: bool) -> None:  # noqa: FBT001
    """p = (1, 0): loss 0 and gradient 0 for the first class."""
    logits = np.array([[2.0, -np.inf], [-np.inf, 3.0]])
    truth = evaluate_truth(SOFTMAX, logits, IndexTarget(index=np.array([0, 1])), 1.0, precise=precise)
    np.testing.assert_array_equal(truth.loss, [0.0, 0.0])
    np.testing.assert_array_equal(truth.gradient, np.zeros((2, 2)))


@pytest.mark.parametrize("precise", [False, True])
def test_a_weighted_difference_of_logits_beyond_float64_may_be_a_finite_loss(precise: bool) -> None:  # noqa: FBT001
    """(max − (−max))/16 = max/8."""
    top = FORMATS["float64"].max
    logits, weights = np.array([[top], [-top]]), np.array([[0.9375], [0.0625]])
    truth = evaluate_truth(SOFTMAX, logits, DenseTarget(weights=weights), 1.0, precise=precise)
    assert truth.loss[0] == top / 8


@pytest.mark.parametrize("precise", [False, True])
def test_the_memory_layout_of_logits_does_not_matter(precise: bool) -> None:  # noqa: FBT001
    logits = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 0.5]])
    target = IndexTarget(index=np.array([0, 1, 0]))
    rows = evaluate_truth(SOFTMAX, logits, target, 1.0, precise=precise)
    columns = evaluate_truth(SOFTMAX, np.asfortranarray(logits), target, 1.0, precise=precise)
    np.testing.assert_array_equal(rows.gradient, columns.gradient)
