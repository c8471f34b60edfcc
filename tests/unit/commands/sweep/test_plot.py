"""`--plot`: what the strips of sweep and compare look like, and where there are none."""

import pytest

from cestab.commands.app import run

CLIPPED = ["-f", "clipped", "-f", "compensated", "--dtype", "float32", "--classes", "2", "--pattern", "margin"]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_strips_fit_the_terminal(columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["sweep", *CLIPPED, "--plot"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    start = lines.index("float32")
    clipped, compensated, axis = lines[start + 1 : start + 4]
    assert clipped.split()[0] == "clipped"
    assert {"·", "0"} <= set(clipped.split()[-1]) <= {"·", "z", "0"}
    assert clipped.endswith("0")
    assert set(compensated.split()[-1]) == {"·"}
    assert "100" in axis.split()
    assert len(clipped) == len(compensated) <= columns


def test_a_comparison_has_strips(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "naive", "compensated", *CLIPPED[4:], "--plot"]
    assert run(words) == 0
    output = capsys.readouterr().out
    assert "N NaN, " in output
    assert "the worst in each step of |t|" in " ".join(output.split())


def test_strips_are_part_of_the_table_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", *CLIPPED, "--plot", "--output-format", "csv"]) == 2
    assert capsys.readouterr().err == "cestab: --plot is a part of the table, not of csv\n"


def test_what_was_not_judged_has_no_strip(capsys: pytest.CaptureFixture[str]) -> None:
    """A mask needs an infinity, which float8_e4m3fn has not."""
    words = ["-f", "compensated", "--dtype", "float8_e4m3fn,float16", "--classes", "4", "--pattern", "masked"]
    assert run(["sweep", *words, "--plot"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("float8_e4m3fn") + 1].split() == ["compensated", "unsupported"]
