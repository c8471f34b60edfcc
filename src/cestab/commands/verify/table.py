"""The table of `cestab verify` for people: what was confirmed by dtype, then what differs."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cestab.commands.diff.sentences import describe_changes
from cestab.commands.verify.answer import Verification
from cestab.reports.text import new_table, to_text
from cestab.vocabulary.phrases import show_count

MOST_DIFFERENCES = 20


def _show(confirmed: int, every: int) -> Text:
    return Text(f"{confirmed:,} of {every:,}" if every else "", style="green" if confirmed == every else "red")


def render(verification: Verification, stream: TextIO) -> str:
    """Return the verification as it is to be written to the stream."""
    return to_text(stream, *_parts(verification))


def headline(verification: Verification) -> str:
    """Return the line over a verification: how much of the report was confirmed."""
    counts = verification.counts().values()
    confirmed, every = sum(own for own, _ in counts), sum(own for _, own in counts)
    settings = show_count(len(verification.settings), "setting")
    words = ["interrupted"] if verification.is_interrupted else []
    said = f"all {every:,} figures confirmed" if confirmed == every else f"{every - confirmed:,} of {every:,} figures differ"
    return " · ".join([f"cestab {verification.version}", "verify", settings, said, *words])


def _parts(verification: Verification) -> Iterator[RenderableType]:
    yield Text(headline(verification))
    environment = describe_changes(verification.environment)
    if environment is not None:
        yield Text(environment, style="yellow")
    counts = verification.counts()
    families = list(dict.fromkeys(family for _, family in counts))
    table = new_table(("confirmed", *families))
    for dtype in dict.fromkeys(dtype for dtype, _ in counts):
        table.add_row(Text(dtype), *(_show(*counts.get((dtype, family), (0, 0))) for family in families))
    yield table
    differences = list(verification.differences())
    if differences:
        yield Text("Different", style="bold red")
    for setting, figure in differences[:MOST_DIFFERENCES]:
        where = "" if figure.place is None else f" at {figure.place}"
        line = f"{setting}: {figure.what}{where}: the report says {figure.said}, found {figure.found}"
        yield Padding(Text(line), (0, 0, 0, 2))
    if len(differences) > MOST_DIFFERENCES:
        yield Text(f"  … and {len(differences) - MOST_DIFFERENCES:,} more; --json lists them all")
    for setting, reason in verification.failures():
        yield Padding(Text(f"{setting}: not run again: {reason}", style="magenta"), (0, 0, 0, 2))
