"""How far recorded logits are from the first failure of each formulation: swept in the quantity that it depends on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cestab.commands.sweep.run import run_group
from cestab.evaluation.plan import plan_sweep
from cestab.formulations import FORMULATIONS
from cestab.vocabulary.kinds import Severity
from cestab.vocabulary.recorded import Headroom, Portrait, Quantity
from cestab.vocabulary.requests import AuditRequest, LogitRange, SweepRequest
from cestab.vocabulary.settings import Finding, Setting, SettingResult

PATTERNS = {Quantity.LARGEST_LOGIT: "margin", Quantity.SPREAD: "margin", Quantity.OFFSET: "offset"}
MOST_CLASSES = 16  # for which every float of 16 bits is tried
MAGNITUDES = 129  # with more classes, from which a failure is bisected to the float
Key = tuple[str, str, str, float]  # formulation, dtype, order of sums, loss scale


def find_headroom(request: AuditRequest, portrait: Portrait, results: Sequence[SettingResult]) -> tuple[SettingResult, ...]:
    """Return the results of an audit with the headroom of those formulations of cestab that declare a quantity."""
    if not portrait.extremes:
        return tuple(results)
    breaks: dict[Key, Finding | None] = {}
    is_binary = request.objective.is_binary
    for pattern in dict.fromkeys(PATTERNS.values()):
        names = tuple(name for name in request.formulations if _find_pattern(name, is_binary=is_binary) == pattern)
        if names:
            for result in _sweep(request, names, pattern, portrait.classes):
                key = _key(result.setting)
                breaks[key] = _earlier(breaks.get(key), result)
    return tuple(_add(result, portrait, breaks) for result in results)


def _quantity(name: str) -> Quantity | None:
    formulation = FORMULATIONS.get(name.partition(":")[0])
    return None if formulation is None else formulation.breaks_by


def _find_pattern(name: str, *, is_binary: bool) -> str:
    """Return the pattern in which a formulation's quantity grows, empty where it has none; one logit has only one."""
    quantity = _quantity(name)
    if quantity is None:
        return ""
    return "margin" if is_binary else PATTERNS[quantity]


def _sweep(request: AuditRequest, names: tuple[str, ...], pattern: str, classes: int) -> Iterator[SettingResult]:
    """Yield results for both labels and the magnitudes of a sweep.

    In margin of several classes they are positive: the logit that grows is the largest.
    """
    is_positive = pattern == "margin" and not request.objective.is_binary
    sweep = SweepRequest(
        objective=request.objective,
        formulations=names,
        arithmetics=request.arithmetics,
        logits=LogitRange(low=0.0 if is_positive else None, count=None if classes <= MOST_CLASSES else MAGNITUDES),
        patterns=(pattern,),
        classes=(classes,),
        targets=("correct", "wrong"),
        seed=0,
        fail_on=(),
    )
    for plan in plan_sweep(sweep):
        yield from run_group(plan, lambda same: same).results.values()


def _key(setting: Setting) -> Key:
    return setting.formulation, setting.dtype, setting.summation, setting.loss_scale


def _earlier(before: Finding | None, result: SettingResult) -> Finding | None:
    """Return the failure that begins first."""
    failures = [f for f in result.findings if f.kind.severity is Severity.FAIL]
    return min([*failures, *([] if before is None else [before])], key=lambda f: abs(f.first.value), default=None)


def _add(result: SettingResult, portrait: Portrait, breaks: dict[Key, Finding | None]) -> SettingResult:
    key = _key(result.setting)
    quantity = _quantity(result.setting.formulation)
    if quantity is None or key not in breaks or quantity not in portrait.extremes or not result.verdict.is_judged:
        return result
    failure = breaks[key]
    headroom = Headroom(
        quantity=quantity,
        recorded=portrait.extremes[quantity],
        breaks_at=None if failure is None else abs(failure.first.value),
        is_at_most=failure is not None and failure.is_at_most,
        finding=None if failure is None else failure.kind.label,
    )
    return replace(result, headroom=headroom)
