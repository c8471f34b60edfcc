"""The JSON report cestab.diff/1 of what differs between two reports."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from cestab.commands.diff import answer
from cestab.commands.diff.sentences import describe_change
from cestab.reports.json import write_json
from cestab.reports.wire.settings import SettingName, write_setting
from cestab.reports.wire.types import Count, Kind, Positive, Report, Text, Wire, Word
from cestab.vocabulary.settings import Setting

if TYPE_CHECKING:
    Rule = str
else:
    Rule = Literal[tuple(rule.label for rule in answer.ChangeRule)]
Quantity = Annotated[
    float | int | str | None,
    Meta(description="a magnitude t, a number of cases, an error in ulps or a verdict; null where that report has none"),
]


class EnvironmentChange(Wire):
    """What the numbers may depend on and is not the same."""

    name: Word
    old: str
    new: str


class Summary(Wire):
    """Numbers of settings in either report, of changes, and of those for the worse."""

    settings: Count
    changes: Count
    worse: Count


class Change(Wire):
    """One change of a setting; its subject is a kind of finding, or of an error its half."""

    rule: Rule
    worse: bool
    setting: SettingName
    subject: Kind | Literal["loss", "gradient"] | None
    old: Quantity
    new: Quantity
    floats: Positive | None
    reproduce: Text | None
    message: Text


class Diff(Report, tag="cestab.diff/1"):
    """What differs between two reports."""

    version: Word
    reports: Literal["cestab.sweep/1", "cestab.audit/1"]
    old: Text
    new: Text
    max_growth: Annotated[float, Meta(ge=1)]
    environment: tuple[EnvironmentChange, ...]
    summary: Summary
    changes: tuple[Change, ...]


def render(difference: answer.Difference) -> str:
    """Return the difference as JSON, with a newline at the end."""
    changes = difference.changes()
    schema: Any = difference.schema
    return write_json(
        Diff(
            version=difference.version,
            reports=schema,
            old=difference.old,
            new=difference.new,
            max_growth=difference.max_growth,
            environment=tuple(EnvironmentChange(**vars(change)) for change in difference.environment),
            summary=Summary(settings=len(difference.settings), changes=len(changes), worse=len(difference.worse())),
            changes=tuple(_write_change(setting, change, schema) for setting, change in changes),
        )
    )


def _write_change(setting: Setting, change: answer.Change, schema: str) -> Change:
    return Change(
        rule=change.rule.label,
        worse=change.is_worse,
        setting=SettingName(**write_setting(setting)),
        subject=change.subject,
        old=change.old,
        new=change.new,
        floats=change.floats,
        reproduce=change.reproduce,
        message=describe_change(change, schema),
    )
