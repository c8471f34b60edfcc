"""The single case that explain looks at: given in numbers, generated as in a sweep, or a row of recorded logits."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cestab.cases.patterns import find_pattern
from cestab.cases.recording import make_recorded_target, open_recording, round_logits
from cestab.cases.target_kinds import expand_target, make_target
from cestab.commands.explain.answer import Explanation
from cestab.commands.explain.run import SingleCase, explain_case
from cestab.errors import OptionName, UsageError
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.evaluate import has_mean, make_cases
from cestab.evaluation.plan import check_cases, check_options, group_by_options, plan_arithmetics
from cestab.external.loaded import loaded_losses
from cestab.numerics.rounding import FloatArray, round_number, round_to_format, shortest_decimal, to_ordinal
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.vocabulary.phrases import show_classes
from cestab.vocabulary.requests import PAIRS, ExplainRequest, GeneratedCase, GivenCase, RecordedCase


def run_explain(request: ExplainRequest) -> Explanation:
    """Return the explanation of a request."""
    single = take_single(request)
    names = [request.formulation, *([] if request.against is None else [request.against])]
    with loaded_losses(names, request.guard) as targets:
        return explain_case(request, single, targets)


def take_single(request: ExplainRequest) -> SingleCase:
    """Return the case of a request; a UsageError where it is none."""
    (options,) = group_by_options([request.formulation], request.batch, request.reduction)
    conditions = next(plan_arithmetics(request.arithmetics, request.objective, options, request.guard))
    match request.case:
        case GivenCase():
            single = _take_given(conditions, request.case)
        case GeneratedCase():
            single = _generate(conditions, request.case)
        case RecordedCase():
            single = _read_row(conditions, request.case)
    check_options(options, is_dense=isinstance(single.cases.target, DenseTarget))
    if not has_mean(single.conditions, single.cases).all():
        raise UsageError("no row of the batch counts, so that it has no mean")
    return single


def _take_given(conditions: Conditions, case: GivenCase) -> SingleCase:
    fmt, classes = conditions.fmt, len(case.logits)
    logits, is_judged, *_ = round_logits(np.array(case.logits).reshape(-1, 1), fmt, conditions.objective)
    check_cases(conditions.objective, "margin", classes)
    if not is_judged[0]:
        given = ", ".join(map(repr, case.logits))
        raise UsageError(f"logits {given} have no true loss: they must be finite numbers of {fmt.name}, or -inf for a mask")
    target = _parse_target(case.target, logits, conditions)
    roundings = [*_describe_roundings("logits", case.logits, logits, conditions)]
    if isinstance(target, DenseTarget) and (weights := _parse_numbers(case.target)) is not None:
        roundings += _describe_roundings("weights", weights, target.weights, conditions)
    shown = ", ".join(_show_number(float(z), conditions) for z in logits[:, 0])
    cases = Cases(positions=np.zeros(1, dtype=np.int64), logits=logits, target=target)
    return SingleCase(replace(conditions, classes=classes), cases, f"logits {shown}, target {case.target}", tuple(roundings))


def _describe_roundings(what: str, given: Sequence[float], rounded: FloatArray, conditions: Conditions) -> Iterator[str]:
    """Yield a sentence on given numbers, if there are any, that rounding to the format changed so that they print otherwise."""
    pairs = [(number, _show_number(float(value), conditions)) for number, value in zip(given, rounded[:, 0], strict=True)]
    changed = [f"{number!r} is {decimal}" for number, decimal in pairs if float(decimal) != number]
    if changed:
        yield f"{what} rounded to {conditions.fmt.name}: {', '.join(dict.fromkeys(changed))}"


def _parse_target(text: str, logits: FloatArray, conditions: Conditions) -> Target:
    """Return the target that a class, weights with commas, a label, or the name of a target kind means."""
    objective, classes = conditions.objective, len(logits)
    numbers = _parse_numbers(text)
    if numbers is None:
        kinds = list(expand_target(text, objective))
        if len(kinds) > 1:
            raise UsageError(f"target '{text}' is {len(kinds)} targets; one case has one")
        return make_target(kinds[0], logits, conditions.fmt, objective)
    if objective.is_binary:
        if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
            raise UsageError(f"target '{text}' is not a label from 0 to 1")
    elif len(numbers) == 1:
        if not text.strip().isdigit() or int(text) >= classes:
            raise UsageError(f"target '{text}' is not a class from 0 to {classes - 1}")
        return IndexTarget(index=np.array([int(text)]))
    elif len(numbers) != classes or not all(0 <= weight < math.inf for weight in numbers):
        raise UsageError(f"target '{text}' is not {classes} weights from 0 on, one for each logit")
    return DenseTarget(weights=round_to_format(np.array(numbers).reshape(-1, 1), conditions.fmt))


def _parse_numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None


def _generate(conditions: Conditions, case: GeneratedCase) -> SingleCase:
    if case.pattern == PAIRS:
        raise UsageError(f"'{PAIRS}' has no magnitude: give the two logits with ", OptionName("logits"))
    check_cases(conditions.objective, case.pattern, case.classes)
    fmt = conditions.fmt
    if find_pattern(case.pattern).is_masking and not fmt.has_infinity:
        raise UsageError(f"{fmt.name} has no infinity to mask with")
    t = round_number(case.at, fmt)
    if not math.isfinite(t):
        raise UsageError(OptionName("at"), f" {case.at!r} is not a finite number of {fmt.name}, which ends at {fmt.max!r}")
    conditions = replace(conditions, pattern=case.pattern, classes=case.classes, target=case.target, seed=case.seed)
    cases = make_cases(conditions, to_ordinal(np.array([t]), fmt))
    source = f"{case.pattern}, {show_classes(case.classes)}, {case.target}, t = {shortest_decimal(t, fmt)}"
    if not cases.positions.size:
        or_rows = ", or a batch of no rows" if conditions.options.batch > 1 else ""
        raise UsageError(f"the case {source} has a logit beyond {fmt.name}{or_rows}")
    return SingleCase(conditions, cases, source)


def _read_row(conditions: Conditions, case: RecordedCase) -> SingleCase:
    with open_recording(case, conditions.objective) as recording:
        if not 0 <= case.row < recording.rows:
            raise UsageError(OptionName("row"), f" {case.row} is not a row of '{case.file}': it has 0 to {recording.rows - 1}")
        logits, labels = recording.read(slice(case.row, case.row + 1))
    is_binary = conditions.objective.is_binary
    if not is_binary and labels.ndim == 1 and labels[0] == case.ignore_index:
        raise UsageError(f"row {case.row} has the label {case.ignore_index} of rows that are ignored")
    rounded, is_judged, *_ = round_logits(logits, conditions.fmt, conditions.objective)
    if not is_judged[0]:
        raise UsageError(f"row {case.row} has no true loss: some logit is NaN or beyond {conditions.fmt.name}, or all are -inf")
    cases = Cases(
        positions=np.array([case.row]),
        logits=rounded,
        target=make_recorded_target(conditions.objective, conditions.fmt, labels),
    )
    return SingleCase(replace(conditions, classes=len(logits)), cases, f"row {case.row} of {case.file}")


def _show_number(z: float, conditions: Conditions) -> str:
    return shortest_decimal(z, conditions.fmt) if math.isfinite(z) else repr(z)
