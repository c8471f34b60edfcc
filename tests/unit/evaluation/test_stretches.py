"""Every float of a line, proven by the ends of stretches, beside the plain way on the same floats."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cestab.commands.sweep.request import make_sweep_request
from cestab.evaluation import stretches
from cestab.evaluation.blocks import Block, Cases, Failure, Outcome
from cestab.evaluation.compute import Results
from cestab.evaluation.evaluate import evaluate_block, find_truth, judge_results, make_cases
from cestab.evaluation.lines import evaluate_line, is_line, make_slices
from cestab.evaluation.plan import Plan, plan_sweep
from cestab.external.loaded import loaded_losses
from cestab.judgement.judge import Judgement, judge_block
from cestab.judgement.rules import Limits
from cestab.judgement.summary import Summary, join_runs
from cestab.numerics.rounding import FloatArray
from cestab.truth.objectives import TRUTHS
from cestab.truth.tiers import Truth
from cestab.vocabulary.external import DEFAULT_GUARD

FLOATS = 2**12
LAST = 0x7F7FFFFF  # the ordinal of float32's largest number
FAMILIES = {
    "softmax-cross-entropy": ("correct", "wrong", "one-hot-wrong", "soft:0.9", "uniform"),
    "softmax-mean-squared-error": ("correct", "wrong", "soft:0.7"),
    "binary-cross-entropy": ("correct", "wrong", "soft:0.3", "soft:0.5"),
    "sigmoid-mean-squared-error": ("correct", "soft:0.7"),
}


def make_plans(objective: str, target: str, pattern: str = "margin", **options: float) -> list[Plan]:
    """Return the plans of all formulations of a family in float32, with curves."""
    request = make_sweep_request(
        objective=objective,
        dtypes="float32",
        logits="all",
        patterns=pattern,
        classes=1 if objective.startswith(("binary", "sigmoid")) else 2,
        targets=target,
        curves=True,
        loss_scales=options.get("loss_scale", 1.0),
    )
    return plan_sweep(request)


def pick_ranges(seed: int, count: int) -> Iterator[range]:
    """Yield ranges of floats of either sign: across 0, anywhere, and where exponentials show all their behaviour."""
    generator = np.random.default_rng(seed)
    yield range(-64, 64)
    for number in range(count):
        start = int(generator.integers(1, LAST - FLOATS))
        if number % 4:
            start = int(np.float32(2.0 ** generator.uniform(-30, 8)).view(np.uint32))
        yield range(start, start + FLOATS) if number % 2 else range(1 - start - FLOATS, 1 - start)


def without_places(outcome: Outcome) -> list[object]:
    """Return what of a summary does not depend on which of equal errors was found first."""
    assert isinstance(outcome, Summary)
    tallies = {
        kind: (tally.cases, tally.first_positive, tally.first_negative, tally.lowest, tally.highest)
        for kind, tally in outcome.tallies.items()
    }
    return [outcome.cases, outcome.undefined, outcome.ties, outcome.has_gradient, tallies, join_runs(outcome.runs)]


def errors(outcome: Outcome) -> dict[str, float]:
    """Return all largest errors of a summary by name; −9 where there is none."""
    assert isinstance(outcome, Summary)
    found: dict[str, float | None] = {
        "loss": outcome.loss_error.ulps,
        "gradient": outcome.gradient_error.ulps,
        "relative loss": outcome.loss_relative,
        "relative gradient": outcome.gradient_relative,
        **{f"worst {kind}": tally.worst.ulps for kind, tally in outcome.tallies.items()},
        **{f"loss in bin {number}": worst.loss for number, worst in outcome.curve.items()},
        **{f"gradient in bin {number}": worst.gradient for number, worst in outcome.curve.items()},
    }
    return {name: -9.0 if error is None or np.isnan(error) else error for name, error in found.items()}


def assert_equal(plan: Plan, ordinals: range) -> None:
    block = Block(conditions=plan.conditions, formulations=plan.formulations, ordinals=ordinals)
    proven, plain = evaluate_line(block), evaluate_block(block)
    for name in plan.formulations:
        where = (name, plan.conditions.target, ordinals)
        assert without_places(proven[name]) == without_places(plain[name]), where
        # two ends that differ by less than truth in float64, known to 2^-43 of itself, resolves
        found, expected = errors(proven[name]), errors(plain[name])
        assert found.keys() == expected.keys(), where
        for what, error in expected.items():
            resolved = 2e-13 if "relative" in what or "bin" in what else 2e-6
            assert found[what] == pytest.approx(error, rel=2e-6, abs=resolved), (what, *where)


@pytest.mark.parametrize(("objective", "target"), [(o, t) for o, targets in FAMILIES.items() for t in targets])
def test_stretches_find_what_the_plain_way_finds(objective: str, target: str) -> None:
    for plan in make_plans(objective, target):
        assert is_line(plan.conditions)
        for ordinals in pick_ranges(seed=len(target), count=6):
            assert_equal(plan, ordinals)


@pytest.mark.parametrize("target", ["wrong", "soft:0.9"])
def test_of_equal_logits_too(target: str) -> None:
    for plan in make_plans("softmax-cross-entropy", target, "equal", loss_scale=1024.0):
        for ordinals in pick_ranges(seed=5, count=4):
            assert_equal(plan, ordinals)


@pytest.mark.thorough
@pytest.mark.parametrize(("objective", "target"), [(o, t) for o, targets in FAMILIES.items() for t in targets])
def test_stretches_find_what_the_plain_way_finds_on_many_ranges(objective: str, target: str) -> None:
    for plan in make_plans(objective, target):
        for ordinals in pick_ranges(seed=1 + len(target), count=60):
            assert_equal(plan, ordinals)


def test_most_cases_of_a_constant_result_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []

    def judge(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
        judged.append(loss.size)
        return judge_block(loss, gradient, truth, limits)

    monkeypatch.setattr(stretches, "judge_block", judge)
    (plan,) = make_plans("binary-cross-entropy", "correct")
    start = int(np.float32(1e9).view(np.uint32))
    names = ("bce-with-logits",)
    summary = evaluate_line(Block(conditions=plan.conditions, formulations=names, ordinals=range(start, start + 2**16)))
    assert isinstance(summary[names[0]], Summary)
    assert sum(judged) == 2 * 2**16 // stretches.LONGEST


@pytest.mark.parametrize(
    ("target", "turns"),
    [
        ("soft:0.3", [np.log(0.3 / 0.7)]),  # loss: σ(x) = y; gradient: none
        ("correct", []),
    ],
)
def test_a_loss_turns_where_its_gradient_is_0(target: str, turns: list[float]) -> None:
    find_turns = TRUTHS[make_plans("binary-cross-entropy", target)[0].conditions.objective].turns
    assert find_turns is not None
    label = np.array([[float(target.partition(":")[2] or 1)]])
    found = find_turns(label).ravel()
    assert found[np.isfinite(found)] == pytest.approx(turns)


def test_a_square_turns_where_its_slope_and_curvature_are_0() -> None:
    find_turns = TRUTHS[make_plans("sigmoid-mean-squared-error", "correct")[0].conditions.objective].turns
    assert find_turns is not None
    for label in (0.0, 0.2, 0.5, 1.0):
        d = find_turns(np.array([[label]])).ravel()
        p = 1 / (1 + np.exp(-d[np.isfinite(d)]))
        slope = 2 * (p - label) * p * (1 - p)
        curvature = 2 * p * (1 - p) * (p * (1 - p) + (p - label) * (1 - 2 * p))
        assert np.minimum(np.abs(slope), np.abs(curvature)) == pytest.approx(np.zeros(p.size), abs=1e-12)


def judge_constant(target: str, middle: float, loss: float) -> tuple[Summary, Summary]:
    """Judge one number as the loss of many floats around `middle`, without a gradient: by stretches, and case by case."""
    (plan,) = make_plans("binary-cross-entropy", target)
    conditions, start = plan.conditions, int(np.float32(middle).view(np.uint32)) - stretches.LONGEST // 2
    block = Block(conditions=conditions, formulations=(), ordinals=range(start, start + stretches.LONGEST))

    def compute(cases: Cases) -> Results:
        return np.full(cases.positions.size, loss, dtype=np.float32), None

    judge = stretches.LineJudge(conditions=conditions, compute=compute)
    for part in make_slices(block):
        judge.add(part)
    judge.flush()
    cases = make_cases(conditions, block.ordinals)
    truth = find_truth(conditions, cases, precise=True)
    return judge.summary, judge_results(conditions, cases, compute(cases), truth, has_map=True)[1]


MINIMUM = math.log(9.0), -0.9 * math.log(0.9) - 0.1 * math.log(0.1)  # of the loss with y = 0.9: where, and how much
CROSSED = 1.0, math.log1p(math.exp(-1.0))  # with y = 1


@pytest.mark.parametrize(
    ("target", "place", "more", "skipped"),
    [
        ("soft:0.9", MINIMUM, 1e-6, "_has_no_turn"),
        ("soft:0.9", MINIMUM, 0.5, "_has_no_turn"),
        ("correct", CROSSED, 0.0, "_are_harmless"),
    ],
)
def test_ends_settle_no_minimum_and_no_crossing(
    target: str, place: tuple[float, float], more: float, skipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven, plain = judge_constant(target, place[0], place[1] + more)
    assert without_places(proven) == without_places(plain)
    assert errors(proven) == errors(plain)
    monkeypatch.setattr(stretches, skipped, lambda *_: np.ones((), dtype=np.bool_))  # a proof with a gap
    proven, plain = judge_constant(target, place[0], place[1] + more)
    assert (without_places(proven), errors(proven)) != (without_places(plain), errors(plain))


def test_a_loss_that_fails_is_an_outcome(tmp_path: Path) -> None:
    (plan,) = make_plans("binary-cross-entropy", "correct")
    path = tmp_path / "losses.py"
    path.write_text("def loss(x, y):\n    raise ValueError('no')\n")
    names = (f"{path}:loss",)
    with loaded_losses(names, DEFAULT_GUARD):
        outcomes = evaluate_line(Block(conditions=plan.conditions, formulations=names, ordinals=range(1, 9)))
    assert isinstance(outcomes[names[0]], Failure)
