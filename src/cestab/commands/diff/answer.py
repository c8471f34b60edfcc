"""What `cestab diff` answers: per setting, what changed from one report to another, and whether for the worse."""

from dataclasses import dataclass
from enum import Enum

from cestab.errors import ExitStatus
from cestab.vocabulary.settings import Setting

Quantity = float | str | None  # a magnitude t, a row, a number of cases, an error in ulps, or a verdict


class ChangeRule(Enum):
    """One kind of change: its name and one-line summary."""

    NEW_FINDING = ("new-finding", "a kind of finding that OLD does not have; worse from severity warn on")
    FIXED_FINDING = ("fixed-finding", "a kind of finding that NEW does not have any more")
    MOVED_BOUNDARY = ("moved-boundary", "a hard finding holds on other floats; worse where it holds on more")
    MORE_CASES = ("more-cases", "a finding has more cases, by more than the allowed growth; always worse")
    GROWN_ERROR = ("grown-error", "the largest error in ulps grew by more than the allowed growth; always worse")
    CHANGED_VERDICT = ("changed-verdict", "the verdict is another; worse if graver, or if NEW could not be judged")
    MISSING_SETTING = ("missing-setting", "a setting of OLD that NEW does not have; worse if it was judged")
    ADDED_SETTING = ("added-setting", "a setting that OLD does not have")

    def __init__(self, label: str, summary: str) -> None:
        self.label = label
        self.summary = summary


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of a setting.

    `subject` is a kind of finding, or `loss` or `gradient` of an error; `old` and `new` are what the rule compares, None
    where that report has none; `floats` is the number of floats of the format by which a boundary moved.
    """

    rule: ChangeRule
    is_worse: bool
    subject: str | None = None
    old: Quantity = None
    new: Quantity = None
    floats: int | None = None
    reproduce: str | None = None


@dataclass(frozen=True, kw_only=True)
class SettingDifference:
    """All changes of a setting; `unjudged` says why NEW has no verdict on it."""

    setting: Setting
    changes: tuple[Change, ...]
    unjudged: str | None = None


@dataclass(frozen=True, kw_only=True)
class EnvironmentChange:
    """One thing that the numbers may depend on and that is different in NEW."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs between the reports called `old` and `new`, both of schema `schema`; settings in the order of NEW."""

    version: str
    schema: str
    old: str
    new: str
    max_growth: float
    environment: tuple[EnvironmentChange, ...]
    settings: tuple[SettingDifference, ...]

    def changes(self) -> list[tuple[Setting, Change]]:
        """Every change with its setting."""
        return [(compared.setting, change) for compared in self.settings for change in compared.changes]

    def worse(self) -> list[tuple[Setting, Change]]:
        """Changes that make the exit status 1."""
        return [(setting, change) for setting, change in self.changes() if change.is_worse]

    def exit_status(self) -> ExitStatus:
        """The exit status: the gate fails where anything is worse."""
        return ExitStatus.GATE_FAILED if self.worse() else ExitStatus.DONE
