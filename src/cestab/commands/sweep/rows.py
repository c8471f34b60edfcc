"""The CSV report of sweep and audit: a line per setting and finding, and one for a setting without findings.

Columns are stable: new ones are only added at the end.
"""

from cestab.commands.sweep.answer import Report
from cestab.reports.rows import Cell, to_csv
from cestab.vocabulary.settings import Finding, Place, SettingResult

COLUMNS = (
    "formulation",
    "objective",
    "dtype",
    "compute",
    "summation",
    "pattern",
    "classes",
    "target",
    "loss_scale",
    "verdict",
    "reason",
    "coverage",
    "cases",
    "undefined",
    "max_loss_ulps",
    "max_gradient_ulps",
    "finding",
    "severity",
    "gated",
    "finding_cases",
    "first",
    "first_hex",
    "lowest",
    "highest",
    "worst",
    "worst_ulps",
    "reproduce",
    "batch",
    "reduction",
)
ROW_COLUMNS = 2
FINDING_COLUMNS = len(COLUMNS) - COLUMNS.index("finding") - ROW_COLUMNS


def render(report: Report) -> str:
    """Return the report as CSV with a header."""
    gated = {(id(result), id(finding)) for result, finding in report.gated()}
    rows: list[list[Cell]] = []
    for result in report.results:
        own = [_finding(finding, is_gated=(id(result), id(finding)) in gated) for finding in result.findings]
        batch: list[Cell] = [result.setting.options.batch, str(result.setting.options.reduction)]
        rows += [_setting(result) + cells + batch for cells in own or [[None] * FINDING_COLUMNS]]
    return to_csv(COLUMNS, rows)


def _setting(result: SettingResult) -> list[Cell]:
    setting, largest = result.setting, result.largest_error
    case = [setting.pattern, setting.classes, setting.target, setting.loss_scale]
    arithmetic = [setting.dtype, setting.compute, str(setting.summation)]
    evidence = [str(result.verdict), result.reason, str(result.coverage), result.cases, result.undefined]
    return [
        setting.formulation,
        str(setting.objective),
        *arithmetic,
        *case,
        *evidence,
        _ulps(largest.loss),
        _ulps(largest.gradient),
    ]


def _finding(finding: Finding, *, is_gated: bool) -> list[Cell]:
    kind, first, worst = finding.kind, finding.first, finding.worst
    what = [kind.label, str(kind.severity), "true" if is_gated else "false", finding.cases]
    where = [first.decimal, first.hexadecimal, finding.lowest.decimal, finding.highest.decimal, worst.decimal, worst.ulps]
    return [*what, *where, first.reproduce]


def _ulps(place: Place | None) -> float | None:
    return None if place is None else place.ulps
