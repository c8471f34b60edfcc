"""Time of a whole audit over the bare NumPy arithmetic of the same formulation, on the same blocks.

Run `python tests/benchmarks/bench_audit.py`. Bare means the same operations and roundings, without tape, truth or
judgement. The two are timed in turn, block by block, and the smallest time of many repetitions counts, so that the ratio
holds on a noisy machine. Nothing here passes or fails.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cestab.cases.ranges import resolve_range
from cestab.commands.sweep.request import make_sweep_request
from cestab.evaluation.blocks import NUMBERS_PER_BLOCK, Cases, Conditions
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import find_truth, judge_cases, make_cases
from cestab.evaluation.plan import plan_sweep
from cestab.formulations import find_formulation
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, from_ordinal, to_ordinal
from cestab.numerics.target import IndexTarget

Rounding = Callable[[FloatArray], FloatArray]
Bare = Callable[[FloatArray, IndexTarget, Rounding], tuple[FloatArray, FloatArray]]
REPETITIONS = 30


def rounding_of(fmt: Format) -> Rounding:
    if not fmt.is_narrow:
        return lambda x: x
    return lambda x: x.astype(fmt.dtype).astype(np.float32)


def halving_sum(x: FloatArray) -> FloatArray:
    while len(x) > 1:
        half = len(x) // 2
        folded = x[:half] + x[len(x) - half :]
        x = folded if len(x) % 2 == 0 else np.concatenate((folded, x[half : half + 1]))
    total: FloatArray = x[0]
    return total


def log_sum_exp(z: FloatArray, target: IndexTarget, rnd: Rounding) -> tuple[FloatArray, FloatArray]:
    peak = np.max(z, axis=0)
    lse = rnd(peak + rnd(np.log(rnd(halving_sum(rnd(np.exp(rnd(z - peak))))))))
    loss = rnd(lse - z.reshape(-1).take(target.flat))
    gradient = rnd(np.exp(rnd(z - lse)))
    gradient.reshape(-1)[target.flat] -= 1
    return loss, rnd(rnd(gradient) * np.float32(1))


def naive(z: FloatArray, target: IndexTarget, rnd: Rounding) -> tuple[FloatArray, FloatArray]:
    e = rnd(np.exp(z))
    total = rnd(halving_sum(e))
    p = rnd(e / total)
    loss = -rnd(np.log(p)).reshape(-1).take(target.flat)
    upstream = np.zeros_like(z)
    upstream.reshape(-1)[target.flat] = -1
    upstream = rnd(upstream / p)
    through_sum = rnd(halving_sum(rnd(-upstream * rnd(p / total))))
    return loss, rnd(rnd(rnd(upstream / total) + through_sum) * e)


def make_blocks(dtype: str, classes: int, logits: str) -> list[tuple[Conditions, Cases]]:
    """Return blocks of margin cases: at the range's floats, evenly in their order, for `all`; else evenly in t."""
    request = make_sweep_request("naive", dtypes=dtype, logits=logits, patterns="margin", classes=classes, targets="correct")
    (plan,) = plan_sweep(request)
    size = NUMBERS_PER_BLOCK // classes
    first, last = resolve_range(request.logits, plan.conditions.fmt)
    fmt = plan.conditions.fmt
    low, high = from_ordinal(np.array([first, last]), fmt)
    even = np.linspace(first, last, 4 * size) if logits == "all" else to_ordinal(np.linspace(low, high, 4 * size), fmt)
    ordinals = np.unique(even.astype(np.int64))
    return [
        (plan.conditions, make_cases(plan.conditions, ordinals[start : start + size]))
        for start in range(0, ordinals.size, size)
    ]


def best_of(work: Callable[[], Any]) -> float:
    """Return the smallest time of many calls in seconds."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name: str, bare: Bare, dtype: str, classes: int, logits: str) -> str:
    formulation = find_formulation(name)
    seconds = dict.fromkeys(("bare", "formulation", "truth", "whole"), 0.0)
    cases_done = 0
    for conditions, cases in make_blocks(dtype, classes, logits):
        rnd = rounding_of(conditions.fmt)
        target = cases.target
        assert isinstance(target, IndexTarget)

        def whole(conditions: Conditions = conditions, cases: Cases = cases) -> None:
            judge_cases(conditions, formulation, cases, find_truth(conditions, cases, precise=True), has_map=True)

        def run(conditions: Conditions = conditions, cases: Cases = cases) -> None:
            compute_formulation(conditions, formulation, cases)

        with np.errstate(all="ignore"):
            seconds["bare"] += best_of(lambda z=cases.logits, t=target, r=rnd: bare(z, t, r))  # type: ignore[misc]
        seconds["formulation"] += best_of(run)
        seconds["truth"] += best_of(lambda c=conditions, x=cases: find_truth(c, x, precise=True))  # type: ignore[misc]
        seconds["whole"] += best_of(whole)
        cases_done += cases.positions.size
    nanoseconds = {part: 1e9 * spent / cases_done for part, spent in seconds.items()}
    judgement = nanoseconds["whole"] - nanoseconds["formulation"] - nanoseconds["truth"]
    return (
        f"{name:12} {dtype:9} {classes:5} {logits:6} bare {nanoseconds['bare']:8.1f} ns  formulation "
        f"{nanoseconds['formulation']:8.1f}  truth {nanoseconds['truth']:8.1f}  judgement {judgement:8.1f}  "
        f"whole/bare {nanoseconds['whole'] / nanoseconds['bare']:5.2f}"
    )


def main() -> None:
    for name, bare in (("log-sum-exp", log_sum_exp), ("naive", naive)):
        for dtype, classes in (("float32", 2), ("float32", 1000), ("bfloat16", 2)):
            for logits in ("-8:8", "all") if dtype == "float32" else ("all",):  # bfloat16 has too few floats in −8:8
                print(measure(name, bare, dtype, classes, logits))


if __name__ == "__main__":
    main()
