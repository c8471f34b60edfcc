"""The JSON report cestab.verify/1 of what was confirmed of a report, and what differs."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from cestab.commands.diff.wire import EnvironmentChange
from cestab.commands.verify.answer import Verification
from cestab.reports.json import write_json
from cestab.reports.wire.settings import SettingName, write_setting
from cestab.reports.wire.types import Count, Interrupted, Report, Text, Wire, Word


class Summary(Wire):
    """Numbers of settings, of figures that were looked at again, and of those that differ."""

    settings: Count
    figures: Count
    differences: Count


class Difference(Wire):
    """A figure that was not confirmed: what it is, where (null: of the whole setting), what the report says and what is so."""

    setting: SettingName
    figure: Text
    at: Text | None
    said: Text
    found: Text


class NotRun(Wire):
    """A setting that could not be run again."""

    setting: SettingName
    reason: Text


class Verify(Report, tag="cestab.verify/1"):
    """What was confirmed of a report of sweep; `all`: its request was run again as well."""

    version: Word
    report: Text
    all: Annotated[bool, Meta(description="whether the whole request was run again")]
    environment: tuple[EnvironmentChange, ...]
    interrupted: Interrupted | UnsetType = UNSET
    summary: Summary
    differences: tuple[Difference, ...]
    not_run: tuple[NotRun, ...]


def render(verification: Verification) -> str:
    """Return the verification as JSON, with a newline at the end."""
    differences = tuple(
        Difference(
            setting=SettingName(**write_setting(setting)),
            figure=figure.what,
            at=None if figure.place is None else str(figure.place),
            said=figure.said,
            found=figure.found,
        )
        for setting, figure in verification.differences()
    )
    return write_json(
        Verify(
            version=verification.version,
            report=verification.source,
            all=verification.runs_all,
            environment=tuple(EnvironmentChange(**vars(change)) for change in verification.environment),
            interrupted=verification.is_interrupted or UNSET,
            summary=Summary(
                settings=len(verification.settings),
                figures=sum(len(own.figures) for own in verification.settings),
                differences=len(differences),
            ),
            differences=differences,
            not_run=tuple(
                NotRun(setting=SettingName(**write_setting(setting)), reason=reason)
                for setting, reason in verification.failures()
            ),
        )
    )
