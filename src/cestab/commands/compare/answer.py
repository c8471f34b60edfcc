"""What compare answers: the same cases through a reference formulation and others."""

from dataclasses import dataclass
from enum import StrEnum

from cestab.errors import ExitStatus
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Environment, Finding, Place, SettingResult


class Relation(StrEnum):
    """How a formulation compares with the reference, over all settings of a dtype."""

    DOMINATES = "dominates"
    DOMINATED = "is dominated by"
    TRADES = "trades with"
    MATCHES = "matches"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How two formulations' losses (or gradients) agree over the cases of a setting that both were given.

    `equal` counts the equal cases (NaN equals NaN, 0 equals −0), `nearer_…` those in which that one is nearer the truth
    (a gradient by its largest error); `distance` is the place of the largest difference in ulps, None where no pair is finite.
    """

    cases: int
    equal: int
    nearer_reference: int
    nearer_other: int
    distance: Place | None


@dataclass(frozen=True, kw_only=True)
class BoundaryPair:
    """Where a hard finding begins (its smallest |t|) in each of the two; None where it does not occur."""

    kind: FindingKind
    reference: Place | None
    other: Place | None


@dataclass(frozen=True, kw_only=True)
class SettingComparison:
    """One setting's two results; `worse` and `better` say in words what the other one does worse and better."""

    reference: SettingResult
    other: SettingResult
    loss: Agreement | None
    gradient: Agreement | None
    only_reference: tuple[Finding, ...]
    only_other: tuple[Finding, ...]
    boundaries: tuple[BoundaryPair, ...]
    worse: tuple[str, ...]
    better: tuple[str, ...]

    @property
    def is_compared(self) -> bool:
        """Whether both were judged."""
        return self.reference.verdict.is_judged and self.other.verdict.is_judged


@dataclass(frozen=True, kw_only=True)
class DtypeComparison:
    """One other formulation in one dtype: the relation, None where nothing could be compared, and a sentence that says why."""

    dtype: str
    other: str
    relation: Relation | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The report of compare; the request's first formulation is the reference."""

    version: str
    environment: Environment
    request: SweepRequest
    fails_on_worse: bool
    settings: tuple[SettingComparison, ...]
    dtypes: tuple[DtypeComparison, ...]
    is_interrupted: bool = False

    @property
    def reference(self) -> str:
        return self.request.formulations[0]

    @property
    def others(self) -> tuple[str, ...]:
        return self.request.formulations[1:]

    def worse(self) -> tuple[SettingComparison, ...]:
        """Settings in which another formulation is worse than the reference."""
        return tuple(setting for setting in self.settings if setting.worse)

    def exit_status(self) -> ExitStatus:
        """The exit status: an interruption, else the gate, else a crash, else whether any pair was judged."""
        if self.is_interrupted:
            return ExitStatus.INTERRUPTED
        if self.fails_on_worse and self.worse():
            return ExitStatus.GATE_FAILED
        if any(result.verdict.is_unaudited for result in self.results()):
            return ExitStatus.NOT_AUDITED
        return ExitStatus.DONE if any(setting.loss is not None for setting in self.settings) else ExitStatus.USAGE

    def results(self) -> tuple[SettingResult, ...]:
        """Return the results of all settings, the reference's once."""
        pairs = (result for setting in self.settings for result in (setting.reference, setting.other))
        return tuple({result.setting: result for result in pairs}.values())

    def to_json(self) -> str:
        """Return the comparison as the strict JSON that the command writes."""
        from cestab.commands.compare import wire

        return wire.render(self)
