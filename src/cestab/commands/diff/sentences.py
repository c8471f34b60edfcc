"""The sentences of `cestab diff`, and its flat forms: CSV, Markdown, and the gate that CI systems read."""

from collections.abc import Sequence

from cestab.commands.diff.answer import Change, ChangeRule, Difference, EnvironmentChange, SettingDifference
from cestab.reports import rows
from cestab.reports.gate import GateCase, GateReport, Level, Problem
from cestab.reports.rows import Cell
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import Setting

KEYS = ("formulation", "objective", "dtype", "compute", "summation", "pattern", "classes", "target", "loss_scale")
COLUMNS = ("rule", "worse", *KEYS, "subject", "old", "new", "floats", "message")
PLACES = {"cestab.sweep/1": "t =", "cestab.audit/1": "row"}


def render_csv(difference: Difference) -> str:
    """Return one row per change."""
    return rows.to_csv(COLUMNS, (_row(setting, change, difference.schema) for setting, change in difference.changes()))


def _row(setting: Setting, change: Change, schema: str) -> list[Cell]:
    case: list[Cell] = [setting.formulation, setting.objective.name, setting.dtype, setting.compute, setting.summation.value]
    case += [setting.pattern, setting.classes, setting.target, setting.loss_scale]
    compared: list[Cell] = [change.subject, change.old, change.new, change.floats, describe_change(change, schema)]
    return [change.rule.label, "true" if change.is_worse else "false", *case, *compared]


def render_markdown(difference: Difference) -> str:
    """Return the headline and a table of the changes, those for the worse first."""
    lines = [f"**cestab diff**: {headline(difference)}", describe_environment(difference)]
    changes = sorted(difference.changes(), key=lambda pair: not pair[1].is_worse)
    shown = [_markdown_row(setting, change, difference.schema) for setting, change in changes]
    table = [rows.to_markdown(("", "formulation", "setting", "change"), shown).rstrip()] if shown else []
    return "\n\n".join([*filter(None, lines), *table]) + "\n"


def _markdown_row(setting: Setting, change: Change, schema: str) -> list[Cell]:
    sign = "worse" if change.is_worse else ""
    return [sign, setting.formulation, setting.describe(), describe_change(change, schema)]


def to_gate(difference: Difference) -> GateReport:
    """Return the difference as cases of a gate, one per setting; only changes for the worse are gated."""
    cases = tuple(_gate_case(compared, difference.schema) for compared in difference.settings)
    return GateReport(
        command="diff", version=difference.version, headline=headline(difference), cases=cases, status=difference.exit_status()
    )


def _gate_case(compared: SettingDifference, schema: str) -> GateCase:
    problems = tuple(
        Problem(
            rule=change.rule.label,
            level=Level.ERROR if change.is_worse else Level.NOTE,
            message=describe_change(change, schema),
            is_gated=change.is_worse,
            reproduce=change.reproduce,
        )
        for change in compared.changes
    )
    return GateCase(
        group=compared.setting.formulation, name=compared.setting.describe(), problems=problems, skipped=compared.unjudged
    )


def headline(difference: Difference) -> str:
    """Return how many settings changed, how many of them for the worse."""
    settings = show_count(len(difference.settings), "setting")
    changed = sum(bool(compared.changes) for compared in difference.settings)
    if not changed:
        return f"{settings}, no differences"
    worse = len({setting for setting, _ in difference.worse()})
    return f"{settings}, {changed} with differences, {worse} of them worse"


def describe_environment(difference: Difference) -> str | None:
    """Return the line that says which conditions of the numbers differ; None where all are the same."""
    return describe_changes(difference.environment)


def describe_changes(environment: Sequence[EnvironmentChange]) -> str | None:
    """Return the line that says what is not the same; None where nothing is."""
    changes = [f"{change.name} was {change.old!r}, is {change.new!r}" for change in environment]
    return f"made under other conditions: {'; '.join(changes)}" if changes else None


SENTENCES = {
    ChangeRule.NEW_FINDING: "{subject} is new, from {at} {new}",
    ChangeRule.FIXED_FINDING: "{subject} is gone; it was there from {at} {old}",
    ChangeRule.MOVED_BOUNDARY: "{subject} {moved}",
    ChangeRule.MORE_CASES: "{subject} has {new:,} cases, from {old:,}",
    ChangeRule.GROWN_ERROR: "the largest error of the {subject} is {new} ulps, from {old}",
    ChangeRule.CHANGED_VERDICT: "the verdict is {new}, from {old}",
    ChangeRule.MISSING_SETTING: "the setting is missing; its verdict was {old}",
    ChangeRule.ADDED_SETTING: "the setting is new; its verdict is {new}",
}


def describe_change(change: Change, schema: str) -> str:
    """Return a change in one sentence."""
    moved = "" if change.floats is None else f"{_describe_extent(change, change.floats)}: {_describe_move(change)}"
    return SENTENCES[change.rule].format(**vars(change), at=PLACES[schema], moved=moved)


def _describe_extent(change: Change, floats: int) -> str:
    return f"holds on {show_count(floats, 'more float' if change.is_worse else 'fewer float')}"


def _describe_move(change: Change) -> str:
    if change.old is None:
        return f"now also from t = {change.new}"
    if change.new is None:
        return f"no more from t = {change.old}"
    return f"its boundary is t = {change.new}, from {change.old}"
