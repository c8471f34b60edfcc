"""Boundaries: where the hard outcome changes between two tried floats, search between them down to neighbours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from cestab.evaluation.blocks import Conditions
from cestab.evaluation.evaluate import find_truth, judge_cases, judge_hard_cases, make_cases
from cestab.external.formulation import find_any_formulation
from cestab.judgement.summary import Run, Summary, hard_outcomes, join_runs, nearness
from cestab.numerics.rounding import IntArray, distinct, without

# A setting whose outcome alternates with the rounding has thousands of boundaries; at most this many are searched at a time.
MOST_SEARCHED = 64
MOST_PROBES = 255
NUMBERS_PER_ROUND = 2**16

Probe = Callable[[IntArray], list[Run]]


@dataclass(frozen=True, kw_only=True)
class Search:
    """One setting's summary of a sampled range, whose boundaries are to be found; `tried` are its ordinals."""

    conditions: Conditions
    formulation: str
    tried: IntArray
    summary: Summary


def find_boundaries(search: Search) -> tuple[Summary, IntArray, int]:
    """Return the summary with the floats on both sides of every boundary, the tried ordinals, the number of unrefined ones."""
    probe = _make_probe(search.conditions, search.formulation)
    runs, unrefined = refine_runs(join_runs(search.summary.runs), probe, search.conditions.classes)
    ends = [position for a, b in pairwise(runs) for position in (a.stop, b.start)]
    new = without(np.array(ends, dtype=np.int64), search.tried)
    summary = search.summary
    if new.size:
        cases = make_cases(search.conditions, new)
        truth = find_truth(search.conditions, cases, precise=True)
        formulation = find_any_formulation(search.formulation)
        summary = summary.merge(judge_cases(search.conditions, formulation, cases, truth, has_map=True)[1])
    return replace(summary, runs=runs), distinct(np.concatenate((search.tried, new))), unrefined


def _make_probe(conditions: Conditions, name: str) -> Probe:
    """Return the function that tries ascending ordinals and returns each with its hard outcome."""
    formulation = find_any_formulation(name)

    def probe(ordinals: IntArray) -> list[Run]:
        cases = make_cases(conditions, ordinals)
        judgement = judge_hard_cases(conditions, formulation, cases)
        places = zip(cases.positions.tolist(), hard_outcomes(judgement).tolist(), strict=True)
        return [Run(start=place, stop=place, outcome=outcome) for place, outcome in places]

    return probe


def refine_runs(runs: tuple[Run, ...], probe: Probe, classes: int) -> tuple[tuple[Run, ...], int]:
    """Return the runs with every boundary between neighbouring ordinals, and the number of those left apart.

    Each round cuts every gap between differing runs by as many probes as a cache-sized block holds. Gaps nearest to 0
    come first; the rounds are bounded, so that an outcome that alternates from float to float cannot go on for ever.
    """
    gaps = _open_gaps(runs)
    budget = 2 * max((width.bit_length() for width in (stop - start for start, stop in gaps)), default=0)
    while gaps and budget > 0:
        count = max(1, min(MOST_PROBES, NUMBERS_PER_ROUND // (classes * len(gaps))))
        ordinals = sorted(ordinal for gap in gaps for ordinal in cut(gap, count))
        runs = join_runs([*runs, *probe(np.array(ordinals, dtype=np.int64))])
        gaps = _open_gaps(runs)
        budget -= (count + 1).bit_length() - 1
    return runs, sum(b.start - a.stop > 1 for a, b in pairwise(runs))


def _open_gaps(runs: tuple[Run, ...]) -> list[tuple[int, int]]:
    """Return the pairs of differing neighbours that are not neighbouring floats, nearest to 0, at most MOST_SEARCHED."""
    gaps = [(a.stop, b.start) for a, b in pairwise(runs) if b.start - a.stop > 1]
    return sorted(gaps, key=lambda gap: min(nearness(gap[0]), nearness(gap[1])))[:MOST_SEARCHED]


def cut(gap: tuple[int, int], count: int) -> set[int]:
    """Return up to `count` ordinals strictly inside the gap, evenly spaced."""
    start, stop = gap
    return {start + (stop - start) * i // (count + 1) for i in range(1, count + 1)} - {start, stop}
