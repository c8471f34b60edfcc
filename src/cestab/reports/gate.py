"""What a gate says, flat: one case per setting with its problems. Every form that CI systems read is written from this."""

from dataclasses import dataclass
from enum import StrEnum

from cestab.errors import ExitStatus


class Level(StrEnum):
    """How a problem is shown; what counts for the exit status is `Problem.is_gated`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Location:
    """A line of a file that a problem points at; `file` is seen from the root of the project."""

    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a setting.

    `rule` is a finding's name or that of a gate's own rule, such as `moved-boundary`; `message` one sentence;
    `accepted` the reason why it is allowed, None where it is not.
    """

    rule: str
    level: Level
    message: str
    is_gated: bool
    reproduce: str | None = None
    accepted: str | None = None


@dataclass(frozen=True, kw_only=True)
class GateCase:
    """One setting as a test case: `group` is its formulation (of a check: the audit's name), `name` the rest of it.

    `skipped` says why it could not be judged, `error` how it crashed, `partly` what of it was not judged though the rest was.
    """

    group: str
    name: str
    problems: tuple[Problem, ...]
    skipped: str | None = None
    error: str | None = None
    location: Location | None = None
    partly: str | None = None


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """All cases of one command, its headline, and the status that it ends with."""

    command: str
    version: str
    headline: str
    cases: tuple[GateCase, ...]
    status: ExitStatus

    def gated(self) -> list[tuple[GateCase, Problem]]:
        """Problems that make the exit status 1."""
        return [(case, problem) for case in self.cases for problem in case.problems if problem.is_gated]
