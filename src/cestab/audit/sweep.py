"""Run a sweep: evaluate every block, find the boundaries, assemble the report."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from cestab.audit.advise import explain_failures, recommend
from cestab.audit.assemble import assemble_failure, assemble_sweep
from cestab.audit.boundaries import Search, find_boundaries
from cestab.audit.conditions import Block, Failure, Outcome, attempt, merge_results
from cestab.audit.environment import describe_environment, ignore_progress, version
from cestab.audit.evaluate import evaluate_block
from cestab.audit.plan import Plan, plan_sweep
from cestab.audit.summary import Summary, join_runs
from cestab.audit.targets import loaded_targets
from cestab.results import Coverage, Report, SettingResult, SweepRequest, Verdict

Group = TypeVar("Group")


@dataclass(frozen=True)
class GroupResult:
    """One group's settings, and how many of its cases were decided in ball arithmetic."""

    results: dict[str, SettingResult]
    escalated: int


def run_sweep(request: SweepRequest, *, progress: Callable[[int, int], Any] = ignore_progress) -> Report:
    """Return the report of a request; `progress` hears of each group of settings that is finished."""
    plans = plan_sweep(request)
    with loaded_targets(request.formulations, request.guard) as targets:
        groups, is_interrupted = collect_groups(map(run_group, plans), len(plans), progress)
    results = tuple(group.results[name] for name in request.formulations for group in groups if name in group.results)
    return Report(
        version(),
        describe_environment(targets),
        request,
        results,
        recommend(results),
        explain_failures(results),
        sum(group.escalated for group in groups),
        is_interrupted=is_interrupted,
    )


def collect_groups(groups: Iterable[Group], total: int, progress: Callable[[int, int], Any]) -> tuple[list[Group], bool]:
    """Return the groups as they are finished, and whether Ctrl-C ended that early; before the first it is an error as ever."""
    finished: list[Group] = []
    try:
        for group in groups:
            finished.append(group)
            progress(len(finished), total)
    except KeyboardInterrupt:
        if not finished:
            raise
        return finished, True
    return finished, False


def run_group(plan: Plan) -> GroupResult:
    """Evaluate one group of settings that share their cases."""
    if plan.unsupported is not None:
        return refuse_group(plan)
    return complete_group(plan, merge_results(evaluate_blocks(plan, evaluate_block)))


def evaluate_blocks(plan: Plan, evaluate: Callable[[Block], Mapping[str, Outcome]]) -> Iterator[Mapping[str, Outcome]]:
    """Yield the outcomes of every block by formulation; one that failed is not tried again."""
    left = plan.formulations
    for block in plan.blocks():
        outcomes = evaluate(replace(block, formulations=left))
        yield outcomes
        left = tuple(name for name in left if not isinstance(outcomes[name], Failure))
        if not left:
            return


def refuse_group(plan: Plan) -> GroupResult:
    """Return the results of a group that its format does not support."""
    failure = Failure(Verdict.UNSUPPORTED, plan.unsupported or "")
    return GroupResult({name: assemble_failure(plan.conditions, name, failure, plan.coverage) for name in plan.formulations}, 0)


def complete_group(plan: Plan, outcomes: Mapping[str, Outcome]) -> GroupResult:
    """Return the results of a group from the outcomes of all its blocks."""
    results, escalated = {}, 0
    for name in plan.formulations:
        outcome = outcomes[name]
        completed = outcome if isinstance(outcome, Failure) else attempt(partial(_complete, plan, name, outcome))
        if isinstance(completed, Failure):
            results[name] = assemble_failure(plan.conditions, name, completed, plan.coverage)
            continue
        summary, unrefined = completed
        results[name] = assemble_sweep(plan.conditions, name, summary, plan.coverage, unrefined)
        escalated += summary.escalated
    return GroupResult(results, escalated)


def _complete(plan: Plan, name: str, summary: Summary) -> tuple[Summary, int]:
    """Return the summary with its map: exhaustive ones are complete, sampled ones need their boundaries."""
    if plan.coverage is Coverage.SAMPLED:
        return find_boundaries(Search(plan.conditions, name, plan.sampled, summary))
    return replace(summary, runs=join_runs(summary.runs)), 0
