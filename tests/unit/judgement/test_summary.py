"""Summaries merge in any order and any grouping, and do not depend on how the cases were cut into blocks."""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import build_conditions
from cestab.evaluation.blocks import Block, merge_results
from cestab.evaluation.evaluate import evaluate_block
from cestab.judgement.judge import Judgement
from cestab.judgement.rules import CODES, KINDS
from cestab.judgement.summary import (
    NO_ERROR,
    Error,
    Run,
    Summary,
    Tally,
    find_runs,
    hard_outcomes,
    join_runs,
    nearness,
    outcome_kinds,
    summarize,
)
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format, to_ordinal
from cestab.vocabulary.kinds import FindingKind

K = FindingKind


def merge_in_turn(summaries: Iterable[Summary]) -> Summary:
    return reduce(Summary.merge, summaries, Summary())


def made_up_judgement(size: int, seed: int) -> Judgement:
    """Codes that come in runs, errors with NaN and with many equal ones."""
    rng = np.random.default_rng(seed)
    loss_kinds = [0, *(CODES[k] for k in KINDS if k.is_loss)]
    gradient_kinds = [0, *(CODES[k] for k in KINDS if not k.is_loss)]
    ulps = rng.choice([0.0, 0.5, 1.0, 7.0, 1e9, np.inf, np.nan], (2, size), p=[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.1])
    return Judgement(
        loss_codes=np.repeat(rng.choice(loss_kinds, size), rng.integers(1, 4, size))[:size].astype(np.int8),
        gradient_codes=np.repeat(rng.choice(gradient_kinds, size), rng.integers(1, 4, size))[:size].astype(np.int8),
        loss_outcomes=np.repeat(rng.choice(loss_kinds, size), rng.integers(1, 4, size))[:size].astype(np.int8),
        gradient_outcomes=np.repeat(rng.choice(gradient_kinds, size), rng.integers(1, 4, size))[:size].astype(np.int8),
        loss_ulps=ulps[0],
        gradient_ulps=ulps[1],
        loss_relative=ulps[0] / 7,
        gradient_relative=ulps[1] / 7,
        doubtful=np.zeros(size, dtype=np.bool_),
    )


def cut(judgement: Judgement, part: slice) -> Judgement:
    return Judgement(**{name: values[part] for name, values in vars(judgement).items()})


def joined(summary: Summary) -> Summary:
    """The summary as reports use it: runs joined, and no place for an error that does not exist."""
    loss, gradient = (NO_ERROR if error.ulps < 0 else error for error in (summary.loss_error, summary.gradient_error))
    return replace(summary, runs=join_runs(summary.runs), loss_error=loss, gradient_error=gradient)


def by_hand(positions: list[int], judgement: Judgement) -> dict[FindingKind, tuple[int, int, int, int, Error]]:
    """Tallies from plain loops: count, nearest to 0 (the positive of two), extremes, worst."""
    expected = {}
    for kind in KINDS:
        codes, ulps = (
            (judgement.loss_codes, judgement.loss_ulps) if kind.is_loss else (judgement.gradient_codes, judgement.gradient_ulps)
        )
        chosen = [(p, float(u)) for p, c, u in zip(positions, codes, ulps, strict=True) if c == CODES[kind]]
        if chosen:
            places = [p for p, _ in chosen]
            nearest = min(places, key=lambda p: (abs(p), -p))
            finite = [(-u, abs(p), -p) for p, u in chosen if not math.isnan(u)]
            worst = min(finite) if finite else (1.0, abs(nearest), -nearest)
            expected[kind] = (len(chosen), nearest, min(places), max(places), Error(-worst[0], -worst[2]))
    return expected


@given(st.integers(1, 60), st.integers(-40, 20), st.integers(0, 10**6), st.data())
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_cut_and_any_order_give_the_same_summary(size: int, start: int, seed: int, data: st.DataObject) -> None:
    judgement, positions = made_up_judgement(size, seed), np.arange(start, start + size)
    whole = summarize(positions, judgement, undefined=3, escalated=2, ties=1, has_map=True)
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, size), max_size=6)) - {size}), size]
    parts = [
        summarize(
            positions[a:b],
            cut(judgement, slice(a, b)),
            undefined=3 * (a == 0),
            escalated=2 * (a == 0),
            ties=a == 0,
            has_map=True,
        )
        for a, b in pairwise(edges)
    ]
    shuffled = data.draw(st.permutations(parts))
    left = merge_in_turn(shuffled)
    right = reduce(lambda later, earlier: earlier.merge(later), reversed(shuffled), Summary())
    middle = len(shuffled) // 2
    halves = merge_in_turn(shuffled[:middle]).merge(merge_in_turn(shuffled[middle:]))
    assert joined(left) == joined(right) == joined(halves) == joined(whole)


@pytest.mark.parametrize("seed", range(12))
def test_tallies_are_those_of_plain_loops(seed: int) -> None:
    judgement, positions = made_up_judgement(80, seed), np.arange(-37, 43)
    tallies = summarize(positions, judgement, undefined=0, escalated=0, ties=0, has_map=False).tallies
    expected = by_hand(positions.tolist(), judgement)
    assert {kind: (t.cases, t.first, t.lowest, t.highest, t.worst) for kind, t in tallies.items()} == expected


def tally_at(position: int, ulps: float = 1.0) -> Tally:
    sides = (
        {"first_positive": position, "first_negative": None}
        if position >= 0
        else {"first_positive": None, "first_negative": position}
    )
    return Tally(cases=1, lowest=position, highest=position, worst=Error(ulps, position), **sides)


def test_the_first_case_is_the_nearest_to_0_the_positive_of_two() -> None:
    assert min([-2, 5, 2, -7], key=nearness) == 2
    for negative, positive, first in ((-3, 4, -3), (-3, 3, 3)):
        a, b = tally_at(negative), tally_at(positive)
        both = Tally(
            cases=2,
            first_positive=positive,
            first_negative=negative,
            lowest=negative,
            highest=positive,
            worst=Error(1.0, first),
        )
        assert a.merge(b) == b.merge(a) == both
        assert both.first == first
    assert tally_at(-5).merge(tally_at(-3)).first_negative == -3
    assert tally_at(0).merge(tally_at(2)).first_positive == 0


def test_the_worst_error_is_the_largest_then_the_nearest_to_0() -> None:
    small, large, larger_far = tally_at(1, 2.0), tally_at(9, 3.0), tally_at(-9, 3.0)
    assert small.merge(large).worst == large.merge(small).worst == Error(3.0, 9)
    assert large.merge(larger_far).worst == larger_far.merge(large).worst == Error(3.0, 9)
    assert Error(0.0, 5).is_worse_than(NO_ERROR)


def test_the_largest_relative_errors_are_kept() -> None:
    judgement = made_up_judgement(40, 3)
    summary = summarize(np.arange(40), judgement, undefined=0, escalated=0, ties=0, has_map=False)
    assert summary.loss_relative == max(x for x in judgement.loss_relative.tolist() if not math.isnan(x))
    nothing = replace(judgement, loss_relative=np.full(40, np.nan))
    assert summarize(np.arange(40), nothing, undefined=0, escalated=0, ties=0, has_map=False).loss_relative is None


def test_an_empty_summary_changes_nothing() -> None:
    full = summarize(np.arange(5), made_up_judgement(5, 1), undefined=1, escalated=0, ties=0, has_map=True)
    assert Summary().merge(full) == full.merge(Summary()) == full


def test_runs_are_maximal_and_join_across_blocks() -> None:
    assert find_runs(np.array([-4, -1, 0, 6, 7]), np.array([5, 5, 0, 0, 9])) == (
        Run(start=-4, stop=-1, outcome=5),
        Run(start=0, stop=6, outcome=0),
        Run(start=7, stop=7, outcome=9),
    )
    assert find_runs(np.array([], dtype=np.int64), np.array([], dtype=np.int64)) == ()
    assert join_runs(
        [
            Run(start=5, stop=9, outcome=1),
            Run(start=-3, stop=0, outcome=1),
            Run(start=1, stop=4, outcome=0),
            Run(start=10, stop=11, outcome=1),
        ]
    ) == (
        Run(start=-3, stop=0, outcome=1),
        Run(start=1, stop=4, outcome=0),
        Run(start=5, stop=11, outcome=1),
    )


def test_outcomes_tell_every_pair_of_kinds_apart() -> None:
    losses, gradients = [None, *(k for k in KINDS if k.is_loss)], [None, *(k for k in KINDS if not k.is_loss)]
    for loss, gradient in product(losses, gradients):
        nothing = np.zeros(1)
        judgement = replace(
            made_up_judgement(1, 0),
            loss_outcomes=nothing.astype(np.int8) + (CODES[loss] if loss else 0),
            gradient_outcomes=nothing.astype(np.int8) + (CODES[gradient] if gradient else 0),
        )
        assert outcome_kinds(int(hard_outcomes(judgement)[0])) == (loss, gradient)


@pytest.mark.parametrize("name", ["float16", "float32"])
@pytest.mark.parametrize("classes", [2, 40])
@pytest.mark.parametrize(("pattern", "target"), [("margin", "wrong"), ("gaussian", "smooth:0.1"), ("masked", "correct")])
def test_the_size_of_blocks_changes_no_bit(name: str, classes: int, pattern: str, target: str) -> None:
    fmt = FORMATS[name]
    conditions = build_conditions(fmt, classes=classes, pattern=pattern, target=target, seed=3)
    rng = np.random.default_rng(8)
    t = np.concatenate((rng.uniform(-120, 120, 150), rng.uniform(-1, 1, 50) * fmt.max, [-fmt.max, 0.0, fmt.max]))
    ordinals = np.unique(to_ordinal(round_to_format(t, fmt), fmt))
    names = ("naive", "online:chunk=7", "compensated")
    whole = evaluate_block(Block(conditions=conditions, formulations=names, ordinals=ordinals))
    for size in (1, 7, 64):
        starts = rng.permutation(np.arange(0, ordinals.size, size)) if size > 1 else np.arange(0, ordinals.size, size)
        parts = merge_results(
            evaluate_block(Block(conditions=conditions, formulations=names, ordinals=ordinals[a : a + size]))
            for a in starts.tolist()
        )
        for formulation in names:
            merged, all_at_once = parts[formulation], whole[formulation]
            assert isinstance(merged, Summary)
            assert isinstance(all_at_once, Summary)
            assert repr(joined(merged)) != repr(Summary())
            assert joined(merged) == joined(all_at_once), (formulation, size)
