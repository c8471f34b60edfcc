"""A setting's verdict and its evidence in the JSON of reports: of a sweep by t, of an audit by rows."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cestab.reports.wire.settings import (
    FirstMagnitude,
    FirstRow,
    Magnitude,
    MagnitudeOrPair,
    Row,
    SettingName,
    WorstMagnitude,
    WorstRow,
    write_first,
    write_place,
    write_setting,
)
from cestab.reports.wire.types import Count, Hard, Kind, Number, Positive, Text, Ulps, Wire, Word
from cestab.vocabulary import settings
from cestab.vocabulary.kinds import Severity, Verdict
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.recorded import Quantity
from cestab.vocabulary.requests import PAIRS

NEEDS_REASON = Meta(
    extra_json_schema={
        "if": {"properties": {"verdict": {"enum": [verdict.value for verdict in Verdict if verdict.needs_reason]}}},
        "then": {"required": ["reason"]},
    }
)

EITHER = Meta(
    extra_json_schema={"if": {"type": "object"}, "then": {"oneOf": [{"required": ["t"]}, {"required": ["logits"]}]}},
)


class _Found(Wire):
    kind: Kind
    severity: Severity
    cases: Positive


class Finding(_Found):
    """All cases of a setting that have one kind of defect; of pairs all magnitudes are on the positive side."""

    first: Annotated[FirstMagnitude, EITHER]
    first_positive: Annotated[FirstMagnitude | None, EITHER]
    first_negative: Annotated[FirstMagnitude | None, EITHER]
    lowest: Annotated[MagnitudeOrPair, EITHER]
    highest: Annotated[MagnitudeOrPair, EITHER]
    worst: Annotated[WorstMagnitude, EITHER]


class RowFinding(_Found):
    """All rows of a setting that have one kind of defect."""

    first: FirstRow
    lowest: Row
    highest: Row
    worst: WorstRow


class Interval(Wire):
    """A range of t with one hard finding, or none, of loss and gradient; both ends belong to it."""

    from_: Magnitude
    to: Magnitude
    loss: Hard | None
    gradient: Hard | None


class CurvePoint(Wire):
    """The largest relative errors in a bin of t, as in max_error, and the t of the larger one."""

    t: float
    loss_relative: Ulps
    gradient_relative: Ulps


LETTERS = "".join(mark.letter for mark in Mark if mark is not Mark.OUTSIDE)
Row64 = Annotated[
    str,
    Meta(
        title="CellRow",
        pattern=f"^[{LETTERS}]{{64}}$",
        description="a letter per bin of the second logit, from the smallest on",
    ),
]


class Certificate(Wire):
    """How many figures were decided again in ball arithmetic, all as before; between which numbers the largest errors are."""

    figures: Count
    loss_ulps: tuple[Ulps, Ulps] | None
    gradient_ulps: tuple[Ulps, Ulps] | None


At = float | tuple[float, float] | None


class MaxError(Wire):
    """The largest errors, and at which t or pair; the relative ones are |L̂ − L|/max(1, |L|) and ‖ĝ − g‖₁/‖g‖₁."""

    loss_ulps: Ulps
    loss_at: At
    gradient_ulps: Ulps
    gradient_at: At
    loss_relative: Ulps
    gradient_relative: Ulps


class RowMaxError(MaxError):
    """The largest errors, and in which row."""

    loss_at: Count | None
    gradient_at: Count | None


class RoundingCost(Wire):
    """What rounding recorded logits to the format changes in the truth."""

    loss_ulps: Ulps
    loss_row: Count | None
    loss_change: Number
    gradient_ulps: Ulps
    gradient_row: Count | None
    gradient_change: Number


class Headroom(Wire):
    """What the first failure depends on, its extreme in the file, and from where on there is which failure; null: none."""

    quantity: Quantity
    recorded: float
    breaks_at: float | None
    bound: Literal["exact", "at-most"]
    finding: Word | None


class Effect(Wire):
    """The judged rows together: the true mean loss, relative errors of it and of the gradient as one vector, its cosine."""

    mean_loss: Number
    loss_error: Number | None
    gradient_error: Number | None
    cosine: Number | None


class _Judged(SettingName):
    cases: Count
    undefined: Count
    ties: Count
    coverage: str
    verdict: Verdict
    reason: Text | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.verdict.needs_reason and self.reason is UNSET:
            raise ValueError(f"the verdict is {self.verdict}, but there is no reason")


class Setting(_Judged):
    """A setting of a sweep with its verdict and its evidence."""

    pattern: Word
    target: Word
    coverage: Literal["exhaustive", "sampled"]
    findings: tuple[Finding, ...]
    intervals: Annotated[tuple[Interval, ...] | None, Meta(description="the map of t; null for pairs, which have none")]
    interval_count: Count
    unrefined_boundaries: Count
    max_error: MaxError
    curve: tuple[CurvePoint, ...] | UnsetType = UNSET
    cells: Annotated[tuple[Row64, ...], Meta(min_length=64, max_length=64)] | UnsetType = UNSET
    certificate: Certificate | UnsetType = UNSET


class RowSetting(_Judged):
    """A setting of an audit with its verdict and its evidence."""

    coverage: Literal["recorded"]
    findings: tuple[RowFinding, ...]
    max_error: RowMaxError
    worst_rows: tuple[WorstRow, ...] | UnsetType = UNSET
    rounding_cost: RoundingCost | UnsetType = UNSET
    headroom: Headroom | UnsetType = UNSET
    effect: Effect | UnsetType = UNSET


Settings = Annotated[tuple[Annotated[Setting, NEEDS_REASON], ...], Meta(min_length=1)]
RowSettings = Annotated[tuple[Annotated[RowSetting, NEEDS_REASON], ...], Meta(min_length=1)]


def write_result(result: settings.SettingResult) -> Setting | RowSetting:
    """Return a setting with its verdict and its evidence."""
    shared: dict[str, Any] = write_setting(result.setting) | {
        "cases": result.cases,
        "undefined": result.undefined,
        "ties": result.ties,
        "coverage": result.coverage.value,
        "verdict": result.verdict,
        "reason": UNSET if result.reason is None else result.reason,
    }
    largest = _errors(result.largest_error, "at")
    largest |= {
        "loss_relative": result.largest_error.loss_relative,
        "gradient_relative": result.largest_error.gradient_relative,
    }
    if result.setting.pattern is None:
        findings = tuple(_write_row_finding(finding) for finding in result.findings)
        return RowSetting(**shared, findings=findings, max_error=RowMaxError(**largest), **_write_rows(result))
    is_pairs = result.setting.pattern == PAIRS
    return Setting(
        **shared,
        findings=tuple(_write_finding(finding) for finding in result.findings),
        intervals=None if is_pairs else tuple(_write_interval(interval) for interval in result.intervals),
        interval_count=result.interval_count,
        unrefined_boundaries=result.unrefined_boundaries,
        max_error=MaxError(**largest),
        curve=tuple(_write_point(point) for point in result.curve) or UNSET,
        cells=result.cells or UNSET,
        certificate=UNSET if result.certificate is None else Certificate(**vars(result.certificate)),
    )


def _write_point(point: settings.CurvePoint) -> CurvePoint:
    return CurvePoint(
        t=write_place(point.place)["t"], loss_relative=point.loss_relative, gradient_relative=point.gradient_relative
    )


def _write_finding(finding: settings.Finding) -> Finding:
    sides = finding.first_positive, finding.first_negative
    positive, negative = (None if place is None else write_first(place, finding) for place in sides)
    return Finding(
        kind=finding.kind.label,
        severity=finding.kind.severity,
        cases=finding.cases,
        first=write_first(finding.first, finding),
        first_positive=positive,
        first_negative=negative,
        lowest=MagnitudeOrPair(**write_place(finding.lowest)),
        highest=MagnitudeOrPair(**write_place(finding.highest)),
        worst=WorstMagnitude(**write_place(finding.worst), ulps=finding.worst.ulps),
    )


def _write_row_finding(finding: settings.Finding) -> RowFinding:
    return RowFinding(
        kind=finding.kind.label,
        severity=finding.kind.severity,
        cases=finding.cases,
        first=FirstRow(**write_place(finding.first), reproduce=finding.first.reproduce),
        lowest=Row(**write_place(finding.lowest)),
        highest=Row(**write_place(finding.highest)),
        worst=WorstRow(**write_place(finding.worst), ulps=finding.worst.ulps),
    )


def _write_interval(interval: settings.Interval) -> Interval:
    return Interval(
        from_=Magnitude(**write_place(interval.start)),
        to=Magnitude(**write_place(interval.stop)),
        loss=None if interval.loss is None else interval.loss.label,
        gradient=None if interval.gradient is None else interval.gradient.label,
    )


def _write_rows(result: settings.SettingResult) -> dict[str, Any]:
    cost = result.rounding_cost
    if cost is None:
        return {}
    changes = {"loss_change": cost.loss_change, "gradient_change": cost.gradient_change}
    parts: dict[str, Any] = {}
    if result.headroom is not None:
        own = vars(result.headroom)
        bound: Literal["exact", "at-most"] = "at-most" if result.headroom.is_at_most else "exact"
        parts["headroom"] = Headroom(**{name: value for name, value in own.items() if name != "is_at_most"}, bound=bound)
    if result.effect is not None:
        parts["effect"] = Effect(**vars(result.effect))
    return parts | {
        "worst_rows": tuple(WorstRow(**write_place(place), ulps=place.ulps) for place in result.worst_rows),
        "rounding_cost": RoundingCost(**_errors(cost, "row") | changes),
    }


def _errors(errors: settings.LargestError | settings.RoundingCost, where: str) -> dict[str, Any]:
    """Return the largest errors in ulps, and where they are."""
    shown: dict[str, Any] = {}
    for part, place in (("loss", errors.loss), ("gradient", errors.gradient)):
        shown[f"{part}_ulps"] = None if place is None else place.ulps
        shown[f"{part}_{where}"] = None if place is None else next(iter(write_place(place).values()))
    return shown
