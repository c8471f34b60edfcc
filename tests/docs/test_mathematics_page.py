"""docs/mathematics.md and docs/bounds-and-edges.md: every number is what algebra gives or what the command above it finds."""

import json
import math
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cestab.commands.app import run

DOCS = Path(__file__).parents[2] / "docs"
NAMES = ("mathematics.md", "bounds-and-edges.md", "formulations.md", "findings.md")
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in NAMES}
TABLE = re.compile(r"^```bash\n(cestab sweep .+)\n```\n\n(\|.+\|)\n\|[ |-]+\|\n((?:\|.+\|\n)+)", re.MULTILINE)
ROUNDOFF = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}
SUBNORMAL = {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}  # powers of 2
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
PROSE = {  # decimals between the tables, by algebra
    "16.12": round(-math.log(1e-7), 2),
    "15.537": round(22 * math.log(2) + math.log(4 / 3), 3),
    "1.5": 1.5,  # the middle of 1 and 2
}


def tables() -> Iterator[tuple[str, str, list[dict[str, str]]]]:
    for page, text in PAGES.items():
        for command, head, body in TABLE.findall(text):
            columns = [cell.strip() for cell in head.strip("|").split("|")]
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
            yield page, command, [dict(zip(columns, row, strict=True)) for row in rows]


MEASURED = [(command, rows) for _, command, rows in tables() if "cases" not in rows[0] and "`--logits`" not in rows[0]]


@cache
def _sweep(command: str, folder: Path) -> list[dict[str, Any]]:
    file = folder / "report.json"
    assert run([*shlex.split(command)[1:], *([] if "--json" in command else ["--json"]), "-o", str(file)]) in (0, 1)
    settings: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["settings"]
    return settings


def _place(place: dict[str, Any]) -> str:
    return str(place["t"]).replace("-", "−", 1)


def _first(setting: dict[str, Any], kind: str) -> str:
    first = next(finding["first"] for finding in setting["findings"] if finding["kind"] == kind)
    return ("≤ " if first["bound"] == "at-most" else "") + _place(first)


def _expect(settings: list[dict[str, Any]], rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield each row as the sweep has it; numbers of errors are compared apart."""
    if "from" in rows[0]:
        for interval in settings[0]["intervals"]:
            outcomes = {name: f"`{interval[name]}`" if interval[name] else "—" for name in ("loss", "gradient")}
            yield {"from": _place(interval["from"]), "to": _place(interval["to"]), **outcomes}
        return
    for row in rows:
        if "finding" in row:
            ours = [s for s in settings if f"`{s['formulation']}`" == row["formulation"]]
            cells = {s["dtype"]: _first(s, row["finding"].strip("`")) for s in ours}
        elif "order" in row:
            (setting,) = (s for s in settings if f"`{s['summation']}`" == row["order"])
            failures = [f"`{f['kind']}` from {_place(f['first'])}" for f in setting["findings"] if f["severity"] == "fail"]
            cells = {"mean": ", ".join(failures) or setting["verdict"]}
        else:
            (setting,) = (s for s in settings if s["dtype"] == row["dtype"])
            errors = setting["max_error"]
            numbers = {
                "loss error (ulps)": errors["loss_ulps"],
                "gradient error (ulps)": errors["gradient_ulps"],
                "of the whole gradient (u)": errors["gradient_relative"] / ROUNDOFF[row["dtype"]],
            }
            # exp's last digit depends on the processor: 2 ulps with AVX-512 are 1.38 with AVX2
            cells = {name: row[name] if 0.5 < n / float(row[name]) < 2 else str(n) for name, n in numbers.items()}
            cells["verdict"] = setting["verdict"]
        yield row | cells


@pytest.mark.parametrize(("command", "rows"), MEASURED, ids=lambda value: value if isinstance(value, str) else "")
def test_tables_are_what_the_command_finds(command: str, rows: list[dict[str, str]], tmp_path: Path) -> None:
    settings = _sweep(command, tmp_path)
    assert list(_expect(settings, rows)) == rows
    if "dtype" in rows[0]:
        assert len(rows) == len(settings)


def test_the_tables_are_read() -> None:
    assert len(MEASURED) == 9


def test_the_margins_are_those_of_algebra() -> None:
    rows = re.findall(
        r"^\| ([^|`]+) \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGES["mathematics.md"], re.MULTILINE
    )
    underflow = {dtype: math.log(2) * (1 - power) for dtype, power in SUBNORMAL.items()}
    expected = {
        "1/p overflows, exp t overflows": {dtype: math.log(largest) for dtype, largest in LARGEST.items()},
        "p is 0": underflow,
        "(a/b)/b is 0": {dtype: margin / 2 for dtype, margin in underflow.items()},
        "1 + exp(−t) is 1": {dtype: digits * math.log(2) for dtype, digits in DIGITS.items()},
    }
    assert {row[0]: row[1:] for row in rows} == {
        name: tuple(f"{margin:.2f}" for margin in margins.values()) for name, margins in expected.items()
    }


@pytest.mark.parametrize("page", ["mathematics.md", "bounds-and-edges.md"])
def test_no_other_decimal_is_printed(page: str) -> None:
    text = re.sub(r"^```.*?^```|^\|.*$|`[^`]*`", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\d+\.\d+", text)
    places = {place for _, command, rows in tables() for row in rows for place in row.values()}
    assert [number for number in found if number not in PROSE and not places & {number, f"−{number}"}] == []
    assert [number for number, value in PROSE.items() if float(number) != value] == []


def test_the_loss_just_before_p_is_0_is_off_by_as_many_ulps_as_the_page_says(tmp_path: Path) -> None:
    (command,) = (command for _, command, rows in tables() if "softmax-log" in command and "--logits 0:110" in command)
    (setting,) = _sweep(command, tmp_path)
    assert f"off by {setting['max_error']['loss_ulps']:.0f} ulps" in PAGES["bounds-and-edges.md"]
