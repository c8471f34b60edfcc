"""Run a comparison: the same cases through a reference and other formulations, and what each one does better."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cestab.commands.compare.agreement import AgreementTally, Pair, compare_block
from cestab.commands.compare.answer import Agreement, BoundaryPair, Comparison, SettingComparison
from cestab.commands.compare.trade import describe_trade, find_harms, keep_common
from cestab.commands.sweep.run import GroupResult, Meter, collect_groups, complete_group, evaluate_plan, refuse_group
from cestab.errors import UsageError
from cestab.evaluation.blocks import Block, Outcome, evaluate_blocks
from cestab.evaluation.calls import CallCounter
from cestab.evaluation.environment import describe_environment, ignore_progress, ignore_sentence, version
from cestab.evaluation.executors import Advance, announce_long_work, count_cases
from cestab.evaluation.plan import Plan, plan_sweep, refuse_other_options
from cestab.external.loaded import loaded_losses
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult


@dataclass(frozen=True, kw_only=True)
class ComparedGroup:
    """A group's results, and how the other formulations agree with the reference; None where nothing was computed."""

    plan: Plan
    group: GroupResult
    pairs: dict[str, Pair] | None

    @property
    def is_interrupted(self) -> bool:
        return self.group.is_interrupted


def run_comparison(
    request: SweepRequest,
    *,
    fails_on_worse: bool,
    progress: Callable[[int, int], Any] = ignore_progress,
    announce: Callable[[str], Any] = ignore_sentence,
) -> Comparison:
    """Return the comparison of the request's first formulation with each of the others.

    `progress` gets the numbers of cases done and of all, `announce` a word on long work.
    """
    refuse_other_options(request.formulations)
    plans = plan_sweep(request)
    with loaded_losses(request.formulations, request.guard) as targets:
        spare = CallCounter(plans=plans, announce=announce).spare
        announce_long_work(plans, 1, announce, partial(compare_slices, request.formulations[0]))
        meter = Meter(total=sum(map(count_cases, plans)), progress=progress)
        groups, is_interrupted = collect_groups((compare_group(plan, spare, meter.advance) for plan in plans), plans, meter)
    settings = tuple(
        _compare_setting(group, request, other)
        for other in request.formulations[1:]
        for group in groups
        if other in group.group.results
    )
    pairs = dict.fromkeys((s.other.setting.formulation, s.other.setting.dtype) for s in settings)
    dtypes = tuple(
        describe_trade([s for s in settings if (s.other.setting.formulation, s.other.setting.dtype) == pair]) for pair in pairs
    )
    return Comparison(
        version=version(),
        environment=describe_environment(targets),
        request=request,
        fails_on_worse=fails_on_worse,
        settings=settings,
        dtypes=dtypes,
        is_interrupted=is_interrupted,
    )


def compare_slices(reference: str, block: Block) -> Mapping[str, Outcome]:
    """Return the outcomes of a large block as a comparison evaluates it."""
    return evaluate_blocks(block.split(), block.formulations, lambda part: compare_block(part, reference)[0])


def compare_group(plan: Plan, spare: Callable[[Plan], Plan], advance: Advance) -> ComparedGroup:
    """Evaluate one group of settings that share their cases; `spare` samples it where every case takes a call."""
    if plan.unsupported is not None:
        return ComparedGroup(plan=plan, group=refuse_group(plan), pairs=None)
    pairs: dict[str, Pair] = {}

    def compare(block: Block) -> Mapping[str, Outcome]:
        outcomes, block_pairs = compare_block(block, plan.formulations[0])
        pairs.update({name: pairs.get(name, Pair()).merge(pair) for name, pair in block_pairs.items()})
        return outcomes

    spared = spare(plan)
    plan = replace(plan, coverage=spared.coverage)
    group = complete_group(plan, evaluate_plan(spared, compare, advance))
    if len(group.results) < 2 or plan.formulations[0] not in group.results:  # Ctrl-C left nothing to compare
        raise KeyboardInterrupt
    judged = {name: pair for name, pair in pairs.items() if name in group.results and group.results[name].verdict.is_judged}
    return ComparedGroup(plan=plan, group=group, pairs=judged)


def _compare_setting(group: ComparedGroup, request: SweepRequest, name: str) -> SettingComparison:
    reference, other = group.group.results[request.formulations[0]], group.group.results[name]
    pair = (group.pairs or {}).get(name, Pair()) if reference.cases else Pair()
    judged = keep_common((reference, other))
    are_compared = all(result.verdict.is_judged for result in judged)
    findings = [result.findings if are_compared else () for result in judged]
    return SettingComparison(
        reference=reference,
        other=other,
        loss=_place(pair.loss, group.plan),
        gradient=_place(pair.gradient, group.plan),
        only_reference=_without(findings[0], findings[1]),
        only_other=_without(findings[1], findings[0]),
        boundaries=_boundaries(*judged) if are_compared else (),
        worse=tuple(find_harms(*judged)),
        better=tuple(find_harms(*reversed(judged))),
    )


def _place(tally: AgreementTally, plan: Plan) -> Agreement | None:
    """Return an agreement; None where nothing was computed by both."""
    return tally.place(plan.conditions) if tally.cases else None


def _without(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    kinds = {finding.kind for finding in others}
    return tuple(finding for finding in findings if finding.kind not in kinds)


def _boundaries(reference: SettingResult, other: SettingResult) -> tuple[BoundaryPair, ...]:
    first = [{finding.kind: finding.first for finding in result.findings} for result in (reference, other)]
    hard = [kind for kind in FindingKind if kind.is_hard and (kind in first[0] or kind in first[1])]
    return tuple(BoundaryPair(kind=kind, reference=first[0].get(kind), other=first[1].get(kind)) for kind in hard)


def make_pair(reference: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return the formulations of a comparison, the reference first, each once."""
    names = (reference, *others)
    if not others:
        raise UsageError(f"nothing to compare {reference} with is named")
    if len(set(names)) < len(names):
        raise UsageError(f"a formulation is named twice: {' '.join(names)}")
    return names
