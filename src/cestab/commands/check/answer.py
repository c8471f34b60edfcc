"""What `cestab check` reads and answers: the audits of a project, its baseline, and how each finding is classified."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cestab.commands.sweep.answer import Report, show_gated
from cestab.errors import ExitStatus
from cestab.reports.gate import Location
from cestab.vocabulary.kinds import Coverage, FindingKind, Verdict
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, Setting, SettingResult


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A finding that is accepted, and why. None matches everything; `start` is the |t| from which it is expected."""

    finding: FindingKind
    reason: str
    formulation: str | None = None
    dtype: str | None = None
    pattern: str | None = None
    classes: int | None = None
    target: str | None = None
    start: float | None = None

    def matches(self, setting: Setting) -> bool:
        """Whether it applies to the setting."""
        pairs = (
            (self.formulation, setting.formulation),
            (self.dtype, setting.dtype),
            (self.pattern, setting.pattern),
            (self.classes, setting.classes),
            (self.target, setting.target),
        )
        return all(expected is None or expected == actual for expected, actual in pairs)


@dataclass(frozen=True, kw_only=True)
class CheckAudit:
    """One audit of a configuration; `location` is its table there."""

    name: str
    request: SweepRequest | AuditRequest
    allow: tuple[Allowance, ...]
    location: Location


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """The audits of a project; `baseline` is the path of its file, `baseline_name` how it is shown.

    External losses are named relative to `folder`, which is relative to the current folder.
    """

    file: str
    audits: tuple[CheckAudit, ...]
    baseline: str | None = None
    baseline_name: str | None = None
    folder: str = "."


BaselineKey = tuple[str, Setting, FindingKind]  # the first is the audit's name


@dataclass(frozen=True, kw_only=True)
class BaselineEntry:
    """A finding of the baseline: its cases and, in a sweep, the t at which it begins, in decimal and in hexadecimal.

    `logits`: the range that was swept; a baseline without it was made when the default was all of the format.
    """

    cases: int
    coverage: Coverage
    t: float | None = None
    hexadecimal: str | None = None
    logits: str | None = None

    @property
    def value(self) -> float | None:
        """The float at which it begins, exactly."""
        return None if self.hexadecimal is None else float.fromhex(self.hexadecimal)


Baseline = Mapping[BaselineKey, BaselineEntry]


class GateRule(StrEnum):
    """Why an accepted finding fails the gate all the same."""

    MOVED_BOUNDARY = "moved-boundary"
    MORE_CASES = "more-cases"


@dataclass(frozen=True, kw_only=True)
class CheckProblem:
    """One finding and how it is classified: gated, accepted (with the reason), or neither.

    `rule` is the finding's name or a GateRule.
    """

    result: SettingResult
    finding: Finding
    rule: str
    message: str
    is_gated: bool
    accepted: str | None = None


class StaleSource(StrEnum):
    """Where a stale acceptance is written."""

    ALLOW = "allow"
    BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True)
class Stale:
    """An allowance or an entry of the baseline that is no longer needed as written; it does not change the exit status."""

    audit: str
    source: StaleSource
    kind: FindingKind
    setting: Setting | None
    message: str


@dataclass(frozen=True, kw_only=True)
class CheckedAudit:
    """One audit with its report and the classification of its findings, in the order of the report."""

    audit: CheckAudit
    report: Report
    problems: tuple[CheckProblem, ...]

    def gated(self) -> list[CheckProblem]:
        """Problems that make the exit status 1."""
        return [problem for problem in self.problems if problem.is_gated]

    def accepted(self) -> list[CheckProblem]:
        """Problems that are allowed or in the baseline."""
        return [problem for problem in self.problems if problem.accepted is not None]

    def has_crashed(self) -> bool:
        """Whether some setting could not be audited."""
        return any(result.verdict.is_unaudited for result in self.report.settings)

    def judged(self) -> int:
        """Number of settings with a verdict on the formulation."""
        return sum(result.verdict.is_judged for result in self.report.settings)


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What check prints: every audit, and what is stale."""

    version: str
    environment: Environment
    config: CheckConfig
    audits: tuple[CheckedAudit, ...]
    stale: tuple[Stale, ...]

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended it early, so that it holds only what was finished."""
        return len(self.audits) < len(self.config.audits) or any(checked.report.is_interrupted for checked in self.audits)

    def gated(self) -> list[tuple[CheckedAudit, CheckProblem]]:
        """Problems that make the exit status 1, with their audits."""
        return [(checked, problem) for checked in self.audits for problem in checked.gated()]

    def show_gated(self) -> str:
        """Return in how many settings, and in which files, something is gated."""
        gated = ((checked.audit.name, problem.result) for checked, problem in self.gated())
        return show_gated(gated, sum(1 for _ in self.results()))

    def unjudged(self) -> list[CheckedAudit]:
        """Audits in which no setting was judged and none crashed."""
        return [checked for checked in self.audits if not checked.judged() and not checked.has_crashed()]

    def results(self) -> Iterator[SettingResult]:
        """Yield the results of all audits."""
        for checked in self.audits:
            yield from checked.report.settings

    def verdict_counts(self) -> dict[Verdict, int]:
        """Settings by verdict, in the order of Verdict."""
        verdicts = [result.verdict for result in self.results()]
        return {verdict: verdicts.count(verdict) for verdict in Verdict}

    def exit_status(self) -> ExitStatus:
        """The exit status: an interruption; else the gate; else whether every audit judged something; else a crash."""
        counts = self.verdict_counts()
        if self.is_interrupted:
            return ExitStatus.INTERRUPTED
        if self.gated():
            return ExitStatus.GATE_FAILED
        if self.unjudged():
            return ExitStatus.USAGE
        return ExitStatus.NOT_AUDITED if any(v.is_unaudited and n for v, n in counts.items()) else ExitStatus.DONE
