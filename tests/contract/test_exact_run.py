"""Laws of the traced run: without rounding it is the truth, and with rounding it is what the formulation computes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from cestab.commands.explain.replay import Replay, find_precision
from cestab.commands.resolve import make_arithmetics
from cestab.evaluation.blocks import Cases
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import exact_case
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import FORMULATIONS, find_formulation
from cestab.numerics.exact_numbers import to_exact_list
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format
from cestab.numerics.tape import Tape
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.balls import enclose

pytestmark = pytest.mark.thorough
DIGITS_BITS = 100  # agreement that is demanded: 30 digits, or 2^-p of the format's smallest number where terms cancel
INF = float("inf")
SOFTMAX = [name for name, f in FORMULATIONS.items() if not f.objective.is_binary]
BINARY = [name for name, f in FORMULATIONS.items() if f.objective.is_binary]
PARAMETERS = [
    "focal-naive:gamma=0.5",
    "focal-log-softmax:gamma=0",
    "z-loss-log-sum-exp:z_weight=0.5",
    "clipped:eps=0.25,bounds=closed",
    "log-eps:eps=0.25",
    "online:chunk=2",
    "online:chunk=1",
]
LOGITS = {
    "near": [0.5, -1.25, 3.0, 0.0],
    "far apart": [100.0, -750.0, 12.5, 0.0],
    "huge offset": [3.0e8, 3.0e8 - 1.0e3, 3.0e8 + 64.0, 3.0e8],
    "huge negative offset": [-3.0e8, -3.0e8 - 1.0e3, -3.0e8 + 64.0, -3.0e8],
    "equal": [-104.0, -104.0, -104.0, -104.0],
    "tiny": [1.0e-40, -2.0e-45, 0.0, 1.5e-38],
    "end of the format": [3.0e38, -3.0e38, 1.0, 0.0],
}
MASKED = {"masked": [2.0, -INF, -1.0, -INF], "masked and huge": [-INF, 3.0e8, 3.0e8 - 64.0, -INF]}
# weights that add up to 1 exactly: lse − Σ y·z and p − y are the loss and its gradient only then
DENSE = [[0.125, 0.25, 0.375, 0.25], [0.0, 1.0, 0.0, 0.0], [0.015625, 0.015625, 0.953125, 0.015625], [0.25] * 4]
NEEDS_LOG_OF_EVERY_P = ("naive", "softmax-log", "clipped", "log-eps", "focal-naive")  # masked classes: 0/0 in their derivative


def make_replay(name: str, logits: list[float], target: Target, dtype: str = "float32", **options: Any) -> Replay:
    formulation = find_formulation(name)
    given: Any = {"dtypes": dtype, **options}
    plan = plan_arithmetics(make_arithmetics(given), formulation.objective, formulation.options)
    conditions = replace(next(plan), classes=len(logits))
    column = round_to_format(np.array(logits).reshape(-1, 1), conditions.fmt)
    return Replay(
        conditions=conditions,
        formulation=formulation,
        cases=Cases(positions=np.zeros(1, dtype=np.int64), logits=column, target=target),
    )


def dense(weights: list[float], dtype: str = "float32") -> DenseTarget:
    return DenseTarget(weights=round_to_format(np.array(weights).reshape(-1, 1), FORMATS[dtype]))


def assert_exact_run_is_truth(replay: Replay) -> None:
    conditions, cases = replay.conditions, replay.cases
    with ctx.workprec(find_precision(conditions, cases)):
        truth = enclose(exact_case(conditions, cases, 0))
        got = [item for result in (replay.exact.loss, replay.exact.gradient) for item in to_exact_list(result.value)]
        expected = [truth.loss, *truth.gradient]
        assert len(got) == len(expected)
        least = arb(conditions.fmt.smallest_subnormal) * arb(2) ** -conditions.fmt.precision
        for result, own in zip(got, expected, strict=True):
            assert own is not None
            assert result.ball is not None, result.special
            allowed = abs(own.mid()) * arb(2) ** -DIGITS_BITS + least
            assert abs(result.ball.mid() - own.mid()) <= allowed, (result.ball, own)


def targets() -> Iterator[tuple[str, Target]]:
    for index in (0, 1, 3):
        yield f"class {index}", IndexTarget(index=np.array([index]))
    for weights in DENSE:
        yield str(weights), dense(weights)


@pytest.mark.parametrize(
    ("name", "logits"),
    [
        pytest.param(name, logits, id=f"{name}, {words}")
        for name in [*SOFTMAX, *PARAMETERS]
        for words, logits in LOGITS.items()
        if not (name.startswith("focal-naive") and words == "end of the format")  # 1 − p has more digits than are kept
    ],
)
def test_a_formulation_of_classes_without_rounding_is_the_truth(name: str, logits: list[float]) -> None:
    for _, target in targets():
        assert_exact_run_is_truth(make_replay(name, logits, target, loss_scales=[1024.0]))


@pytest.mark.parametrize("name", [name for name in SOFTMAX if name not in NEEDS_LOG_OF_EVERY_P])
@pytest.mark.parametrize("logits", MASKED.values(), ids=list(MASKED))
def test_so_it_is_with_masked_classes(name: str, logits: list[float]) -> None:
    assert_exact_run_is_truth(make_replay(name, logits, IndexTarget(index=np.array([2 if logits[0] > 0 else 1]))))


@pytest.mark.parametrize("name", [name for name in SOFTMAX if name not in NEEDS_LOG_OF_EVERY_P])
@pytest.mark.parametrize("logits", MASKED.values(), ids=list(MASKED))
def test_a_masked_class_of_weight_0_has_no_share_in_the_loss(name: str, logits: list[float]) -> None:
    weights = [0.25 if np.isfinite(z) else 0.0 for z in logits]
    assert_exact_run_is_truth(make_replay(name, logits, dense([2 * y for y in weights])))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("x", [0.0, 1.0, -1.0, 50.0, -50.0, 3.0e4, -3.0e4, 1.0e-40])
def test_a_binary_formulation_without_rounding_is_the_truth(name: str, x: float) -> None:
    for y in (0.0, 1.0, 0.25, 0.5, 0.9):
        assert_exact_run_is_truth(make_replay(name, [x], dense([y])))


@pytest.mark.parametrize("name", ["bce-with-logits", "sigmoid-compensated"])
@pytest.mark.parametrize("x", [3.0e38, -3.0e38])
def test_what_computes_no_1_minus_p_is_the_truth_on_the_whole_range(name: str, x: float) -> None:
    for y in (0.0, 1.0, 0.25):
        assert_exact_run_is_truth(make_replay(name, [x], dense([y])))


def bits_of(*values: Any) -> list[bytes]:
    return [np.where(np.isnan(value), np.nan, value).tobytes() for value in values]


ARITHMETICS: list[tuple[str, dict[str, Any]]] = [
    *((dtype, {}) for dtype in FORMATS),
    *((dtype, {"fp8_overflow": "saturate"}) for dtype, fmt in FORMATS.items() if not fmt.has_infinity),
    *((dtype, {"flush_subnormals": True}) for dtype in ("float64", "float32", "float16", "float8_e5m2")),
    *((dtype, {"summations": [order]}) for dtype in ("float16", "float32") for order in ("pairwise", "sequential")),
    *(
        (dtype, {"compute": compute})
        for dtype, compute in (("float16", "float32"), ("bfloat16", "float64"), ("float32", "float64"))
    ),
    ("bfloat16", {"compute": "float32", "summations": ["sequential"], "flush_subnormals": True, "loss_scales": [0.5]}),
]


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize(("dtype", "options"), ARITHMETICS, ids=str)
def test_the_traced_run_is_bit_for_bit_what_the_formulation_computes(name: str, dtype: str, options: dict[str, Any]) -> None:
    rng, fmt = np.random.default_rng(11), FORMATS[dtype]
    is_binary = name in BINARY
    for scale in (0.5, 4.0, 30.0, 300.0):
        logits = np.clip(scale * rng.standard_normal(1 if is_binary else 7), -fmt.max, fmt.max).tolist()
        labels: list[Target] = [dense([float(rng.uniform())], dtype)]
        chosen: list[Target] = [IndexTarget(index=rng.integers(7, size=1)), dense([0.25, *[0.125] * 6], dtype)]
        for target in labels if is_binary else chosen:
            replay = make_replay(name, logits, target, dtype, **options)
            run, expected = replay.computed, compute_formulation(replay.conditions, replay.formulation, replay.cases)
            assert bits_of(run.loss.value.reshape(-1), run.gradient.value) == bits_of(*expected)


def test_a_plain_tape_keeps_none_of_the_backward_pass() -> None:
    replay = make_replay("naive", [1.0, 2.0], IndexTarget(index=np.array([0])))
    tape = Tape(arithmetic=replay.conditions.arithmetic(replay.conditions.fmt))
    replay.formulation.run(tape, replay.cases.logits, replay.cases.target, 1.0)
    assert 0 < len(tape.records) < len(replay.computed.tape.steps)
