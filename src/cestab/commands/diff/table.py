"""The table of `cestab diff` for people: what became worse, then what else changed, by setting."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cestab.commands.diff.answer import Change, Difference, SettingDifference
from cestab.commands.diff.sentences import describe_change, describe_environment, headline
from cestab.reports.text import to_text
from cestab.vocabulary.phrases import show_count

MOST_SETTINGS = 12  # of each part: more than a screen is not read
MOST_CHANGES = 6  # of a setting


def render(difference: Difference, stream: TextIO) -> str:
    """Return the difference as it is to be written to the stream."""
    return to_text(stream, *_parts(difference))


def _parts(difference: Difference) -> Iterator[RenderableType]:
    yield Text(f"cestab {difference.version} · diff · {headline(difference)}")
    environment = describe_environment(difference)
    if environment is not None:
        yield Text(environment, style="yellow")
    yield from _part(difference, "Worse", "bold red", is_worse=True)
    yield from _part(difference, "Not worse", "bold", is_worse=False)


def _part(difference: Difference, title: str, style: str, *, is_worse: bool) -> Iterator[RenderableType]:
    groups = [
        (compared, [change for change in compared.changes if change.is_worse is is_worse]) for compared in difference.settings
    ]
    groups = [(compared, changes) for compared, changes in groups if changes]
    if groups:
        yield Text(title, style=style)
    for compared, changes in groups[:MOST_SETTINGS]:
        yield from _setting(compared, changes, difference.schema)
    if len(groups) > MOST_SETTINGS:
        yield Text(f"  … and {show_count(len(groups) - MOST_SETTINGS, 'more setting')}; --json lists them all")


def _setting(compared: SettingDifference, changes: Sequence[Change], schema: str) -> Iterator[RenderableType]:
    yield Padding(Text.assemble((compared.setting.formulation, "bold"), f" {compared.setting.describe()}"), (0, 0, 0, 2))
    for change in changes[:MOST_CHANGES]:
        yield Padding(Text(describe_change(change, schema)), (0, 0, 0, 4))
    if len(changes) > MOST_CHANGES:
        yield Text(f"    … and {show_count(len(changes) - MOST_CHANGES, 'more change')}")
