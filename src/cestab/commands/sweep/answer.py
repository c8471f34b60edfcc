"""What sweep and audit answer: the report of all settings, with causes and advice."""

from dataclasses import dataclass

from cestab.errors import ExitStatus
from cestab.vocabulary.kinds import Verdict, gated_kinds
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, SettingResult


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Which audited formulation to use in a dtype, None where none should be used, and why."""

    dtype: str
    formulation: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a formulation fails: what went wrong first in some dtypes, and the sentence that says where."""

    formulation: str
    operation: str
    dtypes: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What sweep (request: SweepRequest) and audit (request: AuditRequest) return and print.

    `causes` has one for every distinct first failure of a formulation; `escalated` counts cases decided in ball
    arithmetic. An interrupted report holds what was finished.
    """

    version: str
    environment: Environment
    request: SweepRequest | AuditRequest
    settings: tuple[SettingResult, ...]
    recommendations: tuple[Recommendation, ...]
    causes: tuple[Cause, ...]
    escalated: int
    rows: int = 0
    ignored_rows: int = 0
    is_interrupted: bool = False

    def verdict_counts(self) -> dict[Verdict, int]:
        """Settings by verdict, in the order of Verdict."""
        return {verdict: sum(s.verdict is verdict for s in self.settings) for verdict in Verdict}

    def gated(self) -> list[tuple[SettingResult, Finding]]:
        """Findings that the request's `fail_on` gates."""
        kinds = gated_kinds(self.request.fail_on)
        return [(result, finding) for result in self.settings for finding in result.findings if finding.kind in kinds]

    def exit_status(self) -> ExitStatus:
        """The exit status: an interruption; else the gate; else a crash; else whether anything was judged."""
        counts = self.verdict_counts()
        if self.is_interrupted:
            return ExitStatus.INTERRUPTED
        if self.gated():
            return ExitStatus.GATE_FAILED
        if any(result.verdict.is_unaudited for result in self.settings):
            return ExitStatus.NOT_AUDITED
        return ExitStatus.DONE if any(counts[verdict] for verdict in Verdict if verdict.is_judged) else ExitStatus.USAGE

    def to_json(self) -> str:
        """Return the report as the strict JSON that the command writes."""
        from cestab.commands.sweep import wire

        return wire.render(self)
