"""An explanation for people: every operation, the root cause, and another formulation's outcome on the case."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cestab.commands.explain.answer import Entry, Explanation, Number, Operation, Outcome
from cestab.reports.tables import name_columns
from cestab.reports.text import Hanging, find_width, new_table, to_text
from cestab.vocabulary.kinds import Fp8Overflow

ROOT = "▶"
MOST_OPERATIONS = 200
INDENT = 4  # of the continued lines of an operation
WIDE = 80  # columns that leave room for words beside two float64


def render(explanation: Explanation, stream: TextIO, *, hexadecimal: bool = False) -> str:
    """Return the explanation as it is to be written to the stream; `hexadecimal` shows computed values exactly."""
    is_wide = find_width(stream) >= WIDE
    return to_text(stream, *_parts(explanation, hexadecimal=hexadecimal, is_wide=is_wide))


def _parts(explanation: Explanation, *, hexadecimal: bool, is_wide: bool) -> Iterator[RenderableType]:
    setting, root = explanation.setting, explanation.root_cause
    arithmetic = ", ".join([setting.dtype, *setting.unusual(), *_rules(explanation)])
    yield Text(f"cestab {explanation.version} · {setting.formulation} · {arithmetic} · {explanation.source}")
    yield from map(Text, explanation.roundings)
    if setting.classes > len(explanation.shown):
        yield Text(f"{len(explanation.shown)} of {setting.classes} classes are shown: {', '.join(map(str, explanation.shown))}")
    table = _new_table(is_wide=is_wide)
    last = -1
    for place, operation in _choose(explanation):
        if place > last + 1:
            table.add_row(f"  … {place - last - 1} left out", *[""] * 4, "they are in --json")
        _add_rows(table, operation, is_root=_is_root(explanation, operation), hexadecimal=hexadecimal)
        last = place
    if explanation.operations:
        yield table
    if root is not None:
        yield Text.assemble((f"{ROOT} Root cause of {root.finding.label}: ", "bold"), root.sentence)
    yield from (Text(f"{limit[0].upper()}{limit[1:]}.") for limit in explanation.limits)
    yield _outcomes(explanation, hexadecimal=hexadecimal)


def _choose(explanation: Explanation) -> list[tuple[int, Operation]]:
    """Return the operations that are shown, with their places: of too many, the first, the root cause, and the last."""
    operations = explanation.operations
    ends = MOST_OPERATIONS // 2
    return [
        (place, operation)
        for place, operation in enumerate(operations)
        if not ends <= place < len(operations) - ends or _is_root(explanation, operation)
    ]


def _is_root(explanation: Explanation, operation: Operation) -> bool:
    root = explanation.root_cause
    return root is not None and root.operation == f"{operation.name} = {operation.expression}"


def _new_table(*, is_wide: bool) -> Table:
    """Return the empty table; numbers are broken only where there is no room for them."""
    table = new_table(("operation", "class", "computed", "exact", "ulps", "what happened"), gap=1)
    for column in table.columns[2:4]:
        column.no_wrap = is_wide
    return table


def _rules(explanation: Explanation) -> Iterator[str]:
    """Overflow and underflow where they differ from the defaults."""
    if explanation.request.arithmetics.fp8_overflow is Fp8Overflow.SATURATE:
        yield "overflow saturates"
    if explanation.request.arithmetics.flush_subnormals:
        yield "subnormals flushed"


def _add_rows(table: Table, operation: Operation, *, is_root: bool, hexadecimal: bool) -> None:
    mark = f"{ROOT} " if is_root else "  "
    for first, entry in enumerate(operation.entries):
        formula = f"{mark}{operation.name} = {operation.expression}" if first == 0 else ""
        cells = (_place(entry), _show(entry.computed, hexadecimal=hexadecimal), entry.exact, _ulps(entry.ulps), entry.words)
        table.add_row(Hanging(text=formula, indent=INDENT, style="bold" if is_root else ""), *(Text(cell) for cell in cells))


def _place(entry: Entry) -> str:
    return "" if entry.index is None else str(entry.index)


def _show(number: Number, *, hexadecimal: bool) -> str:
    return number.hexadecimal if hexadecimal else number.decimal


def _ulps(ulps: float | None) -> str:
    return "" if ulps is None else f"{ulps:.2g}"


def _outcomes(explanation: Explanation, *, hexadecimal: bool) -> Table:
    """Truth, the formulation and the one beside it, loss and gradient line by line."""
    outcomes = [outcome for outcome in (explanation.outcome, explanation.against) if outcome is not None]
    table = new_table(("", "truth", *name_columns([outcome.formulation for outcome in outcomes])))
    table.add_row(
        "loss", Text(explanation.true_loss), *(Text(_show(outcome.loss, hexadecimal=hexadecimal)) for outcome in outcomes)
    )
    for place, (index, truth) in enumerate(zip(explanation.shown, explanation.true_gradient, strict=True)):
        name = "gradient" if explanation.setting.classes == 1 else f"gradient, class {index}"
        table.add_row(name, Text(truth), *(_gradient(outcome, place, hexadecimal=hexadecimal) for outcome in outcomes))
    table.add_row("findings", "", *(Text(_findings(outcome)) for outcome in outcomes))
    return table


def _gradient(outcome: Outcome, place: int, *, hexadecimal: bool) -> Text:
    """Return an entry of the gradient; an external loss may return none."""
    return Text(_show(outcome.gradient[place], hexadecimal=hexadecimal) if outcome.gradient else "none")


def _findings(outcome: Outcome) -> str:
    return ", ".join(kind.label for kind in outcome.findings) or "none"
