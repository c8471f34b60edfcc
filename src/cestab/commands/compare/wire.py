"""The JSON report cestab.compare/1."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field
from msgspec.structs import asdict

from cestab.commands.compare import answer
from cestab.commands.sweep.wire import SweepRequest, write_request
from cestab.reports.json import write_json
from cestab.reports.wire.settings import (
    Environment,
    FirstMagnitude,
    Magnitude,
    SettingName,
    WorstMagnitude,
    write_environment,
    write_first,
    write_place,
    write_setting,
)
from cestab.reports.wire.types import Count, Interrupted, Kind, Positive, Report, Text, Wire, Word
from cestab.vocabulary import settings
from cestab.vocabulary.kinds import Severity, Verdict


class Request(SweepRequest):
    """What a comparison was asked for."""

    reference: Word
    others: Annotated[tuple[Word, ...], Meta(min_length=1)]
    fail_on_worse: bool


class Agreement(Wire):
    """In how many cases two formulations are equal, and of the others which is nearer the truth."""

    equal: Count
    equal_share: Annotated[float, Meta(ge=0, le=1)]
    nearer_reference: Count
    nearer_other: Count
    distance: WorstMagnitude | None


class LoneFinding(Wire):
    """A finding that only one of the two has."""

    kind: Kind
    severity: Severity
    cases: Positive
    from_: Magnitude
    to: Magnitude
    first: FirstMagnitude


class Boundary(Wire):
    """The smallest |t| of a hard finding in each of the two; null where it does not occur."""

    kind: Kind
    reference: Magnitude | None
    other: Magnitude | None


class VerdictPair(Wire):
    """The verdicts on the two."""

    reference: Verdict
    other: Verdict


class Setting(SettingName):
    """A setting of the reference beside another formulation; loss and gradient are null where nothing was judged."""

    formulation: Word = field(name="other")
    pattern: Word
    target: Word
    cases: Count | None
    coverage: Literal["exhaustive", "sampled"]
    verdict: VerdictPair
    loss: Agreement | None
    gradient: Agreement | None
    only_reference: tuple[LoneFinding, ...]
    only_other: tuple[LoneFinding, ...]
    boundaries: tuple[Boundary, ...]
    worse: tuple[Text, ...]
    better: tuple[Text, ...]


class Dtype(Wire):
    """How another formulation does in a dtype; the relation is null where nothing could be compared."""

    dtype: Word
    other: Word
    relation: Literal["dominates", "dominated", "trades", "matches"] | None
    sentence: Text


class Summary(Wire):
    """Numbers of relations of each kind, of settings, and of those in which the other formulation is worse."""

    dominates: Count
    dominated: Count
    trades: Count
    matches: Count
    not_compared: Count | UnsetType = UNSET
    settings: Count
    worse: Count


class Compare(Report, tag="cestab.compare/1"):
    """The report of cestab compare."""

    version: Word
    environment: Environment
    request: Request
    settings: Annotated[tuple[Setting, ...], Meta(min_length=1)]
    dtypes: tuple[Dtype, ...]
    interrupted: Interrupted | UnsetType = UNSET
    summary: Summary


def render(comparison: answer.Comparison) -> str:
    """Return the comparison as JSON, with a newline at the end."""
    relations = [_name_relation(dtype.relation) for dtype in comparison.dtypes]
    counts = {_name_relation(relation): relations.count(_name_relation(relation)) for relation in answer.Relation}
    return write_json(
        Compare(
            version=comparison.version,
            environment=write_environment(comparison.environment),
            request=Request(
                **asdict(write_request(comparison.request)),
                reference=comparison.reference,
                others=comparison.others,
                fail_on_worse=comparison.fails_on_worse,
            ),
            settings=tuple(_write_setting(setting) for setting in comparison.settings),
            dtypes=tuple(Dtype(**vars(dtype) | {"relation": _name_relation(dtype.relation)}) for dtype in comparison.dtypes),
            interrupted=comparison.is_interrupted or UNSET,
            summary=Summary(
                **counts,
                not_compared=relations.count(None),
                settings=len(comparison.settings),
                worse=len(comparison.worse()),
            ),
        )
    )


def _name_relation(relation: answer.Relation | None) -> Any:
    return None if relation is None else relation.name.lower()


def _write_setting(setting: answer.SettingComparison) -> Setting:
    fields: dict[str, Any] = write_setting(setting.other.setting) | {"coverage": setting.other.coverage.value}
    return Setting(
        **fields,
        cases=None if setting.loss is None else setting.loss.cases,
        verdict=VerdictPair(reference=setting.reference.verdict, other=setting.other.verdict),
        loss=_write_agreement(setting.loss),
        gradient=_write_agreement(setting.gradient),
        only_reference=tuple(_write_finding(finding) for finding in setting.only_reference),
        only_other=tuple(_write_finding(finding) for finding in setting.only_other),
        boundaries=tuple(
            Boundary(kind=pair.kind.label, reference=_write_magnitude(pair.reference), other=_write_magnitude(pair.other))
            for pair in setting.boundaries
        ),
        worse=setting.worse,
        better=setting.better,
    )


def _write_agreement(agreement: answer.Agreement | None) -> Agreement | None:
    if agreement is None:
        return None
    distance = agreement.distance
    return Agreement(
        equal=agreement.equal,
        equal_share=agreement.equal / agreement.cases,
        nearer_reference=agreement.nearer_reference,
        nearer_other=agreement.nearer_other,
        distance=None if distance is None else WorstMagnitude(**write_place(distance), ulps=distance.ulps),
    )


def _write_finding(finding: settings.Finding) -> LoneFinding:
    return LoneFinding(
        kind=finding.kind.label,
        severity=finding.kind.severity,
        cases=finding.cases,
        from_=Magnitude(**write_place(finding.lowest)),
        to=Magnitude(**write_place(finding.highest)),
        first=write_first(finding.first, finding),
    )


def _write_magnitude(place: settings.Place | None) -> Magnitude | None:
    return None if place is None else Magnitude(**write_place(place))
