"""What sweep and audit answer: the report of all settings, with causes and advice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cestab.errors import ExitStatus
from cestab.vocabulary.kinds import Coverage, FindingKind, Verdict, gated_kinds
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.recorded import Conclusion, Portrait
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, LargestError, Place, SettingResult

THE_FILE = "the file"  # stands in place of a formulation where the facts of a file are findings


def find_fact(kind: FindingKind, rows: int, first: Place) -> Finding:
    """Return a fact as a finding of the file, of which only the first row is known."""
    return Finding(kind=kind, cases=rows, first=first, lowest=first, highest=first, worst=first)


def judge_file(
    settings: Sequence[SettingResult], facts: Mapping[str, Sequence[Finding]], rows: int
) -> tuple[SettingResult, ...]:
    """Return the facts of a file as results, one per dtype: `facts` by dtype, found in so many rows that are not ignored."""
    first = {result.setting.dtype: result.setting for result in reversed(settings)}
    return tuple(
        SettingResult(
            setting=replace(first[dtype], formulation=THE_FILE),
            verdict=Verdict.of(finding.kind.severity for finding in facts.get(dtype, ())),
            cases=rows,
            undefined=0,
            ties=0,
            coverage=Coverage.RECORDED,
            findings=tuple(facts.get(dtype, ())),
            largest_error=LargestError(loss=None, gradient=None),
        )
        for dtype in dict.fromkeys(result.setting.dtype for result in settings)
    )


def show_gated(gated: Iterable[tuple[str, SettingResult]], settings: int) -> str:
    """Return where a gate found something: `1 of 2 settings`, or `the file and 1 of 2 settings`, or `2 files`.

    `gated`: each result with the name of its audit, which has one file; `settings`: how many there are.
    """
    keys = {(audit, result.setting) for audit, result in gated}
    files = {audit for audit, setting in keys if setting.formulation == THE_FILE}
    failed = sum(setting.formulation != THE_FILE for _, setting in keys)
    places = [THE_FILE if len(files) == 1 else f"{len(files)} files"] * bool(files)
    places += [f"{failed} of {show_count(settings, 'setting')}"] * bool(failed)
    return " and in ".join(places)


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Which audited formulation to use in a dtype, None where none should be used, and why.

    `cure`: what makes one that fails sound, with its name and code; `why` says it, too.
    """

    dtype: str
    formulation: str | None
    why: str
    cure: str | None = None


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
    arithmetic. Of a file `data` are the facts, `portrait` what its logits are like, `conclusions` the answers, per dtype. An
    interrupted report holds what was finished.
    """

    version: str
    environment: Environment
    request: SweepRequest | AuditRequest
    settings: tuple[SettingResult, ...]
    recommendations: tuple[Recommendation, ...]
    causes: tuple[Cause, ...]
    escalated: int
    data: tuple[SettingResult, ...] = ()
    portrait: Portrait | None = None
    conclusions: tuple[Conclusion, ...] = ()
    rows: int = 0
    ignored_rows: int = 0
    is_interrupted: bool = False

    @property
    def results(self) -> tuple[SettingResult, ...]:
        """The settings, and before them the facts of the file in those dtypes that have some."""
        return (*(result for result in self.data if result.findings), *self.settings)

    def verdict_counts(self) -> dict[Verdict, int]:
        """Settings by verdict, in the order of Verdict."""
        return {verdict: sum(s.verdict is verdict for s in self.settings) for verdict in Verdict}

    def gated(self) -> list[tuple[SettingResult, Finding]]:
        """Findings that the request's `fail_on` gates."""
        kinds = gated_kinds(self.request.fail_on)
        return [(result, finding) for result in self.results for finding in result.findings if finding.kind in kinds]

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
