"""The search for boundaries: on made-up outcomes of ordinals, and on a float32 boundary that is known."""

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest

from builders import build_conditions
from cestab.evaluation.blocks import Block
from cestab.evaluation.boundaries import Probe, Search, find_boundaries, refine_runs
from cestab.evaluation.evaluate import evaluate_block
from cestab.judgement.summary import Run, Summary, join_runs, outcome_kinds
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import IntArray, from_ordinal, to_ordinal
from cestab.vocabulary.kinds import FindingKind

K = FindingKind


class StepFunction:
    """Outcome k from the k-th step on, 0 before the first; counts how often it is asked."""

    def __init__(self, steps: list[int]) -> None:
        self.steps = steps
        self.asked = 0

    def outcome(self, position: int) -> int:
        return bisect_right(self.steps, position)

    def probe(self, ordinals: IntArray) -> list[Run]:
        self.asked += ordinals.size
        assert np.all(np.diff(ordinals) > 0), "probes ascend"
        return [Run(start=k, stop=k, outcome=self.outcome(k)) for k in ordinals.tolist()]

    def sampled(self, positions: list[int]) -> tuple[Run, ...]:
        return join_runs(Run(start=k, stop=k, outcome=self.outcome(k)) for k in positions)


@pytest.mark.parametrize(
    ("steps", "positions"),
    [
        ([3], [0, 100]),
        ([1], [0, 1]),
        ([-5, 7, 8], [-100, 0, 100]),
        ([2**62 - 1], [-(2**62), 0, 2**62]),
        ([-(2**62) + 1, 0, 1, 2**61 + 12345], [-(2**62), -1, 2**40, 2**62]),
        ([-1000, 40, 77, 10**15], [-(2**50), -500, 60, 10**6, 2**50]),
    ],
)
@pytest.mark.parametrize("classes", [2, 1000])
def test_every_boundary_is_found_between_neighbours(steps: list[int], positions: list[int], classes: int) -> None:
    function = StepFunction(steps)
    runs, unrefined = refine_runs(function.sampled(positions), function.probe, classes)
    ends = [positions[0], *steps, positions[-1] + 1]
    assert runs == tuple(Run(start=a, stop=b - 1, outcome=k) for k, (a, b) in enumerate(pairwise(ends)))
    assert unrefined == 0


def test_several_steps_within_one_gap_may_be_missed_but_what_is_told_is_true() -> None:
    """An outcome that comes and goes between two probes cannot be seen; every boundary told has it on both sides."""
    function = StepFunction([1000, 1001, 5 * 10**17])
    runs, unrefined = refine_runs(function.sampled([0, 10**18]), function.probe, 2)
    assert unrefined == 0
    assert all(b.start - a.stop == 1 for a, b in pairwise(runs))
    assert all(function.outcome(end) == run.outcome for run in runs for end in (run.start, run.stop))


def test_runs_that_already_touch_are_not_probed() -> None:
    def never(_: IntArray) -> list[Run]:
        pytest.fail("there is nothing between neighbours")

    runs = (Run(start=-5, stop=4, outcome=0), Run(start=5, stop=9, outcome=3))
    assert refine_runs(runs, never, 2) == (runs, 0)
    assert refine_runs((Run(start=-5, stop=4, outcome=0),), never, 2) == ((Run(start=-5, stop=4, outcome=0),), 0)
    assert refine_runs((), never, 2) == ((), 0)


def scrambled(position: int) -> int:
    """0 or 1 without any pattern that evenly spaced probes could share."""
    return (position * 2654435761 >> 13) % 2


def alternating(asked: list[int]) -> Probe:
    def probe(ordinals: IntArray) -> list[Run]:
        asked.append(ordinals.size)
        return [Run(start=k, stop=k, outcome=scrambled(k)) for k in ordinals.tolist()]

    return probe


def test_an_outcome_that_alternates_from_float_to_float_comes_to_an_end() -> None:
    asked: list[int] = []
    ends = [next(k for k in range(start, start + 100) if scrambled(k) == outcome) for start, outcome in ((0, 0), (10**12, 1))]
    runs, unrefined = refine_runs(tuple(Run(start=k, stop=k, outcome=scrambled(k)) for k in ends), alternating(asked), 2)
    assert unrefined > 0
    assert len(asked) <= 2 * 41
    assert sum(asked) < 10**6
    assert list(runs) == sorted(runs)
    assert all(run.outcome == scrambled(run.start) == scrambled(run.stop) for run in runs)


def test_the_gap_nearest_to_0_comes_first() -> None:
    """More boundaries than are searched at a time: those left apart are the farthest ones."""
    asked: list[int] = []
    far = [Run(start=k, stop=k, outcome=k // 1000 % 2) for k in range(1000, 200_001, 1000)]

    def probe(ordinals: IntArray) -> list[Run]:
        asked.extend(ordinals.tolist())
        return [Run(start=k, stop=k, outcome=k // 1000 % 2) for k in ordinals.tolist()]

    runs, unrefined = refine_runs(tuple(far), probe, 2**15)
    gaps = [a.stop for a, b in pairwise(runs) if b.start - a.stop > 1]
    assert len(gaps) == unrefined
    assert max(asked[:64]) < 66_000


@pytest.mark.parametrize("sign", [1, -1])
def test_the_naive_gradient_turns_nan_where_exp_overflows_in_float32(sign: int) -> None:
    """log(max) = log((2 − 2^-23)·2^127) = 88.7228390…: exp of the float32 below is finite, of 0x1.62e430p+6 it is not."""
    fmt = FORMATS["float32"]
    conditions = build_conditions(fmt, pattern="margin", target="wrong")
    tried = np.sort(to_ordinal(sign * np.array([1.0, 50.0, 60.0, 200.0]), fmt))
    before = evaluate_block(Block(conditions=conditions, formulations=("naive",), ordinals=tried))["naive"]
    assert isinstance(before, Summary)
    search = Search(conditions=conditions, formulation="naive", tried=tried, summary=before)
    summary, now_tried, unrefined = find_boundaries(search)
    assert unrefined == 0
    assert now_tried.size == summary.cases > tried.size
    first_nan = to_ordinal(np.array([float.fromhex("0x1.62e430p+6")]), fmt)
    below, above = from_ordinal(np.array([first_nan[0] - 1, first_nan[0]]), fmt).tolist()
    assert below < math.log(fmt.max) < above
    nan_runs = [run for run in summary.runs if outcome_kinds(run.outcome)[1] is K.NAN_GRADIENT]
    if sign > 0:
        assert [run.start for run in nan_runs] == first_nan.tolist()
        assert summary.tallies[K.NAN_GRADIENT].first == first_nan[0]
        assert summary.cases > before.cases, "cases tried while bisecting count"
    else:  # log p is −inf where exp(t) rounds to 0, below half the smallest subnormal 2^-149
        smallest = int(to_ordinal(np.array([-math.log(2) * 150]), fmt)[0])
        assert abs(nan_runs[0].stop - smallest) <= 1
        assert nan_runs[0].start == tried[0]
