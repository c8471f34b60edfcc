"""The plan: from a request to conditions, to blocks that stay in cache."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from cestab.cases.pairs import MOST_BITS, count_pairs
from cestab.cases.patterns import find_pattern
from cestab.cases.ranges import is_exhaustive, resolve_range, sample_ordinals
from cestab.cases.target_kinds import TARGET_KINDS
from cestab.errors import OptionName, UsageError
from cestab.evaluation.blocks import Block, Conditions
from cestab.evaluation.memory import refuse_classes, refuse_magnitudes
from cestab.external.formulation import find_any_formulation
from cestab.numerics.formats import Format, find_format
from cestab.numerics.rounding import IntArray, from_ordinal, round_number
from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions, Reduction
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.requests import PAIRS, Arithmetics, LogitRange, SweepRequest, rules_of

CASES_PER_PART, CASES_OF_LONG_WORK = 2**21, 2**23
MOST_FLOATS = 2**33  # that are all tried
MOST_CLASSES = 10**12  # 64 TB in a block; far beyond, NumPy's sizes overflow


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One group of settings that differ in the formulation only, and how its range is covered."""

    conditions: Conditions
    formulations: tuple[str, ...]
    logits: LogitRange
    coverage: Coverage
    unsupported: str | None = None

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the range, ascending in t, that stay in cache."""
        yield from Block(conditions=self.conditions, formulations=self.formulations, ordinals=self.ordinals).split()

    def parts(self) -> Iterator[Block]:
        """Yield parts of an exhaustive range, each the work of one process for a while, whatever their number."""
        row = self.conditions.ends[1] - self.conditions.ends[0] + 1  # of pairs, of which a part has whole ones
        size = max(1, CASES_PER_PART // row) * row
        for start in range(0, len(self.every), size):
            part = self.every[start : start + size]
            yield Block(conditions=self.conditions, formulations=self.formulations, ordinals=part)

    @property
    def ordinals(self) -> IntArray | range:
        """The ordinals that are tried."""
        return self.sampled if self.coverage is Coverage.SAMPLED else self.every

    @cached_property
    def every(self) -> range:
        """The ordinals of all floats of the range, or the numbers of all pairs of them."""
        if not self.conditions.has_map:
            return range(count_pairs(self.conditions.ends))
        first, last = resolve_range(self.logits, self.conditions.fmt)
        return range(first, last + 1)

    @cached_property
    def sampled(self) -> IntArray:
        """The ordinals of a sampled range."""
        return sample_ordinals(self.logits, self.conditions.fmt)

    @property
    def is_long(self) -> bool:
        """Whether it has so many cases that they are worth processes of their own, and a word before."""
        return self.coverage is Coverage.EXHAUSTIVE and self.unsupported is None and len(self.every) >= CASES_OF_LONG_WORK


def plan_sweep(request: SweepRequest) -> list[Plan]:
    """Return the groups of a request, checked for names, ranges, classes and formats that cannot go together."""
    groups = group_by_options(request.formulations, request.batch, request.reduction)
    return [plan for options, names in groups.items() for plan in _plan_group(request, options, names)]


def group_by_options(
    formulations: Sequence[str], batch: int = 1, reduction: Reduction = Reduction.MEAN
) -> dict[LossOptions, tuple[str, ...]]:
    """Return the formulations by their options, with the request's batch and reduction: each group shares a truth."""
    groups: dict[LossOptions, tuple[str, ...]] = {}
    for name in formulations:
        options = replace(find_any_formulation(name).options, batch=batch, reduction=reduction)
        groups[options] = (*groups.get(options, ()), name)
    return groups


def _plan_group(request: SweepRequest, options: LossOptions, names: tuple[str, ...]) -> Iterator[Plan]:
    """Yield the groups of the formulations that have these options."""
    refuse_magnitudes(request.logits.count or 0)
    for conditions in plan_arithmetics(request.arithmetics, request.objective, options, request.guard):
        ends = resolve_range(request.logits, conditions.fmt)
        if request.exhaustive:
            refuse_exhaustive(request.logits, conditions.fmt)
        largest = float(np.max(np.abs(from_ordinal(np.array(ends), conditions.fmt))))
        for pattern, classes, target in product(request.patterns, request.classes, request.targets):
            check_cases(request.objective, pattern, classes)
            is_pairs = pattern == PAIRS
            if is_pairs:
                refuse_pairs(request.logits, conditions.fmt, options)
            refuse_classes(classes)
            check_options(options, is_dense=TARGET_KINDS[target.partition(":")[0]].is_dense)
            exhaustive = is_pairs or request.exhaustive or is_exhaustive(request.logits, conditions.fmt, classes)
            needs_infinity = find_pattern(pattern).is_masking and not conditions.fmt.has_infinity
            yield Plan(
                conditions=replace(
                    conditions,
                    pattern=pattern,
                    classes=classes,
                    target=target,
                    seed=request.seed,
                    curve_end=largest if request.curves else 0.0,
                    ends=ends if is_pairs else (0, 0),
                ),
                formulations=names,
                logits=request.logits,
                coverage=Coverage.EXHAUSTIVE if exhaustive else Coverage.SAMPLED,
                unsupported=f"{conditions.fmt.name} has no infinity to mask with" if needs_infinity else None,
            )


def plan_arithmetics(
    arithmetics: Arithmetics, objective: Objective, options: LossOptions = NO_OPTIONS, guard: Guard = DEFAULT_GUARD
) -> Iterator[Conditions]:
    """Yield conditions without cases for every dtype, summation order and loss scale."""
    for dtype, summation, loss_scale in product(arithmetics.dtypes, arithmetics.summations, arithmetics.loss_scales):
        fmt = find_format(dtype)
        compute = fmt if arithmetics.compute is None else find_format(arithmetics.compute)
        if not compute.holds(fmt):
            raise UsageError(f"compute format {compute.name} cannot hold every {fmt.name}; it must be as wide or wider")
        if not 0 < loss_scale < math.inf:
            raise UsageError(f"loss scale {loss_scale!r} is not a positive finite number")
        for weight in options.class_weights:
            if not math.isfinite(round_number(weight, fmt)):
                raise UsageError(f"class weight {weight!r} is beyond {fmt.name}, which ends at {fmt.max!r}")
        yield Conditions(
            objective=objective,
            fmt=fmt,
            compute=compute,
            summation=summation,
            classes=0,
            loss_scale=loss_scale,
            rtol=fmt.rtol if arithmetics.rtol is None else arithmetics.rtol,
            atol=fmt.atol if arithmetics.atol is None else arithmetics.atol,
            guard=guard,
            options=options,
            **rules_of(arithmetics),
        )


def refuse_exhaustive(logits: LogitRange, fmt: Format) -> None:
    """Refuse to try every float of a range that names how many to try, or that holds more than can be tried."""
    if logits.count is not None:
        raise UsageError(OptionName("exhaustive"), f" tries every float: a range of {logits.count} magnitudes is none")
    first, last = resolve_range(logits, fmt)
    count = last - first + 1
    if count > MOST_FLOATS:
        raise UsageError(
            f"{fmt.name} has {count:,} floats from {logits}; ",
            OptionName("exhaustive"),
            f" tries at most {MOST_FLOATS:,}: give a narrower ",
            OptionName("logits"),
            " or ",
            OptionName("dtypes", "float32"),
        )


def refuse_pairs(logits: LogitRange, fmt: Format, options: LossOptions) -> None:
    """Refuse pairs of a wide format, of some magnitudes, or in a batch."""
    if fmt.bits > MOST_BITS:
        raise UsageError(
            f"'{PAIRS}' tries every pair of a format of at most {MOST_BITS} bits, which {fmt.name} is not: ask for ",
            OptionName("dtypes", "bfloat16"),
        )
    if logits.count is not None:
        raise UsageError(f"'{PAIRS}' tries every pair: a range of {logits.count} magnitudes has none")
    if options.batch > 1:
        raise UsageError(f"'{PAIRS}' has no batches: leave out ", OptionName("batch"))


def check_options(options: LossOptions, *, is_dense: bool) -> None:
    """Refuse an index to ignore beside a target that is no index."""
    if options.ignore_index is not None and is_dense:
        raise UsageError(f"ignore_index={options.ignore_index} goes with index targets only: a distribution has no index")


def check_cases(objective: Objective, pattern: str, classes: int) -> None:
    """Refuse a pattern or a number of classes that the objective does not have."""
    if objective.is_binary:
        if (pattern, classes) != ("margin", 1):
            raise UsageError(f"{objective} has one logit: its only pattern is margin and its only number of classes 1")
    elif pattern == PAIRS and classes != 2:
        raise UsageError(f"the pattern '{PAIRS}' has 2 classes, not {classes}")
    elif classes < 2:
        raise UsageError(f"{objective} needs at least 2 classes, not {classes}")
    elif classes > MOST_CLASSES:
        raise UsageError(f"{classes} classes are more than any memory holds; at most {MOST_CLASSES} are taken")


def refuse_other_options(formulations: Sequence[str]) -> None:
    """Refuse formulations with another truth than the first."""
    groups = list(group_by_options(formulations).values())
    if len(groups) > 1:
        raise UsageError(f"{groups[0][0]} and {groups[1][0]} have different options and so different true values")
