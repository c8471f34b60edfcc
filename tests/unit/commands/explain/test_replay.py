"""A case replayed: what is computed, what is exact, and what a single exact result changes."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from flint import ctx

from cestab.commands.explain.replay import Judged, Replay, find_precision
from cestab.commands.resolve import make_arithmetics
from cestab.evaluation.blocks import Cases
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import find_formulation
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.kinds import FindingKind

K = FindingKind


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with ctx.workprec(1000):
        yield


def make_replay(name: str, logits: list[float], target: int, dtype: str = "float32", compute: str | None = None) -> Replay:
    formulation = find_formulation(name)
    conditions = replace(
        next(plan_arithmetics(make_arithmetics({"dtypes": dtype, "compute": compute}), formulation.objective)),
        classes=len(logits),
    )
    column = round_to_format(np.array(logits).reshape(-1, 1), conditions.fmt)
    return Replay(
        conditions=conditions,
        formulation=formulation,
        cases=Cases(positions=np.zeros(1, dtype=np.int64), logits=column, target=IndexTarget(index=np.array([target]))),
    )


def expressions(replay: Replay, steps: list[int]) -> list[str]:
    return [replay.computed.tape.steps[index].operation.template for index in steps]


def test_the_three_runs_have_the_same_steps() -> None:
    replay = make_replay("clipped", [20.0, 0.0], 1)
    operations = [[step.operation.template for step in run.tape.steps] for run in (replay.computed, replay.exact, replay.local)]
    assert operations[0] == operations[1] == operations[2]
    assert len(operations[0]) > 8


def test_local_results_are_exact_functions_of_computed_values() -> None:
    replay = make_replay("naive", [20.0, 0.0], 1)
    places = {operation: index for index, operation in enumerate(expressions(replay, replay.steps()))}
    total = replay.steps()[places["Σ {}"]]
    parts = replay.computed.tape.steps[total].parents[0].value[:, 0]
    assert replay.local.tape.results[total][0] == float(parts[0]) + float(parts[1])  # both are below 2^53
    assert replay.exact.tape.steps[total].value[0] != float(parts[0]) + float(parts[1])


def test_guards_act_on_local_results_and_not_on_exact_ones() -> None:
    replay = make_replay("clipped", [20.0, 0.0], 1)
    clip = next(i for i in replay.steps() if replay.computed.tape.steps[i].operation.is_clip)
    assert replay.local.tape.results[clip][1, 0] == float(np.float32(1e-7))
    assert replay.exact.tape.steps[clip].value[1, 0] < 3e-9


def test_steps_of_a_finding_lead_to_the_loss_or_to_the_gradient() -> None:
    replay = make_replay("log-sum-exp", [3.0, 1.0], 0)
    loss, gradient = replay.steps(K.WRONG_LOSS), replay.steps(K.WRONG_GRADIENT)
    assert expressions(replay, loss)[-2:] == ["{}[target]", "{} − {}"]
    assert expressions(replay, gradient)[-1] == "{} − 1 at the target"
    assert set(loss) | set(gradient) == set(replay.steps())
    assert set(loss) & set(gradient) != set()


def test_results_are_rounded_back_to_the_format_in_a_last_step() -> None:
    replay = make_replay("naive", [3.0, 1.0], 0, "float16", "float32")
    assert expressions(replay, replay.steps(K.WRONG_LOSS))[-1] == "{} in float16"
    assert float(replay.computed.loss.value[0]) == float(np.float16(replay.computed.loss.parents[0].value[0]))


def test_an_exact_result_removes_what_its_step_brought_about_and_no_other_does() -> None:
    """bfloat16 at 300: 300 + log 2 is 300, and both the loss and the gradient are computed from it."""
    replay = make_replay("log-sum-exp", [300.0, 300.0], 0, "bfloat16")
    assert replay.judged.findings == (K.WRONG_LOSS, K.WRONG_GRADIENT)
    cured = [
        i
        for i in replay.steps(K.WRONG_LOSS)
        if replay.with_exact(i, range(replay.computed.tape.steps[i].value.size)).has_lost(K.WRONG_LOSS)
    ]
    assert expressions(replay, cured) == ["{} + {}", "{} − {}"]
    assert replay.with_exact(cured[0], [None]).findings == ()
    assert replay.with_exact(cured[1], [None]).findings == (K.WRONG_GRADIENT,)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (
            Judged(kinds=(None, None), loss_ulps=3.0, gradient_ulps=3.0),
            Judged(kinds=(None, K.OVERFLOWING_GRADIENT), loss_ulps=0.0, gradient_ulps=0.0),
        ),
        (
            Judged(kinds=(K.INACCURATE_LOSS, None), loss_ulps=9.0, gradient_ulps=9.0),
            Judged(kinds=(None, K.WRONG_GRADIENT), loss_ulps=0.0, gradient_ulps=0.0),
        ),
        (
            Judged(kinds=(None, None), loss_ulps=1.5, gradient_ulps=0.0),
            Judged(kinds=(None, None), loss_ulps=0.0, gradient_ulps=2.5),
        ),
        (
            Judged(kinds=(None, None), loss_ulps=1.5, gradient_ulps=0.0),
            Judged(kinds=(None, None), loss_ulps=0.0, gradient_ulps=math.nan),
        ),
        (
            Judged(kinds=(None, None), loss_ulps=1.5, gradient_ulps=0.0),
            Judged(kinds=(None, None), loss_ulps=math.inf, gradient_ulps=0.0),
        ),
    ],
)
def test_the_better_of_two_ranks_lower(better: Judged, worse: Judged) -> None:
    assert better.rank() < worse.rank()


def test_errors_below_an_ulp_are_alike() -> None:
    assert (
        Judged(kinds=(None, None), loss_ulps=0.1, gradient_ulps=0.9).rank()
        == Judged(kinds=(None, None), loss_ulps=0.5, gradient_ulps=0.2).rank()
    )


def test_the_worst_finding_is_of_worst_severity_then_the_first_decided() -> None:
    assert Judged(kinds=(K.ZEROED_LOSS, K.WRONG_GRADIENT), loss_ulps=0, gradient_ulps=0).worst() is K.WRONG_GRADIENT
    assert Judged(kinds=(K.INF_LOSS, K.NAN_GRADIENT), loss_ulps=0, gradient_ulps=0).worst() is K.NAN_GRADIENT
    assert Judged(kinds=(None, None), loss_ulps=0, gradient_ulps=0).worst() is None


def test_a_finding_is_lost_when_nothing_as_severe_is_left_in_its_place() -> None:
    left = Judged(kinds=(K.INACCURATE_LOSS, K.NAN_GRADIENT), loss_ulps=0, gradient_ulps=0)
    assert left.has_lost(K.NAN_LOSS)
    assert not left.has_lost(K.ZEROED_LOSS)
    assert not left.has_lost(K.WRONG_GRADIENT)


def test_precision_follows_the_logits_within_bounds() -> None:
    near, far, mask = (make_replay("naive", [x, 0.0], 0) for x in (1.0, 1000.0, -math.inf))
    least = find_precision(mask.conditions, mask.cases)
    assert find_precision(near.conditions, near.cases) == least + 3  # 2/log 2 = 2.9
    assert find_precision(far.conditions, far.cases) == least + 2886
    huge = make_replay("naive", [3e38, 0.0], 0)
    assert find_precision(huge.conditions, huge.cases) == least + 2**16
