"""From summaries to results: positions become floats or rows, severities a verdict."""

from collections.abc import Callable

from cestab.evaluation.blocks import Conditions, Failure
from cestab.judgement.summary import Error, Run, Summary, Tally, outcome_kinds
from cestab.numerics.formats import Format
from cestab.numerics.rounding import from_ordinal, hexadecimal, shortest_decimal
from cestab.vocabulary.kinds import Coverage, FindingKind, Severity, Verdict
from cestab.vocabulary.settings import Finding, Interval, LargestError, Place, Setting, SettingResult

MOST_INTERVALS = 64
LOSS_ALONE = "it returns no gradient: only the loss was judged"
Placing = Callable[[int], Place]


def place_float(position: int, fmt: Format) -> Place:
    """Return the place of a sweep: the float with that ordinal."""
    value = float(from_ordinal(position, fmt))
    return Place(position, value, shortest_decimal(value, fmt), hexadecimal(value))


def place_row(position: int) -> Place:
    """Return the place of an audit: a row, from 0."""
    return Place(position, float(position), str(position))


def make_setting(conditions: Conditions, formulation: str) -> Setting:
    """Return the setting of one formulation under conditions."""
    return Setting(
        formulation,
        conditions.objective,
        conditions.fmt.name,
        conditions.compute.name,
        conditions.summation,
        conditions.pattern or None,
        conditions.classes,
        conditions.target or None,
        conditions.loss_scale,
        conditions.options,
    )


def find_verdict(summary: Summary) -> Verdict:
    """Return the worst severity, notes pass; undefined where no case could be judged."""
    if not summary.cases:
        return Verdict.UNDEFINED
    severities = {kind.severity for kind in summary.tallies}
    if Severity.FAIL in severities:
        return Verdict.FAIL
    return Verdict.WARN if Severity.WARN in severities else Verdict.PASS


def assemble_sweep(
    conditions: Conditions,
    formulation: str,
    summary: Summary,
    coverage: Coverage,
    unrefined: int,
    reproduce: Callable[[Place], str],
) -> SettingResult:
    """Return one setting's result of a sweep; `reproduce` names the command that shows the case at a place."""
    fmt = conditions.fmt

    def placing(position: int) -> Place:
        return place_float(position, fmt)

    return SettingResult(
        make_setting(conditions, formulation),
        find_verdict(summary),
        summary.cases,
        summary.undefined,
        summary.ties,
        coverage,
        make_findings(summary, placing, reproduce),
        make_largest(summary, placing),
        tuple(_make_interval(run, placing) for run in summary.runs[:MOST_INTERVALS]),
        len(summary.runs),
        unrefined,
        reason=tell_unjudged(summary),
    )


def tell_unjudged(summary: Summary) -> str | None:
    """Return what of the setting was not judged; None where all was."""
    return None if summary.has_gradient else LOSS_ALONE


def assemble_failure(conditions: Conditions, formulation: str, failure: Failure, coverage: Coverage) -> SettingResult:
    """Return the result of a setting that could not be evaluated."""
    setting, nothing = make_setting(conditions, formulation), LargestError(None, None)
    return SettingResult(setting, failure.verdict, 0, 0, 0, coverage, (), nothing, reason=failure.reason)


def make_findings(summary: Summary, placing: Placing, reproduce: Callable[[Place], str]) -> tuple[Finding, ...]:
    """Return the findings in the order of FindingKind."""
    return tuple(
        _make_finding(kind, summary.tallies[kind], placing, reproduce) for kind in FindingKind if kind in summary.tallies
    )


def _make_finding(kind: FindingKind, tally: Tally, placing: Placing, reproduce: Callable[[Place], str]) -> Finding:
    first = placing(tally.first)
    return Finding(
        kind,
        tally.cases,
        _with(first, reproduce=reproduce(first)),
        placing(tally.lowest),
        placing(tally.highest),
        _with(placing(tally.worst.position), ulps=_ulps(tally.worst)),
    )


def _with(place: Place, *, ulps: float | None = None, reproduce: str | None = None) -> Place:
    return Place(place.position, place.value, place.decimal, place.hexadecimal, ulps, reproduce)


def _ulps(error: Error) -> float | None:
    return error.ulps if error.ulps >= 0 else None


def make_largest(summary: Summary, placing: Placing) -> LargestError:
    """Return the largest errors with their places; None where no finite pair was seen."""
    loss, gradient = (
        _with(placing(error.position), ulps=error.ulps) if error.ulps >= 0 else None
        for error in (summary.loss_error, summary.gradient_error)
    )
    return LargestError(loss, gradient)


def _make_interval(run: Run, placing: Placing) -> Interval:
    return Interval(placing(run.start), placing(run.stop), *outcome_kinds(run.outcome))
