"""Decide the figures of a report again, in ball arithmetic; with `runs_all`, run its request again, too."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from cestab.commands.diff.run import compare_environments
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.run import run_sweep
from cestab.commands.verify.answer import Verification, VerifiedSetting
from cestab.errors import UsageError
from cestab.evaluation.blocks import Conditions, Failure, attempt
from cestab.evaluation.certify import Figure, certify, find_conditions
from cestab.evaluation.environment import describe_environment, ignore_progress, ignore_sentence, version
from cestab.evaluation.plan import plan_sweep
from cestab.external.loaded import loaded_losses
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Setting, SettingResult


def run_verification(
    report: Report,
    source: str,
    *,
    runs_all: bool,
    progress: Callable[[int, int], Any] = ignore_progress,
    announce: Callable[[str], Any] = ignore_sentence,
    cores: int = 1,
) -> Verification:
    """Return which figures of a sweep's report are confirmed; `progress` is called after each setting."""
    request = report.request
    if not isinstance(request, SweepRequest):
        raise UsageError(f"'{source}' is an audit of recorded logits: what is verified is a report of sweep")
    again = _run_again(report, announce, cores) if runs_all else {}
    judged = [result for result in report.settings if result.verdict.is_judged]
    if not judged:
        raise UsageError(f"'{source}' judged nothing that could be verified")
    verified: list[VerifiedSetting] = []
    is_interrupted = False
    with loaded_losses(request.formulations, request.guard) as targets:
        environment = describe_environment(targets)
        conditions = find_conditions(plan_sweep(request))
        try:
            for result in judged:
                verified.append(_verify(result, conditions.get(result.setting), again))
                progress(len(verified), len(judged))
        except KeyboardInterrupt:
            if not verified:
                raise
            is_interrupted = True
    return Verification(
        version=version(),
        source=source,
        runs_all=runs_all,
        environment=tuple(compare_environments(report, replace(report, environment=environment, version=version()))),
        settings=tuple(verified),
        is_interrupted=is_interrupted,
    )


def _run_again(report: Report, announce: Callable[[str], Any], cores: int) -> dict[Setting, SettingResult]:
    assert isinstance(report.request, SweepRequest)
    return {result.setting: result for result in run_sweep(report.request, announce=announce, cores=cores).settings}


def _verify(result: SettingResult, conditions: Conditions | None, again: dict[Setting, SettingResult]) -> VerifiedSetting:
    setting = result.setting
    if conditions is None:
        return VerifiedSetting(setting=setting, reason="it is no setting of the report's request")
    certified = attempt(lambda: certify(conditions, setting.formulation, result))
    if isinstance(certified, Failure):
        return VerifiedSetting(setting=setting, reason=certified.reason)
    repeated = tuple(_compare(result, again[setting])) if setting in again else ()
    return VerifiedSetting(setting=setting, figures=(*certified.figures, *repeated))


def _compare(said: SettingResult, found: SettingResult) -> Iterator[Figure]:
    """Yield what a run gave again: the verdict, counts, where findings begin, the map, and the largest errors."""
    for what, (old, new) in _list_facts(said, found).items():
        yield Figure(what=f"{what}, run again", place=None, said=old, found=new)


def _list_facts(said: SettingResult, found: SettingResult) -> dict[str, tuple[str, str]]:
    facts = [_describe(result) for result in (said, found)]
    return {what: (facts[0].get(what, "none"), facts[1].get(what, "none")) for what in {**facts[0], **facts[1]}}


def _describe(result: SettingResult) -> dict[str, str]:
    facts = {"verdict": result.verdict.value, "cases": f"{result.cases:,}", "intervals": f"{result.interval_count:,}"}
    facts |= {f"cases with {finding.kind.label}": f"{finding.cases:,}" for finding in result.findings}
    facts |= {f"first {finding.kind.label}": str(finding.first) for finding in result.findings}
    for part, place in (("loss", result.largest_error.loss), ("gradient", result.largest_error.gradient)):
        facts[f"largest error of the {part}"] = "none" if place is None else f"{place.ulps:.9g} ulps at {place}"
    return facts
