"""What the tables of several commands share: styles, heads of columns, footnotes."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cestab.reports.footnotes import list_external, list_unjudged, shorten
from cestab.reports.text import Name
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.requests import Arithmetics
from cestab.vocabulary.settings import Environment, Finding, SettingResult

STYLES = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


def describe_external(results: Sequence[SettingResult], environment: Environment) -> Iterator[RenderableType]:
    """Yield why settings were not judged, and what the numbers of external losses depend on."""
    for title, lines in (("Not judged", list_unjudged(results)), ("Run by", list_external(environment))):
        if lines:
            yield Text(title, style="bold")
            yield from (Padding(Text.assemble((name, "bold"), f": {words}"), (0, 0, 0, 2)) for name, words in lines)


def name_columns(names: Sequence[str]) -> list[Name]:
    """Return names as the heads of columns: shortened where they stay distinct."""
    short_names = [shorten(name) for name in names]
    return [Name(name=name) for name in (short_names if len(set(short_names)) == len(set(names)) else names)]


def describe_limits(arithmetics: Iterable[Arithmetics], *, is_interrupted: bool) -> Iterator[str]:
    """Yield what a headline must not leave out: the rule of overflow where a format has no infinity, an interruption."""
    rules = (a.fp8_overflow for a in arithmetics if not a.has_infinity)
    for rule in dict.fromkeys(rules):
        yield f"overflow without infinity: {rule}"
    if is_interrupted:
        yield "interrupted: this is what was finished"


def show_start(finding: Finding) -> str:
    """Return the |t| where a finding begins, or at most begins, to four digits; the report in JSON has them all."""
    return f"{'≤ ' if finding.is_at_most else ''}{abs(finding.first.value):.4g}"
