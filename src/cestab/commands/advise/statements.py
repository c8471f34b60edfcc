"""The statements of advise: which formulation, which epsilon, which loss scales, which accumulator; each is measured."""

import math
from collections.abc import Callable, Iterator

from cestab.commands.advise.answer import Statement, Topic
from cestab.commands.advise.measure import Bench, Found, find_first, prove, show_place
from cestab.commands.sweep.advice import lacking_dtypes, recommend
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
    names = asked or tuple(_list_sound(bench))
    results = bench.sweep(*names)
    others = tuple(name for name in _list_sound(bench) if name not in asked) if asked and lacking_dtypes(results) else ()
    along = bench.sweep(*others) if others else []
    (advice,) = recommend(results, along) or (None,)
    names, results = (*names, *others), [*results, *along]
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
    """Return the sound formulations of the family that have the options of those that were asked for.

    Of those whose first failure depends on the same quantity, the first.
    """
    asked = bench.request.formulations
    options = next(iter(group_by_options(asked)), None) if asked else None
    family = [f for f in FORMULATIONS.values() if f.objective == bench.request.objective and not f.is_contrast]
    seen = [f.breaks_by for f in family]
    family = [f for i, f in enumerate(family) if f.breaks_by is None or f.breaks_by not in seen[:i]]
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
    smallest = math.floor(-math.log10(fmt.smallest_subnormal))  # a smaller epsilon is 0
    if (found := breaks(1)) is not None:
        return Statement(
            dtype=bench.dtype,
            topic=Topic.EPSILON,
            sentence=f"no epsilon survives a clip of probabilities: {show_place(found)} with 1e-1",
            reproduce=bench.command(clipped(1), patterns=("margin",)),
            proofs=(prove(found),),
        )
    power = _bisect(lambda power: breaks(power) is None, 1, smallest)
    dead = find_first(bench.sweep(clipped(power), patterns=("margin",)), DEAD)
    smaller = breaks(power + 1) if power < smallest else None
    usual = breaks(7) if power < 7 else None
    cost = f"the loss ends at {-math.log(round_number(10.0**-power, fmt)):.4g}"
    cost += f", and the gradient is dead: {show_place(dead)}" if dead else ", and in this range the gradient is alive"
    plateau = "; 1 − eps is 1, so that above it nothing is clipped" if round_number(1 - 10.0**-power, fmt) == 1 else ""
    fails = f"; 1e-{power + 1} does not survive: {show_place(smaller)}" if smaller else ""
    fails += f"; the usual 1e-7 does not survive: {show_place(usual)}" if usual and power != 6 else ""
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
    last = _bisect(lambda power: outside(power) is None, inside, high)
    first = -_bisect(lambda power: outside(-power) is None, -inside, -low)
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
    """Yield all whole numbers from 0 upwards, then downwards; those that 4 divides before the others."""
    yield from sorted(range(low, high + 1), key=lambda number: (number % 4 != 0, number < 0, abs(number)))


def _bisect(is_good: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number from low, which is good, to high that is good, where all up to it are."""
    if is_good(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_good(middle) else (low, middle)
    return low
