"""From summaries to results: positions become floats or rows, severities a verdict."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cestab.cases.pairs import split_pairs
from cestab.evaluation.blocks import Conditions, Failure
from cestab.judgement.cells import list_kinds
from cestab.judgement.curve import Worst
from cestab.judgement.summary import Error, Run, Summary, Tally, outcome_kinds
from cestab.numerics.formats import Format
from cestab.numerics.rounding import from_ordinal, hexadecimal, shortest_decimal
from cestab.vocabulary.curves import BINS
from cestab.vocabulary.kinds import Coverage, FindingKind, Verdict
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.settings import CurvePoint, Finding, Interval, LargestError, Place, Setting, SettingResult

MOST_INTERVALS = 64
CURVE_DIGITS = 4  # of errors that are drawn; all of them make a report twice as large
LOSS_ALONE = "it returns no gradient: only the loss was judged"
Placing = Callable[[int], Place]


def place_float(position: int, fmt: Format) -> Place:
    """Return the place of a sweep: the float with that ordinal."""
    value = float(from_ordinal(position, fmt))
    return Place(position=position, value=value, decimal=shortest_decimal(value, fmt), hexadecimal=hexadecimal(value))


def place_pair(position: int, fmt: Format) -> Place:
    """Return the place of a pair of logits."""
    first, second = (place_float(int(ordinal), fmt) for ordinal in split_pairs(np.array(position), fmt))
    larger = place_float(max(abs(first.position), abs(second.position)), fmt)
    return replace(larger, position=position, pair=(first, second))


def find_placing(conditions: Conditions) -> Placing:
    """Return what makes a place of a position of a sweep."""
    place = place_float if conditions.has_map else place_pair
    return lambda position: place(position, conditions.fmt)


def place_row(position: int, row_shape: tuple[int, ...] = ()) -> Place:
    """Return the place of an audit: a row, from 0, of logits with this shape but for the classes; without it, no index."""
    index = tuple(int(number) for number in np.unravel_index(position, row_shape)) if row_shape else ()
    return Place(position=position, value=float(position), decimal=str(position), index=index)


def make_setting(conditions: Conditions, formulation: str) -> Setting:
    """Return the setting of one formulation under conditions."""
    return Setting(
        formulation=formulation,
        objective=conditions.objective,
        dtype=conditions.fmt.name,
        compute=conditions.compute.name,
        summation=conditions.summation,
        pattern=conditions.pattern or None,
        classes=conditions.classes,
        target=conditions.target or None,
        loss_scale=conditions.loss_scale,
        options=conditions.options,
    )


def find_verdict(summary: Summary) -> Verdict:
    """Return the verdict of the worst severity; undefined where no case could be judged."""
    if not summary.cases:
        return Verdict.UNDEFINED
    return Verdict.of(kind.severity for kind in summary.tallies)


def assemble_sweep(
    conditions: Conditions,
    formulation: str,
    summary: Summary,
    coverage: Coverage,
    unrefined: int,
    reproduce: Callable[[Place], str],
) -> SettingResult:
    """Return one setting's result of a sweep; `reproduce` names the command that shows the case at a place."""
    placing = find_placing(conditions)
    return SettingResult(
        setting=make_setting(conditions, formulation),
        verdict=find_verdict(summary),
        cases=summary.cases,
        undefined=summary.undefined,
        ties=summary.ties,
        coverage=coverage,
        findings=make_findings(summary, placing, reproduce, coverage),
        largest_error=make_largest(summary, placing),
        intervals=tuple(_make_interval(run, placing) for run in summary.runs[:MOST_INTERVALS]),
        interval_count=len(summary.runs),
        unrefined_boundaries=unrefined,
        curve=tuple(_make_point(summary.curve[number], placing) for number in sorted(summary.curve)),
        cells=_draw_cells(summary) if conditions.curve_end and not conditions.has_map else (),
        reason=describe_unjudged(summary),
    )


def _draw_cells(summary: Summary) -> tuple[str, ...]:
    letters = [Mark.worst(list_kinds(summary.cells.get(number, 0))).letter for number in range(4 * BINS * BINS)]
    return tuple("".join(letters[start : start + 2 * BINS]) for start in range(0, len(letters), 2 * BINS))


def _make_point(worst: Worst, placing: Placing) -> CurvePoint:
    loss, gradient = (None if math.isnan(error) else float(f"{error:.{CURVE_DIGITS}g}") for error in worst[:2])
    return CurvePoint(place=placing(worst.position), loss_relative=loss, gradient_relative=gradient)


def describe_unjudged(summary: Summary) -> str | None:
    """Return which part of the setting was not judged, and why; None where all was."""
    return None if summary.has_gradient else LOSS_ALONE


def assemble_failure(conditions: Conditions, formulation: str, failure: Failure, coverage: Coverage) -> SettingResult:
    """Return the result of a setting that could not be evaluated."""
    setting, nothing = make_setting(conditions, formulation), LargestError(loss=None, gradient=None)
    return SettingResult(
        setting=setting,
        verdict=failure.verdict,
        cases=0,
        undefined=0,
        ties=0,
        coverage=coverage,
        findings=(),
        largest_error=nothing,
        reason=failure.reason,
    )


def make_findings(
    summary: Summary, placing: Placing, reproduce: Callable[[Place], str], coverage: Coverage
) -> tuple[Finding, ...]:
    """Return the findings in the order of FindingKind; of a sampled range, graded ones begin at most where they were seen."""

    def first(position: int) -> Place:
        place = placing(position)
        return place.noted(reproduce=reproduce(place))

    def make(kind: FindingKind, tally: Tally) -> Finding:
        sides = (None, None) if coverage is Coverage.RECORDED else (tally.first_positive, tally.first_negative)
        positive, negative = (None if position is None else first(position) for position in sides)
        return Finding(
            kind=kind,
            cases=tally.cases,
            first=first(tally.first),
            lowest=placing(tally.lowest),
            highest=placing(tally.highest),
            worst=placing(tally.worst.position).noted(ulps=_ulps(tally.worst)),
            first_positive=positive,
            first_negative=negative,
            is_at_most=coverage is Coverage.SAMPLED and not kind.is_hard and tally.first != 0,
        )

    return tuple(make(kind, summary.tallies[kind]) for kind in FindingKind if kind in summary.tallies)


def _ulps(error: Error) -> float | None:
    return error.ulps if error.ulps >= 0 else None


def make_largest(summary: Summary, placing: Placing) -> LargestError:
    """Return the largest errors with their places; None where no finite pair was seen."""
    loss, gradient = (
        placing(error.position).noted(ulps=error.ulps) if error.ulps >= 0 else None
        for error in (summary.loss_error, summary.gradient_error)
    )
    return LargestError(
        loss=loss, gradient=gradient, loss_relative=summary.loss_relative, gradient_relative=summary.gradient_relative
    )


def _make_interval(run: Run, placing: Placing) -> Interval:
    loss, gradient = outcome_kinds(run.outcome)
    return Interval(start=placing(run.start), stop=placing(run.stop), loss=loss, gradient=gradient)
