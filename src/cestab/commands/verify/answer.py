"""What `cestab verify` answers: per setting, which figures of a report were confirmed, and which differ."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cestab.commands.diff.answer import EnvironmentChange
from cestab.errors import ExitStatus
from cestab.evaluation.certify import Figure
from cestab.vocabulary.settings import Setting


@dataclass(frozen=True, kw_only=True)
class VerifiedSetting:
    """One setting with its figures; `reason` says why it could not be run again."""

    setting: Setting
    figures: tuple[Figure, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The answer; `runs_all`: the whole request was run again, beside the figures that were decided in balls."""

    version: str
    source: str
    runs_all: bool
    environment: tuple[EnvironmentChange, ...]
    settings: tuple[VerifiedSetting, ...]
    is_interrupted: bool = False

    def differences(self) -> Iterator[tuple[Setting, Figure]]:
        """Yield the figures that were not confirmed."""
        for verified in self.settings:
            yield from ((verified.setting, figure) for figure in verified.figures if not figure.is_confirmed)

    def failures(self) -> Iterator[tuple[Setting, str]]:
        """Yield the settings that could not be run again, and why."""
        yield from ((own.setting, own.reason) for own in self.settings if own.reason is not None)

    def counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return by dtype and family of figures how many were confirmed, of how many."""
        every = Counter((own.setting.dtype, figure.family) for own in self.settings for figure in own.figures)
        differing = Counter((setting.dtype, figure.family) for setting, figure in self.differences())
        return {key: (count - differing[key], count) for key, count in every.items()}

    def exit_status(self) -> ExitStatus:
        """Return 1 where a figure differs, 3 where a setting could not be run again."""
        if any(True for _ in self.differences()):
            return ExitStatus.GATE_FAILED
        if self.is_interrupted:
            return ExitStatus.INTERRUPTED
        return ExitStatus.NOT_AUDITED if any(True for _ in self.failures()) else ExitStatus.DONE
