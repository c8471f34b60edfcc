"""Lines: every float of a range as the moving logit of two classes, or as the logit of a binary loss."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from cestab.evaluation.blocks import Block, Cases, Conditions, Outcome, attempt, evaluate_each
from cestab.evaluation.compute import compute_rows
from cestab.evaluation.evaluate import make_cases
from cestab.evaluation.stretches import Indices, LineJudge, Numbering, Slice, has_stretches
from cestab.external.formulation import find_any_formulation
from cestab.judgement.summary import Summary
from cestab.numerics.target import repeat_target

PATTERNS = ("margin", "equal")  # whose moving logits are t itself
CASES_PER_SLICE = 2**17


def is_line(conditions: Conditions) -> bool:
    """Whether the cases of neighbouring floats are a line whose stretches can be proven by their ends."""
    return conditions.pattern in PATTERNS and conditions.fmt.name == "float32" and has_stretches(conditions)


def evaluate_line(block: Block) -> dict[str, Outcome]:
    """Return a summary per formulation of a block of consecutive floats; after Ctrl-C some are missing."""
    return judge_slices(block, make_slices)


def judge_slices(
    block: Block, make_slices: Callable[[Block], Iterator[Slice]], *, number: Numbering | None = None
) -> dict[str, Outcome]:
    """Return a summary per formulation of a block that is made in slices; after Ctrl-C some are missing."""

    def judge(name: str) -> Outcome:
        conditions, formulation = block.conditions, find_any_formulation(name)
        judging = LineJudge(
            conditions=conditions, compute=lambda cases: compute_rows(conditions, formulation, cases), number=number
        )

        def judge_all() -> Summary:
            for part in make_slices(block):
                judging.add(part)
            judging.flush()
            return judging.summary

        return attempt(judge_all)

    return evaluate_each(block.formulations, judge)


def make_slices(block: Block) -> Iterator[Slice]:
    """Yield the cases of a block, ascending, in slices of one sign and so of one target."""
    conditions, ordinals = block.conditions, block.ordinals
    assert isinstance(ordinals, range), "consecutive floats"
    for side in (range(ordinals.start, min(0, ordinals.stop)), range(max(0, ordinals.start), ordinals.stop)):
        if not side:
            continue
        one = make_cases(conditions, np.array([side.start]))
        moving = slice(None) if conditions.pattern == "equal" else slice(1)
        target = repeat_target(one.target, CASES_PER_SLICE)
        for start in side[::CASES_PER_SLICE]:
            stop = min(start + CASES_PER_SLICE, side.stop)
            magnitude = _count_floats(start, stop)
            logits = np.zeros((len(one.logits), magnitude.size), dtype=magnitude.dtype)
            logits[moving] = -magnitude if start < 0 else magnitude
            own = target if magnitude.size == CASES_PER_SLICE else repeat_target(one.target, magnitude.size)
            cases = Cases(positions=np.arange(start, stop), logits=logits, target=own)
            yield Slice(cases=cases, moving=magnitude, choose=partial(_make_some, conditions, start))


def _make_some(conditions: Conditions, start: int, places: Indices) -> Cases:
    return make_cases(conditions, start + places)


def _count_floats(start: int, stop: int) -> npt.NDArray[np.float32]:
    """Return |t| of consecutive ordinals of float32 of one sign: their bits count up, or down below 0."""
    if start < 0:
        return np.arange(1 - stop, 1 - start, dtype=np.uint32)[::-1].copy().view(np.float32)
    return np.arange(start, stop, dtype=np.uint32).view(np.float32)
