"""Onsets: where a finding is first seen in a sampled range, search between the last tried float without it and that one.

A graded finding flickers with the rounding, so what is found is at most where it begins; of a hard one nothing is left to
search, as its boundaries are neighbouring floats already (boundaries.py).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from cestab.evaluation.blocks import Conditions
from cestab.evaluation.boundaries import cut
from cestab.evaluation.evaluate import find_truth, judge_cases, make_cases
from cestab.external.formulation import find_any_formulation
from cestab.judgement.rules import CODES
from cestab.judgement.summary import Summary, nearness
from cestab.numerics.rounding import IntArray, without
from cestab.vocabulary.kinds import FindingKind

MOST_PROBES = 31
NUMBERS_PER_ROUND = 2**14
MOST_ROUNDS = 64

Find = Callable[[IntArray], Mapping[FindingKind, frozenset[int]]]


class Onset(NamedTuple):
    """One kind of finding on one side of 0: the last tried position without it, and the first with it."""

    kind: FindingKind
    without: int
    first: int


def refine_onsets(conditions: Conditions, formulation: str, tried: IntArray, summary: Summary) -> Summary:
    """Return the summary with the first floats of its findings, and the floats before them, as further cases."""
    onsets = refine(find_onsets(tried, summary), _make_find(conditions, formulation), conditions.classes)
    ends = [position for onset in onsets for position in (onset.without, onset.first)]
    new = without(np.array(ends, dtype=np.int64), tried)
    if not new.size:
        return summary
    cases = make_cases(conditions, new)
    truth = find_truth(conditions, cases, precise=True)
    judged = judge_cases(conditions, find_any_formulation(formulation), cases, truth, has_map=False)[1]
    return summary.merge(judged)


def find_onsets(tried: IntArray, summary: Summary) -> list[Onset]:
    """Return the onsets of a summary of ascending tried positions that are no neighbouring floats."""
    onsets = []
    for kind, tally in summary.tallies.items():
        for first, step in ((tally.first_positive, -1), (tally.first_negative, 1)):
            if not first:  # none, or 0: nothing is nearer
                continue
            before = int(np.searchsorted(tried, first)) + step
            if 0 <= before < tried.size and int(tried[before]) * first >= 0 and abs(int(tried[before]) - first) > 1:
                onsets.append(Onset(kind, int(tried[before]), first))
    return onsets


def refine(onsets: list[Onset], find: Find, classes: int) -> list[Onset]:
    """Return the onsets between neighbouring floats, as far as a bounded number of rounds brings them."""
    for _ in range(MOST_ROUNDS):
        is_open = [abs(onset.first - onset.without) > 1 for onset in onsets]
        if not any(is_open):
            break
        count = max(1, min(MOST_PROBES, NUMBERS_PER_ROUND // (classes * sum(is_open))))
        probes = [
            sorted(cut((o.without, o.first), count), key=nearness) if each else []
            for o, each in zip(onsets, is_open, strict=True)
        ]
        found = find(np.unique([position for own in probes for position in own]))
        onsets = [_narrow(onset, own, found.get(onset.kind, frozenset())) for onset, own in zip(onsets, probes, strict=True)]
    return onsets


def _narrow(onset: Onset, probes: list[int], found: frozenset[int]) -> Onset:
    """Return the onset after probes that ascend from 0: between the first one with the finding and the one before it."""
    positions = [onset.without, *probes, onset.first]
    at = next(i for i, position in enumerate(positions) if position in found or position == onset.first)
    return Onset(onset.kind, positions[at - 1], positions[at])


def _make_find(conditions: Conditions, name: str) -> Find:
    """Return the function that tries ascending positions and returns where each kind of finding is."""
    formulation = find_any_formulation(name)

    def find(positions: IntArray) -> dict[FindingKind, frozenset[int]]:
        cases = make_cases(conditions, positions)
        truth = find_truth(conditions, cases, precise=False)
        judgement, summary = judge_cases(conditions, formulation, cases, truth, has_map=False)
        codes = {True: judgement.loss_codes, False: judgement.gradient_codes}
        return {kind: frozenset(cases.positions[codes[kind.is_loss] == CODES[kind]].tolist()) for kind in summary.tallies}

    return find
