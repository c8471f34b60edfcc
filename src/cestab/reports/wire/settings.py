"""What names a setting, where in its cases something is, and what the numbers depend on, in the JSON of reports."""

import math
from collections.abc import Mapping
from dataclasses import Field, fields
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import UNSET, Meta, UnsetType, to_builtins

from cestab.errors import unknown_name
from cestab.reports.wire.types import Batch, ByName, Count, Hex, Positive, Scale, Text, Ulps, Wire, Word, shorten
from cestab.vocabulary import external, settings
from cestab.vocabulary.external import GradientSource
from cestab.vocabulary.kinds import Summation
from cestab.vocabulary.loss_options import NO_OPTIONS, OPTION_NAMES, LossOptions, Reduction
from cestab.vocabulary.objectives import OBJECTIVES, Objective


def _option_type(option: "Field[Any]") -> Any:
    """Return the type of a field of LossOptions in JSON, where numbers are in their range and there is no null."""
    hint: Any = option.type
    if option.default is None:
        hint = Union[*(kind for kind in get_args(hint) if kind is not NoneType)]
    if "range" not in option.metadata:
        return hint
    low, high = option.metadata["range"]
    numbers = Meta(ge=low, le=high if math.isfinite(high) else None)
    if get_origin(hint) is not tuple:
        return Annotated[hint, numbers]
    number: Any = get_args(hint)[0]
    return tuple[Annotated[number, numbers], ...]


def _make_options() -> dict[str, Any]:
    """Return what defines the type of a loss's options."""
    options = [option for option in fields(LossOptions) if option.name in OPTION_NAMES]
    hints = {option.name: _option_type(option) | UnsetType for option in options}
    return {"__doc__": "Options of the objective that are not as by default.", "__annotations__": hints} | dict.fromkeys(
        hints, UNSET
    )


if TYPE_CHECKING:
    Options = Wire
else:
    Options = ByName("Options", (Wire,), _make_options())


class Magnitude(Wire):
    """A magnitude t: the shortest decimal that reads back to the same number of the format, and exactly."""

    t: float
    hex: Hex


class MagnitudeOrPair(Wire):
    """A magnitude t, or the two logits of a pair, each in decimal and exactly."""

    t: float | UnsetType = UNSET
    logits: tuple[float, float] | UnsetType = UNSET
    hex: Hex | tuple[Hex, Hex]

    def __post_init__(self) -> None:
        if (self.t is UNSET) == (self.logits is UNSET):
            raise ValueError("it has either t or two logits")


class FirstMagnitude(MagnitudeOrPair):
    """Where something begins, or at most begins where not every float nearer to 0 was tried, with a command line for it."""

    bound: Literal["exact", "at-most"]
    reproduce: Text | None


class WorstMagnitude(MagnitudeOrPair):
    """Where an error is largest."""

    ulps: Ulps


class Row(Wire):
    """A row of recorded logits, from 0; `index` is its number along each axis of the logits but that of the classes."""

    row: Count
    index: Annotated[tuple[Count, ...], Meta(min_length=1)]


class FirstRow(Row):
    """The first row of a finding, with a command line for it."""

    reproduce: Text | None


class WorstRow(Row):
    """A row with a large error."""

    ulps: Ulps


class ExternalFacts(Wire):
    """What the numbers of a loss that is not cestab's depend on."""

    formulation: Word
    adapter: Word
    versions: dict[str, Word]
    device: Word
    mode: Word
    gradient: GradientSource
    threads: Positive | None
    flushes_subnormals: bool | None
    passed: tuple[Word, ...] = ()


class Environment(Wire):
    """What the numbers may depend on; `targets` where code that is not cestab's was run."""

    python: str
    numpy: str
    platform: str
    cpu: str
    simd: tuple[str, ...] = ()
    targets: Annotated[tuple[ExternalFacts, ...], Meta(min_length=1)] | UnsetType = UNSET


class SettingName(Wire):
    """All that names a setting; recorded logits have neither pattern nor target."""

    formulation: Word
    objective: Word
    dtype: Word
    compute: Word
    summation: Summation
    pattern: Word | UnsetType | None = UNSET
    classes: Positive
    target: Word | UnsetType | None = UNSET
    loss_scale: Scale
    batch: Batch = 1
    reduction: Reduction = Reduction.MEAN
    options: Options = Options()


def write_environment(environment: settings.Environment) -> Environment:
    """Return the environment as reports have it."""
    targets = tuple(ExternalFacts(**vars(facts) | {"versions": dict(facts.versions)}) for facts in environment.targets)
    return Environment(**vars(environment) | {"targets": targets or UNSET})


def read_environment(shown: Environment) -> settings.Environment:
    """Return the environment of a report."""
    own = {name: getattr(shown, name) for name in ("python", "numpy", "platform", "cpu", "simd")}
    return settings.Environment(**own, targets=tuple(_read_facts(facts) for facts in shown.targets or ()))


def _read_facts(shown: ExternalFacts) -> external.ExternalFacts:
    own = {name: getattr(shown, name) for name in shown.__struct_fields__}
    return external.ExternalFacts(**own | {"versions": tuple(shown.versions.items())})


def write_first(place: settings.Place, finding: settings.Finding) -> FirstMagnitude:
    """Return where a finding begins, or begins on one side of 0."""
    bound: Literal["exact", "at-most"] = "at-most" if finding.is_at_most else "exact"
    return FirstMagnitude(**write_place(place), bound=bound, reproduce=place.reproduce)


def write_setting(setting: settings.Setting, *, missing: UnsetType | None = UNSET) -> dict[str, Any]:
    """Return the fields of a SettingName; `missing` stands for the pattern and the target that recorded logits have not."""
    named = vars(setting) | write_options(setting.options) | {"objective": setting.objective.name}
    return named if setting.pattern is not None else named | {"pattern": missing, "target": missing}


def write_options(options: LossOptions) -> dict[str, Any]:
    """Return the fields of a report that hold the options of a loss."""
    return {"batch": options.batch, "reduction": options.reduction, "options": Options(**options.given())}


def read_setting(shown: SettingName) -> settings.Setting:
    """Return the setting that is named; a UsageError where its objective is none."""
    own = {name: getattr(shown, name) for name in ("formulation", "dtype", "compute", "summation", "classes", "loss_scale")}
    return settings.Setting(
        **own,
        objective=find_objective(shown.objective),
        pattern=shown.pattern or None,
        target=shown.target or None,
        options=_read_options(to_builtins(shown.options), shown.batch, shown.reduction),
    )


def _read_options(given: Mapping[str, Any], batch: int, reduction: Reduction) -> LossOptions:
    if not given and (batch, reduction) == (NO_OPTIONS.batch, NO_OPTIONS.reduction):
        return NO_OPTIONS
    return LossOptions(**given, batch=batch, reduction=reduction)


def find_objective(name: str) -> Objective:
    """Return the objective that a report names."""
    if name not in OBJECTIVES:
        raise unknown_name("objective", shorten(name), OBJECTIVES)
    return OBJECTIVES[name]


def write_place(place: settings.Place) -> dict[str, Any]:
    """Return the fields of a magnitude, of a pair, or of a row."""
    if place.pair is not None:
        first, second = place.pair
        return {
            "logits": (float(first.decimal), float(second.decimal)),
            "hex": (first.hexadecimal, second.hexadecimal),
        }
    if place.hexadecimal is None:
        return {"row": place.position, "index": place.index}
    return {"t": float(place.decimal), "hex": place.hexadecimal}
