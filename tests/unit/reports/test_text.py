"""Names in narrow columns, and the width that is asked for."""

import io

import pytest

from cestab.reports.text import Name, break_name, find_width, new_table, to_text


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("log-sum-exp", 11, ["log-sum-exp"]),
        ("losses.py:cross_entropy", 15, ["losses.py:", "cross_entropy"]),
        ("losses.py:cross_entropy", 10, ["losses.py:", "cross_", "entropy"]),
        ("vanishing-gradient", 14, ["vanishing-", "gradient"]),
        ("torch:…cross_entropy:label_smoothing=0.1", 22, ["torch:…cross_entropy:", "label_smoothing=0.1"]),
        ("torch:…cross_entropy:label_smoothing=0.1", 14, ["torch:…", "cross_entropy:", "label_", "smoothing=0.1"]),
    ],
)
def test_names_break_where_their_parts_meet(name: str, width: int, lines: list[str]) -> None:
    assert break_name(name, width) == lines
    assert "".join(lines) == name


def test_a_table_breaks_names_so_and_folds_what_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = new_table(["what", Name(name="python:losses.cross_entropy")])
    table.add_row("x" * 30, Name(name="y" * 20))
    lines = to_text(io.StringIO(), table).splitlines()
    assert max(map(len, lines)) <= 40
    heading = [line.split()[-1] for line in lines[:2]]
    assert heading == ["python:", "losses.cross_entropy"] or all(part[-1] in ":._" for part in heading[:-1])


@pytest.mark.parametrize(("columns", "width"), [("0", 80), ("", 80), ("10", 40), ("60", 60), ("100", 100)])
def test_no_columns_are_80(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert find_width(io.StringIO()) == width
