"""A sweep or an audit as CSV: a line for each finding of each setting, and one for a setting without findings."""

from collections.abc import Iterator

from cestab.reports.rows import Cell, to_csv
from cestab.results import Finding, Place, Report, SettingResult

COLUMNS = (
    *("formulation", "objective", "dtype", "compute", "summation", "pattern", "classes", "target", "loss_scale"),
    *("verdict", "coverage", "judged_cases", "undefined", "loss_ulps", "gradient_ulps"),
    *("finding", "severity", "cases", "first", "first_hex", "lowest", "highest", "worst", "worst_ulps", "reproduce"),
)


def render(report: Report) -> str:
    """Return the lines under a header; `first`, `lowest`, `highest` and `worst` are magnitudes t, or rows of an audit."""
    return to_csv(COLUMNS, (row for result in report.settings for row in _rows(result)))


def _rows(result: SettingResult) -> Iterator[tuple[Cell, ...]]:
    setting, largest = result.setting, result.largest_error
    named = (
        *(setting.formulation, str(setting.objective), setting.dtype, setting.compute, str(setting.summation)),
        *(setting.pattern, setting.classes, setting.target, setting.loss_scale),
        *(str(result.verdict), str(result.coverage), result.cases, result.undefined),
        *(None if place is None else place.ulps for place in (largest.loss, largest.gradient)),
    )
    for finding in result.findings:
        yield (*named, *_finding(finding))
    if not result.findings:
        yield (*named, *(None for _ in COLUMNS[len(named) :]))


def _finding(finding: Finding) -> tuple[Cell, ...]:
    places = (finding.lowest, finding.highest, finding.worst)
    first = (_number(finding.first), finding.first.hexadecimal)
    shown = (*first, *(_number(place) for place in places), finding.worst.ulps, finding.first.reproduce)
    return (finding.kind.label, str(finding.kind.severity), finding.cases, *shown)


def _number(place: Place) -> float | int:
    return place.position if place.hexadecimal is None else float(place.decimal)
