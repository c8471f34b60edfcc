"""Run a sweep: evaluate every block, find the boundaries, assemble the report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from cestab.commands.reproduce import sweep_command
from cestab.commands.sweep.advice import recommend
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.causes import explain_failures
from cestab.commands.sweep.cures import advise
from cestab.evaluation.assemble import assemble_failure, assemble_sweep
from cestab.evaluation.blocks import Block, Failure, Outcome, attempt, evaluate_blocks, evaluate_each
from cestab.evaluation.boundaries import Search, find_boundaries
from cestab.evaluation.calls import CallCounter
from cestab.evaluation.certify import certify_results
from cestab.evaluation.environment import describe_environment, ignore_progress, ignore_sentence, version
from cestab.evaluation.evaluate import evaluate_block
from cestab.evaluation.executors import Advance, Workers, announce_long_work, count_cases, counted, ignore_cases
from cestab.evaluation.onsets import refine_onsets
from cestab.evaluation.plan import Plan, plan_sweep
from cestab.external.loaded import loaded_losses
from cestab.judgement.summary import Summary, join_runs
from cestab.vocabulary.kinds import Coverage, Verdict
from cestab.vocabulary.requests import Arithmetics, SweepRequest
from cestab.vocabulary.settings import Place, SettingResult


class _Group(Protocol):
    @property
    def is_interrupted(self) -> bool: ...


Group = TypeVar("Group", bound=_Group)
EVALUATE_HERE = Workers().evaluate


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """One group's settings, and how many of its cases were decided in ball arithmetic; after Ctrl-C the finished ones."""

    results: dict[str, SettingResult]
    escalated: int
    is_interrupted: bool = False


def run_sweep(
    request: SweepRequest,
    *,
    progress: Callable[[int, int], Any] = ignore_progress,
    announce: Callable[[str], Any] = ignore_sentence,
    cores: int = 1,
) -> Report:
    """Return the report of a request; `progress` gets the numbers of cases done and of all, `announce` a word on long work.

    `cores`: how many processes work where the request does not say.
    """
    plans, jobs = plan_sweep(request), request.jobs or cores
    with loaded_losses(request.formulations, request.guard) as targets:
        spare = CallCounter(plans=plans, announce=announce).spare
        announce_long_work(plans, jobs, announce)
        with Workers(jobs=jobs) as workers:
            meter = Meter(total=sum(map(count_cases, plans)), progress=progress)
            running = (run_group(plan, spare, partial(workers.evaluate, advance=meter.advance)) for plan in plans)
            groups, is_interrupted = collect_groups(running, plans, meter)
        results = tuple(group.results[name] for name in request.formulations for group in groups if name in group.results)
        results = certify_results(plans, results) if request.certify else results
        causes = explain_failures(results, request)

        def evaluate(arithmetics: Arithmetics, names: tuple[str, ...]) -> tuple[SettingResult, ...]:
            more = plan_sweep(replace(request, formulations=names, arithmetics=arithmetics))
            return tuple(result for plan in more for result in run_group(plan, spare).results.values())

        is_long = any(plan.is_long for plan in plans)  # then what was not asked for is not tried along
        recommendations = recommend(results) if is_interrupted or is_long else advise(request, results, evaluate)
    return Report(
        version=version(),
        environment=describe_environment(targets),
        request=request,
        settings=results,
        recommendations=recommendations,
        causes=causes,
        escalated=sum(group.escalated for group in groups),
        is_interrupted=is_interrupted,
    )


@dataclass(kw_only=True)
class Meter:
    """How many cases are done, each counted once per formulation."""

    total: int
    progress: Callable[[int, int], Any]
    done: int = 0

    def advance(self, cases: int) -> None:
        """Tell that so many cases are done of the group at hand."""
        self.progress(self.done + cases, self.total)

    def finish(self, plan: Plan) -> None:
        """Tell that a group is done."""
        self.done += count_cases(plan)
        self.advance(0)


def collect_groups(groups: Iterable[Group], plans: Sequence[Plan], meter: Meter) -> tuple[list[Group], bool]:
    """Return the finished groups, and whether Ctrl-C ended them early; before the first is finished, it propagates."""
    finished: list[Group] = []
    try:
        for group, plan in zip(groups, plans, strict=True):
            finished.append(group)
            if group.is_interrupted:
                return finished, True
            meter.finish(plan)
    except KeyboardInterrupt:
        if not finished:
            raise
        return finished, True
    return finished, False


def run_group(
    plan: Plan, spare: Callable[[Plan], Plan], evaluate_long: Callable[[Plan], dict[str, Outcome]] = EVALUATE_HERE
) -> GroupResult:
    """Evaluate one group of settings that share their cases; `spare` samples it where every case takes a call."""
    if plan.unsupported is not None:
        return refuse_group(plan)
    spared = spare(plan)
    outcomes = evaluate_long(spared) if spared.is_long else evaluate_plan(spared, evaluate_block)
    return complete_group(replace(plan, coverage=spared.coverage), outcomes)


def evaluate_plan(
    plan: Plan, evaluate: Callable[[Block], Mapping[str, Outcome]], advance: Advance = ignore_cases
) -> dict[str, Outcome]:
    """Return the outcomes of all blocks by formulation, as evaluate_blocks does."""
    return evaluate_blocks(counted(plan.blocks(), advance), plan.formulations, evaluate)


def refuse_group(plan: Plan) -> GroupResult:
    """Return the results of a group that its format does not support."""
    failure = Failure(verdict=Verdict.UNSUPPORTED, reason=plan.unsupported or "")
    return GroupResult(
        results={name: assemble_failure(plan.conditions, name, failure, plan.coverage) for name in plan.formulations},
        escalated=0,
    )


def complete_group(plan: Plan, outcomes: Mapping[str, Outcome]) -> GroupResult:
    """Return the results of a group from the outcomes of all its blocks; Ctrl-C before any is finished propagates."""

    def complete(name: str) -> tuple[SettingResult, int]:
        outcome = outcomes[name]
        completed = outcome if isinstance(outcome, Failure) else attempt(partial(_complete, plan, name, outcome))
        if isinstance(completed, Failure):
            return assemble_failure(plan.conditions, name, completed, plan.coverage), 0
        summary, unrefined = completed

        def reproduce(place: Place) -> str:
            return sweep_command(plan.conditions, name, place)

        return assemble_sweep(plan.conditions, name, summary, plan.coverage, unrefined, reproduce), summary.escalated

    finished = evaluate_each((name for name in plan.formulations if name in outcomes), complete)
    if not finished:
        raise KeyboardInterrupt
    results = {name: result for name, (result, _) in finished.items()}
    escalated = sum(count for _, count in finished.values())
    return GroupResult(results=results, escalated=escalated, is_interrupted=len(results) < len(plan.formulations))


def _complete(plan: Plan, name: str, summary: Summary) -> tuple[Summary, int]:
    """Return the summary with its map, and the number of unrefined boundaries: a sampled map needs a search for them."""
    if plan.coverage is Coverage.SAMPLED:
        search = Search(conditions=plan.conditions, formulation=name, tried=plan.sampled, summary=summary)
        mapped, tried, unrefined = find_boundaries(search)
        return refine_onsets(plan.conditions, name, tried, mapped), unrefined
    return replace(summary, runs=join_runs(summary.runs)), 0
