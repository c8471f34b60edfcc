"""CSV that Python's own reader reads back, and Markdown whose cells cannot break the table."""

import csv

from cestab.reports.rows import to_csv, to_markdown


def test_csv_reads_back() -> None:
    rows = [["a,b", 'say "no"', "line\nend"], ["", "−y/p", "0.1"]]
    text = to_csv(["x", "y", "z"], [["a,b", 'say "no"', "line\nend"], [None, "−y/p", 0.1]])
    assert list(csv.reader(text.splitlines(keepends=True))) == [["x", "y", "z"], *rows]


def test_markdown_keeps_its_columns() -> None:
    text = to_markdown(["x", "y"], [["a|b", "<i>"], ["two\nlines", 3]])
    assert text == "| x | y |\n| --- | --- |\n| a\\|b | &lt;i> |\n| two lines | 3 |\n"
