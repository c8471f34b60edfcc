"""docs/bounds-and-edges.md: the table has every failure of every formulation, where a sweep finds it; a script writes it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cestab.api import sweep

PATH = Path(__file__).parents[2] / "docs" / "bounds-and-edges.md"
DTYPES = ("float16", "bfloat16", "float32", "float64")
HEAD = f"| formulation | cases | finding | {' | '.join(DTYPES)} |\n|{' --- |' * 7}\n"
OFFSET_KINDS = ("wrong-loss", "wrong-gradient", "inf-gradient")  # those that margin does not have already
GROUPS = [  # objective, pattern, target
    *[("softmax-cross-entropy", "margin", target) for target in ("wrong", "correct")],
    ("softmax-cross-entropy", "offset", "wrong"),
    *[("binary-cross-entropy", "margin", target) for target in ("wrong", "correct")],
    *[("focal-loss", "margin", target) for target in ("wrong", "correct")],
    *[("z-loss", pattern, "wrong") for pattern in ("margin", "offset")],
    *[
        (f"{output}-mean-squared-error", "margin", target)
        for output in ("softmax", "sigmoid")
        for target in ("wrong", "correct")
    ],
]
Row = tuple[str, ...]


def measure(objective: str, pattern: str, target: str) -> Iterator[Row]:
    """Yield a row for each failure, and each zeroed gradient, of each formulation; of one logit for each side of 0."""
    is_binary = objective in ("binary-cross-entropy", "sigmoid-mean-squared-error")
    places = {"x > 0": "first_positive", "x < 0": "first_negative"} if is_binary else {"": "first"}
    report = sweep(
        None,
        objective=objective,
        dtypes=DTYPES,
        patterns=[pattern],
        classes=[1 if is_binary else 2],
        targets=[target],
        logits="all",
    )
    found: dict[Row, dict[str, str]] = {}
    for setting in json.loads(report.to_json())["settings"]:
        for finding in setting["findings"]:
            for side, key in places.items():
                kind, place = finding["kind"], finding[key]
                if place is None or (finding["severity"] != "fail" and kind != "zeroed-gradient"):
                    continue
                if pattern == "offset" and kind not in OFFSET_KINDS:
                    continue
                words = [f"`{word}`" for word in ([pattern] if pattern == "offset" else [target])]
                row: Row = (f"`{setting['formulation']}`", ", ".join([*words, *([side] if side else [])]), f"`{kind}`")
                at_most = "≤ " if place["bound"] == "at-most" else ""
                found.setdefault(row, {})[setting["dtype"]] = at_most + str(place["t"]).replace("-", "−", 1)
    for row, cells in found.items():
        yield (*row, *(cells.get(dtype, "—") for dtype in DTYPES))


def printed() -> list[Row]:
    """Return the rows of the page's table."""
    table = re.search(re.escape(HEAD) + r"((?:\|.*\n)+)", PATH.read_text(encoding="utf-8"))
    assert table, "the page has the table"
    return [tuple(cell.strip() for cell in line.strip("|\n").split(" | ")) for line in table[1].splitlines()]


def loosen(row: Row) -> Row:
    """Return the row with gradual failures, which depend on the last digit of the processor's exp, to two digits."""
    return tuple(f"≤ {float(cell[2:].replace('−', '-')):.2g}" if cell.startswith("≤ ") else cell for cell in row)


@pytest.mark.parametrize("group", GROUPS, ids="-".join)
def test_the_table_has_what_a_sweep_finds(group: tuple[str, str, str]) -> None:
    quoted = {row[:3]: loosen(row) for row in printed()}
    assert [row for row in map(loosen, measure(*group)) if quoted.get(row[:3]) != row] == []


def test_the_table_has_no_other_rows() -> None:
    measured = [row[:3] for group in GROUPS for row in measure(*group)]
    assert [row[:3] for row in printed()] == measured
    assert len({name for name, *_ in measured}) > 12


if __name__ == "__main__":
    page = PATH.read_text(encoding="utf-8")
    before, _, rest = page.partition(HEAD)
    rows = "".join(f"| {' | '.join(row)} |\n" for group in GROUPS for row in measure(*group))
    PATH.write_text(before + HEAD + rows + re.sub(r"\A(\|.*\n)*", "", rest), encoding="utf-8")
