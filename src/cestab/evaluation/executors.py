"""Executors: a map over parts of a plan, in this process or in several; the same bytes for any number of them and any order."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from cestab.errors import OptionName, UsageError
from cestab.evaluation.blocks import Block, Outcome, evaluate_blocks, merge_results
from cestab.evaluation.evaluate import evaluate_block
from cestab.evaluation.lines import evaluate_line, is_line
from cestab.evaluation.memory import keep_freed_memory
from cestab.evaluation.pairs import evaluate_pairs
from cestab.evaluation.plan import Plan
from cestab.evaluation.stretches import has_stretches
from cestab.external.formulation import find_any_formulation
from cestab.formulations.registry import FORMULATIONS
from cestab.vocabulary.phrases import show_count, show_duration

Advance = Callable[[int], Any]  # gets the number of cases done so far
Evaluate = Callable[[Block], Mapping[str, Outcome]]
PROBES, CASES_PER_PROBE = 9, 2**18


def ignore_cases(_: int) -> None:
    """Ignore how many cases are done."""


def evaluate_part(part: Block) -> Mapping[str, Outcome]:
    """Return the outcomes of a part of an exhaustive range by formulation; after Ctrl-C some are missing."""
    if not part.conditions.has_map and has_stretches(part.conditions):
        return evaluate_pairs(part)
    if is_line(part.conditions):
        return evaluate_line(part)
    return evaluate_blocks(part.split(), part.formulations, evaluate_block)


@dataclass(kw_only=True)
class Workers:
    """Up to `jobs` processes, which start with the first long work and end with the context."""

    jobs: int = 1
    pool: ProcessPoolExecutor | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def evaluate(self, plan: Plan, advance: Advance = ignore_cases) -> dict[str, Outcome]:
        """Return the outcomes of a long plan by formulation; `advance` is called after each part."""
        parts = list(plan.parts())
        if self.jobs == 1 or not all(map(_is_shared, plan.formulations)):
            return evaluate_blocks(counted(parts, advance), plan.formulations, evaluate_part)
        merged: dict[str, Outcome] = {}
        for _part, outcomes in zip(counted(parts, advance), self._map(parts), strict=True):
            merged = merge_results([merged, outcomes])
        return merged

    def _map(self, parts: Sequence[Block]) -> Iterator[Mapping[str, Outcome]]:
        if self.pool is None:
            # not forked: a copy of this process would hold its locks and the pipes of external losses
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_prepare)
        try:
            yield from self.pool.map(evaluate_part, parts)
        except BrokenProcessPool:
            raise UsageError(
                "a process of ", OptionName("jobs"), " ended before its work, as where memory runs out: try fewer of them"
            ) from None


def _prepare() -> None:
    """Prepare a worker: Ctrl-C is for the process that started it, without which it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has one"
    parent.join()
    os._exit(1)


def _is_shared(name: str) -> bool:
    """Whether another process finds the formulation by its name, and needs nothing else: one of cestab's own."""
    return find_any_formulation(name).name.partition(":")[0] in FORMULATIONS


def count_cases(work: Block | Plan) -> int:
    """Return the number of cases, each counted once per formulation."""
    return len(work.ordinals) * len(work.formulations)


def counted(blocks: Iterable[Block], advance: Advance) -> Iterator[Block]:
    """Yield blocks, and tell before each how many cases those before it had."""
    done = 0
    for block in blocks:
        advance(done)
        yield block
        done += count_cases(block)


def announce_long_work(
    plans: Sequence[Plan], jobs: int, announce: Callable[[str], Any], evaluate: Evaluate = evaluate_part
) -> None:
    """Say how many cases of exhaustive ranges are tried and about how long it takes, from a few slices of every long plan."""
    long = [plan for plan in plans if plan.is_long]
    if not long:
        return
    seconds = sum(_estimate_seconds(plan, jobs, evaluate) for plan in long)
    floats, settings = sum(map(count_cases, long)), sum(len(plan.formulations) for plan in long)
    work = f"{show_count(settings, 'setting')}, about {show_duration(seconds)} with {show_count(jobs, 'process')}"
    announce(f"every float is tried: {show_count(floats, 'case')} in {work}")


def _estimate_seconds(plan: Plan, jobs: int, evaluate: Evaluate) -> float:
    step = len(plan.every) // PROBES
    length = min(step, max(1, CASES_PER_PROBE // plan.conditions.classes))
    probes = [plan.every[place : place + length] for place in range(0, step * PROBES, step)]
    seconds = 0.0
    for part in (probes[0], *probes):
        start = time.perf_counter()
        evaluate(Block(conditions=plan.conditions, formulations=plan.formulations, ordinals=part))
        seconds += time.perf_counter() - start if part is not probes[0] else 0.0  # the first call takes longer
    seconds *= step / length * PROBES / (PROBES - 1)
    return seconds / jobs if all(map(_is_shared, plan.formulations)) else seconds
