"""The statements of advise: which formulation, which epsilon, which loss scales, which accumulator; each is measured."""

import math
from collections.abc import Callable, Iterator

from cestab.commands.advise.answer import Statement, Topic
from cestab.commands.advise.measure import Bench, Found, find_first, prove, show_place
from cestab.commands.sweep.advice import is_contrast, recommend
from cestab.evaluation.plan import group_by_options
from cestab.formulations import FORMULATIONS
from cestab.numerics.formats import find_format
from cestab.numerics.rounding import round_number
from cestab.vocabulary.kinds import FindingKind, Severity, Summation
from cestab.vocabulary.phrases import show_count

K = FindingKind
FAILURES = tuple(kind for kind in FindingKind if kind.severity is Severity.FAIL)
BROKEN = (K.NAN_LOSS, K.NAN_GRADIENT, K.INF_LOSS, K.INF_GRADIENT)
DEAD = (K.VANISHING_GRADIENT,)
OUTSIDE = (*FAILURES, K.OVERFLOWING_LOSS, K.OVERFLOWING_GRADIENT, K.UNDERFLOWING_GRADIENT)  # of the window of loss scales
USUAL_EPSILON = 1e-7
LARGEST_POWER = 45  # of ten
SAME_AS_LOG_SUM_EXP = "online"  # at the same magnitudes
FEW = 5  # magnitudes beside edge values: a sum over equal logits is the same everywhere
SCALES = (-24, 48)  # powers of two that are tried as a loss scale


def advise_dtype(bench: Bench) -> Iterator[Statement]:
    """Yield the statements for one dtype."""
    chosen, statement = choose_formulation(bench)
    yield statement
    yield choose_epsilon(bench)
    if chosen is not None:
        yield choose_loss_scale(bench, chosen)
        yield choose_accumulator(bench, chosen)


def choose_formulation(bench: Bench) -> tuple[str | None, Statement]:
    """Return the formulation that is advised, None without one, and the statement with what breaks the others."""
    asked = bench.request.formulations
    names = tuple(dict.fromkeys([*asked, *_list_sound(bench)]))
    results = bench.sweep(*names)
    asked_for = [result for result in results if result.setting.formulation in asked] if asked else results
    along = [result for result in results if result.setting.formulation not in asked] if asked else []
    (advice,) = recommend(asked_for, along) or (None,)
    failures = [
        found for name in names if (found := find_first([r for r in results if r.setting.formulation == name], FAILURES))
    ]
    broken = "; ".join(f"{result.setting.formulation}: {show_place((result, finding))}" for result, finding in failures)
    not_with = f". Not {broken}" if broken else ""
    if advice is None:
        sentence, chosen = "nothing could be judged", None
    else:
        chosen = advice.formulation
        sentence = f"{f'use {chosen}, ' if chosen else 'none: '}{advice.why}{not_with}"
    return chosen, Statement(
        dtype=bench.dtype,
        topic=Topic.FORMULATION,
        sentence=sentence,
        reproduce=bench.command(chosen or names[0]),
        proofs=tuple(prove(found) for found in failures),
    )


def _list_sound(bench: Bench) -> list[str]:
    """Return the sound formulations of the family that have the options of those that were asked for."""
    asked = bench.request.formulations
    options = next(iter(group_by_options(asked)), None) if asked else None
    family = [
        f
        for f in FORMULATIONS.values()
        if f.objective == bench.request.objective and not is_contrast(f.name) and f.name != SAME_AS_LOG_SUM_EXP
    ]
    if options is None:
        return [f.name for f in family]
    return [own.name for f in family if (own := f.with_options(options)) is not None]


def choose_epsilon(bench: Bench) -> Statement:
    """Return the smallest power of ten that a clip of probabilities survives with, and what it costs."""
    clip = "sigmoid-clipped" if bench.request.objective.is_binary else "clipped"

    def clipped(power: int) -> str:
        return f"{clip}:eps=1e-{power}"

    def breaks(power: int) -> Found | None:
        return find_first(bench.sweep(clipped(power), patterns=("margin",)), BROKEN)

    fmt = find_format(bench.dtype)
    smallest = min(LARGEST_POWER, math.floor(-math.log10(fmt.smallest_subnormal)))  # a smaller epsilon is 0
    power = _bisect(lambda power: breaks(power) is None, 1, smallest)
    if power is None:
        found = breaks(1)
        return Statement(
            dtype=bench.dtype,
            topic=Topic.EPSILON,
            sentence=f"no epsilon survives a clip of probabilities{f': {show_place(found)} with 1e-1' if found else ''}",
            reproduce=bench.command(clipped(1), patterns=("margin",)),
            proofs=() if found is None else (prove(found),),
        )
    dead = find_first(bench.sweep(clipped(power), patterns=("margin",)), DEAD)
    smaller = breaks(power + 1) if power < smallest else None
    usual = breaks(7) if power < 7 else None
    cost = f"the loss ends at {-math.log(round_number(10.0**-power, fmt)):.4g}"
    cost += f", and the gradient is dead: {show_place(dead)}" if dead else ", and in this range the gradient is alive"
    plateau = "; 1 − eps is 1, so that above it nothing is clipped" if round_number(1 - 10.0**-power, fmt) == 1 else ""
    fails = f"; 1e-{power + 1} does not survive: {show_place(smaller)}" if smaller else ""
    fails += f"; nor does the usual 1e-7: {show_place(usual)}" if usual and power != 6 else ""
    return Statement(
        dtype=bench.dtype,
        topic=Topic.EPSILON,
        sentence=f"where probabilities are all you have, clip at 1e-{power} or more: {cost}{plateau}{fails}",
        reproduce=bench.command(clipped(power), patterns=("margin",)),
        proofs=tuple(prove(found) for found in (dead, smaller, usual) if found is not None),
    )


def choose_loss_scale(bench: Bench, name: str) -> Statement:
    """Return the powers of two that lose nothing that moves a batch, with the case that binds each end."""

    def outside(power: int) -> Found | None:
        return find_first(bench.sweep(name, patterns=("margin",), loss_scale=2.0**power), OUTSIDE)

    low, high = SCALES
    inside = next((power for power in _near_to_far(low, high) if outside(power) is None), None)
    rows = f"{bench.request.reduction} of {show_count(bench.request.batch, 'row')}" if bench.request.batch > 1 else "one row"
    if inside is None:
        found = outside(0)
        return Statement(
            dtype=bench.dtype,
            topic=Topic.LOSS_SCALE,
            sentence=f"no loss scale keeps every gradient that matters ({rows})"
            + (f": {show_place(found)} with 1" if found else ""),
            reproduce=bench.command(name, patterns=("margin",)),
            proofs=() if found is None else (prove(found),),
        )
    last = _bisect(lambda power: outside(power) is None, inside, high) or inside
    first = -(_bisect(lambda power: outside(-power) is None, -inside, -low) or -inside)
    ends = [(2.0**power, outside(power)) for power in (first - 1, last + 1) if low <= power <= high]
    bound = "; ".join(f"with {scale:g} {show_place(found)}" for scale, found in ends if found is not None)
    return Statement(
        dtype=bench.dtype,
        topic=Topic.LOSS_SCALE,
        sentence=f"loss scales from {2.0**first:g} to {2.0**last:g} keep every gradient that matters ({rows})"
        + (f"; {bound}" if bound else ", which is all that was tried"),
        reproduce=bench.command(name, "--loss-scale", f"{2.0**first:g},{2.0**last:g}", patterns=("margin",)),
        proofs=tuple(prove(found) for _, found in ends if found is not None),
    )


def choose_accumulator(bench: Bench, name: str) -> Statement:
    """Return whether the sum over the classes, and over a batch, needs a wide accumulator."""
    patterns = ("margin",) if bench.request.objective.is_binary else ("equal",)
    failing: list[tuple[Summation, Found]] = []
    for order in (Summation.SEQUENTIAL, Summation.PAIRWISE):
        found = find_first(bench.sweep(name, patterns=patterns, summations=(order,), count=FEW), FAILURES)
        failing += [] if found is None else [(order, found)]
    wide = find_first(bench.sweep(name, patterns=patterns, count=FEW), FAILURES)
    terms = " and ".join(
        [f"{bench.request.classes} classes"] * (not bench.request.objective.is_binary)
        + [f"{bench.request.batch} rows"] * (bench.request.batch > 1)
    )
    over = f"sums over {terms}" if terms else "sums"
    if wide is not None:
        sentence = f"{over}: not even a wide accumulator is enough, {show_place(wide)}"
    elif failing:
        listed = "; ".join(f"{order}: {show_place(found)}" for order, found in failing)
        sentence = f"{over} need a wide accumulator ({listed})"
    else:
        sentence = f"{over} need no wide accumulator: sequential and pairwise ones lose no more than digits"
    more = ("--summation", "sequential,pairwise,wide")
    return Statement(
        dtype=bench.dtype,
        topic=Topic.ACCUMULATOR,
        sentence=sentence,
        reproduce=bench.command(name, *more, patterns=patterns),
        proofs=tuple(prove(found) for found in ([wide] if wide else [found for _, found in failing])),
    )


def _near_to_far(low: int, high: int) -> Iterator[int]:
    """Yield whole numbers from 0 on, in steps of 4 upwards, then downwards."""
    yield from range(0, high + 1, 4)
    yield from range(-4, low - 1, -4)


def _bisect(is_good: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the largest number from low to high that is good, where all up to it are; None if not even low is."""
    if not is_good(low):
        return None
    if is_good(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_good(middle) else (low, middle)
    return low
