"""docs/capture.md: it names every kind of file and every format that is recorded, and its file is what is written."""

import re
from pathlib import Path

from cestab.capture import CODES, FORMAT
from cestab.cases.files import FILE_FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "capture.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_kind_of_file_has_its_row() -> None:
    rows = "".join(line.split("|")[1] for line in section("Files that audit reads").splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`([^`]+)`", rows)) == sorted(FILE_FORMATS)


def test_every_format_that_is_recorded_is_named() -> None:
    words = " ".join(PAGE.split())
    *others, last = CODES
    assert f"{', '.join(others)} or {last}" in words
    *codes, last_code = CODES.values()
    assert f"{', '.join(codes)} or {last_code}" in words
    assert f"`{FORMAT}`" in section("The file")
