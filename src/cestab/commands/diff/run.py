"""Compare two reports setting by setting: what is new, fixed, moved or grown. Pure; reads and prints nothing."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from cestab.commands.diff.answer import Change, ChangeRule, Difference, EnvironmentChange, SettingDifference
from cestab.commands.diff.moved_boundaries import find_movements
from cestab.commands.sweep.answer import Report
from cestab.errors import UsageError
from cestab.evaluation.environment import version
from cestab.numerics.formats import find_format
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.requests import AuditRequest, SweepRequest, rules_of
from cestab.vocabulary.settings import Finding, Place, SettingResult

LEAST_GROWTH_ULPS = 4.0  # by which an error may grow: so much lies between the exp and log of two machines

Request = SweepRequest | AuditRequest


@dataclass(frozen=True, kw_only=True)
class _Growth:
    """By which factor errors and numbers of cases may grow, and which errors are within the tolerance."""

    factor: float
    rtol: float | None

    def tolerance(self, result: SettingResult) -> float:
        """Return the ulps that are at most rtol of a number: an ulp is at least 2^-p of it, at most 2^(1 - p)."""
        fmt = find_format(result.setting.dtype)
        rtol = fmt.rtol if self.rtol is None else self.rtol
        return float(rtol * 2.0 ** (fmt.precision - 1))


def compare_reports(old: Report, new: Report, names: tuple[str, str] = ("OLD", "NEW"), max_growth: float = 2.0) -> Difference:
    """Return what changed from `old` to `new`; a UsageError names the field that makes them incomparable."""
    if not 1 <= max_growth < math.inf:
        raise UsageError(f"--max-growth {max_growth!r} is not a finite number from 1 on")
    _refuse_incomparable(old, new, names)
    facts = {result.setting for report in (old, new) for result in report.results} & {r.setting for r in (*old.data, *new.data)}
    before, after = (
        {r.setting: r for r in (*report.data, *report.settings) if r.setting in facts or r not in report.data}
        for report in (old, new)
    )
    limits = _Growth(factor=max_growth, rtol=new.request.arithmetics.rtol)
    compared = [_compare_setting(before.get(setting), result, limits) for setting, result in after.items()]
    missing = [_miss_setting(result) for setting, result in before.items() if setting not in after]
    return Difference(
        version=version(),
        schema=_schema(new.request),
        old=names[0],
        new=names[1],
        max_growth=max_growth,
        environment=tuple(compare_environments(old, new)),
        settings=(*compared, *missing),
    )


def _schema(request: Request) -> str:
    return "cestab.sweep/1" if isinstance(request, SweepRequest) else "cestab.audit/1"


_SHARED: dict[str, Callable[[Request], object]] = {
    "objective": lambda request: request.objective.name,
    "rtol": lambda request: request.arithmetics.rtol,
    "atol": lambda request: request.arithmetics.atol,
}
_SWEEP: dict[str, Callable[[SweepRequest], object]] = {
    "logits": lambda request: str(request.logits),
    "seed": lambda request: request.seed,
}
_AUDIT: dict[str, Callable[[AuditRequest], object]] = {
    "file": lambda request: PurePath(request.file).name,
    "labels": lambda request: request.labels and PurePath(request.labels).name,
    "axis": lambda request: request.class_axis,
    "ignore_index": lambda request: request.ignore_index,
    "sample": lambda request: request.sample,
    "seed": lambda request: request.sample and request.seed,
}


def _conditions(report: Report) -> Iterator[tuple[str, object]]:
    """Yield what two reports must share to be comparable, beyond the fields of their settings."""
    request = report.request
    yield "schema", _schema(request)
    yield from ((f"request.{name}", get(request)) for name, get in _SHARED.items())
    for name, rule in rules_of(request.arithmetics).items():
        yield f"request.{name}", str(rule) if isinstance(rule, StrEnum) else rule
    if isinstance(request, SweepRequest):
        yield from ((f"request.{name}", get(request)) for name, get in _SWEEP.items())
    else:
        yield from ((f"request.{name}", get(request)) for name, get in _AUDIT.items())
        yield from (("summary.rows", report.rows), ("summary.ignored", report.ignored_rows))


def _refuse_incomparable(old: Report, new: Report, names: tuple[str, str]) -> None:
    for (field, before), (_, after) in zip(_conditions(old), _conditions(new), strict=False):  # schemas differ first
        if before != after:
            shown = f"{field} is {before!r} in {names[0]!r} and {after!r} in {names[1]!r}"
            raise UsageError(f"the reports are of different requests and cannot be compared: {shown}")


def compare_environments(old: Report, new: Report) -> Iterator[EnvironmentChange]:
    """Yield what the numbers may depend on and is not the same in both reports."""
    before, after = (_name_versions(report) for report in (old, new))
    for name, value in before.items():
        if value != after.get(name, value):
            yield EnvironmentChange(name=name, old=value, new=after[name])


def _name_versions(report: Report) -> dict[str, str]:
    """Return what a report's numbers may depend on, including the versions of external losses' packages."""
    environment = report.environment
    machine = {
        "python": environment.python,
        "numpy": environment.numpy,
        "platform": environment.platform,
        "cpu": environment.cpu,
        "simd": " ".join(environment.simd),
    }
    return {"cestab": report.version} | machine | {name: v for facts in environment.targets for name, v in facts.versions}


def _miss_setting(old: SettingResult) -> SettingDifference:
    change = Change(rule=ChangeRule.MISSING_SETTING, is_worse=old.verdict.is_judged, old=old.verdict.value)
    return SettingDifference(setting=old.setting, changes=(change,))


def _compare_setting(old: SettingResult | None, new: SettingResult, limits: _Growth) -> SettingDifference:
    unjudged = None if new.verdict.is_judged else ": ".join(filter(None, (new.verdict.value, new.reason)))
    if old is None:
        return SettingDifference(
            setting=new.setting,
            changes=(Change(rule=ChangeRule.ADDED_SETTING, is_worse=False, new=new.verdict.value),),
            unjudged=unjudged,
        )
    changes = (*_compare_verdicts(old, new), *_compare_findings(old, new, limits), *_compare_errors(old, new, limits))
    return SettingDifference(setting=new.setting, changes=changes, unjudged=unjudged)


def _compare_verdicts(old: SettingResult, new: SettingResult) -> Iterator[Change]:
    if old.verdict is not new.verdict:
        is_worse = new.verdict.is_worse_than(old.verdict)
        yield Change(rule=ChangeRule.CHANGED_VERDICT, is_worse=is_worse, old=old.verdict.value, new=new.verdict.value)


def _compare_findings(old: SettingResult, new: SettingResult, limits: _Growth) -> Iterator[Change]:
    before = {finding.kind: finding for finding in old.findings}
    after = {finding.kind: finding for finding in new.findings}
    for kind, finding in after.items():
        if kind not in before:
            reproduce = finding.first.reproduce
            yield Change(
                rule=ChangeRule.NEW_FINDING,
                is_worse=True,
                subject=kind.label,
                new=_number(finding.first),
                reproduce=reproduce,
            )
            continue
        if kind.is_hard and new.setting.pattern is not None:
            yield from find_movements(old, new, before[kind], finding)
        if Coverage.SAMPLED not in {old.coverage, new.coverage}:
            yield from _compare_cases(before[kind], finding, limits.factor)
    for kind, finding in before.items():
        if kind not in after:
            yield Change(rule=ChangeRule.FIXED_FINDING, is_worse=False, subject=kind.label, old=_number(finding.first))


def _number(place: Place) -> float:
    """Return the row, or the shortest decimal of t."""
    return place.position if place.hexadecimal is None else float(place.decimal)


def _compare_cases(old: Finding, new: Finding, max_growth: float) -> Iterator[Change]:
    """Compare numbers of cases, which mean something where both reports tried the same cases."""
    if new.cases > max_growth * old.cases:
        yield Change(
            rule=ChangeRule.MORE_CASES,
            is_worse=True,
            subject=new.kind.label,
            old=old.cases,
            new=new.cases,
            reproduce=new.first.reproduce,
        )


def _compare_errors(old: SettingResult, new: SettingResult, limits: _Growth) -> Iterator[Change]:
    pairs = {
        "loss": (old.largest_error.loss, new.largest_error.loss),
        "gradient": (old.largest_error.gradient, new.largest_error.gradient),
    }
    for part, (before, after) in pairs.items():
        if before is None or after is None or before.ulps is None or after.ulps is None:
            continue  # no finite pair was seen, which is a finding
        if not after.ulps <= max(before.ulps + LEAST_GROWTH_ULPS, limits.factor * before.ulps, limits.tolerance(new)):
            yield Change(rule=ChangeRule.GROWN_ERROR, is_worse=True, subject=part, old=before.ulps, new=after.ulps)
