"""`cestab diff` and `cestab schema` as a shell sees them: statuses, streams, forms, refusals."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.commands.diff.sentences import COLUMNS
from cestab.commands.schema import find_reports, read_schema

Command = Callable[..., Any]
Edit = Callable[[dict[str, Any]], object]

SWEEP = ("sweep", "--dtype", "float16,float32", "--logits", "-20:20", "--classes", "2", "--pattern", "margin")
ESCAPE = "\x1b"


class Reports:
    """Reports of the same request in a folder."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.text = folder, text
        self.old = self.write("old.json", text)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def edit(self, edit: Edit, name: str = "new.json") -> str:
        data = json.loads(self.text)
        edit(data)
        return self.write(name, json.dumps(data))


@pytest.fixture
def reports(cestab: Command, tmp_path: Path) -> Reports:
    return Reports(tmp_path, cestab(*SWEEP, "-f", "clipped", "-f", "naive", "--json").out)


def find(data: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in data["settings"][number]["findings"] if f["kind"] == kind)
    return found


def is_first_after(data: dict[str, Any], t: float, exact: str) -> None:
    """Let nan-gradient of the wrong target (naive, float16) begin elsewhere, without a map."""
    for first in ("first", "first_positive"):
        find(data, 5, "nan-gradient")[first].update(t=t, hex=exact)


EDITS: list[tuple[str, Edit, int, str]] = [
    ("nothing", lambda _: None, 0, "no differences"),
    ("a fixed finding", lambda d: d["settings"][5]["findings"].remove(find(d, 5, "inf-loss")), 0, "inf-loss is gone"),
    ("a worse verdict", lambda d: d["settings"][0].update(verdict="fail"), 1, "the verdict is fail, from warn"),
    ("a better verdict", lambda d: d["settings"][4].update(verdict="warn"), 0, "the verdict is warn, from fail"),
    ("a lost verdict", lambda d: d["settings"][4].update(verdict="error", reason="no"), 1, "is error, from fail"),
    ("a lost setting", lambda d: d["settings"].pop(2), 1, "the setting is missing; its verdict was"),
    ("an error that doubled", lambda d: grow(d, 2.0), 0, "no differences"),
    ("an error that grew more", lambda d: grow(d, 2.1), 1, "the largest error of the gradient is"),
    ("more cases", lambda d: more(d, 3), 1, "inaccurate-loss has"),
    ("another loss scale", lambda d: d["settings"][0].update(loss_scale=2), 1, "loss scale 2"),
    ("a nearer boundary", lambda d: is_first_after(d, 1.0, "0x1p+0"), 1, "nan-gradient holds on"),
    ("a farther boundary", lambda d: is_first_after(d, 16.0, "0x1p+4"), 0, "fewer floats"),
    ("another processor", lambda d: d["environment"].update(cpu="[bold]another"), 0, "is '[bold]another'"),
    ("another NumPy", lambda d: d["environment"].update(numpy="9.9"), 0, "numpy was"),
]


def grow(data: dict[str, Any], factor: float) -> None:
    data["settings"][0]["max_error"]["gradient_ulps"] *= factor


def more(data: dict[str, Any], factor: int) -> None:
    find(data, 5, "inaccurate-loss")["cases"] *= factor


@pytest.mark.parametrize(("edit", "status", "words"), [entry[1:] for entry in EDITS], ids=[entry[0] for entry in EDITS])
def test_what_is_worse_is_status_1_in_every_form(
    edit: Edit, status: int, words: str, reports: Reports, cestab: Command
) -> None:
    new = reports.edit(edit)
    table = cestab("diff", reports.old, new)
    assert table.status == status
    assert words in " ".join(table.out.split())
    assert (table.err == "") is (status == 0)
    assert table.err.count("\n") == status
    assert max(map(len, table.out.splitlines())) <= 80
    assert ESCAPE not in table.out
    for form in ("json", "csv", "markdown"):
        outcome = cestab("diff", reports.old, new, "--output-format", form)
        assert (outcome.status, outcome.err) == (status, table.err)
    summary = json.loads(cestab("diff", reports.old, new, "--json").out)["summary"]
    assert (summary["worse"] > 0) is (status == 1)
    rows = list(csv.reader(cestab("diff", reports.old, new, "--output-format", "csv").out.splitlines()))
    assert rows[0] == list(COLUMNS)
    assert [row[1] for row in rows[1:]].count("true") == summary["worse"]
    assert len(rows) - 1 == summary["changes"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("junit", '<testsuites name="cestab diff" tests="8" failures="1"'),
        ("sarif", '"ruleId": "grown-error"'),
        ("github", "cestab diff: 8 settings, 1 gated"),
    ],
)
def test_forms_of_ci_systems_are_written_from_the_gate(form: str, words: str, reports: Reports, cestab: Command) -> None:
    outcome = cestab("diff", reports.old, reports.edit(lambda d: grow(d, 3.0)), "--output-format", form)
    assert outcome.status == 1
    assert outcome.out.count(words) == 1
    assert "grown-error" in outcome.out


def test_no_differences_is_one_line(reports: Reports, cestab: Command) -> None:
    outcome = cestab("diff", reports.old, reports.old)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("cestab ")
    assert outcome.out.endswith("8 settings, no differences\n")
    assert outcome.out.count("\n") == 1


def test_the_formulation_that_got_worse_is_found(cestab: Command, tmp_path: Path) -> None:
    """Tell a larger eps by its vanishing gradient, which begins earlier: at -log(1e-6) = 13.8, not at 16.1."""
    smaller = cestab(*SWEEP, "-f", "clipped", "--json").out
    larger = cestab(*SWEEP, "-f", "clipped:eps=1e-6", "--json").out.replace("clipped:eps=1e-6", "clipped")
    pair = Reports(tmp_path, smaller)
    new = pair.write("new.json", larger)
    worse = json.loads(cestab("diff", pair.old, new, "--json").out)["changes"]
    moved = [c for c in worse if c["subject"] == "vanishing-gradient" and c["setting"]["dtype"] == "float32"]
    assert [(c["rule"], c["worse"], c["old"] > 0) for c in moved] == [
        ("moved-boundary", True, False),
        ("moved-boundary", True, True),
    ]
    for change in moved:
        assert 13.81 < abs(change["new"]) < 13.82
        assert 16.11 < abs(change["old"]) < 16.12
        was, now = (int(np.float32(abs(change[side])).view(np.int32)) for side in ("old", "new"))
        assert change["floats"] == was - now
    assert cestab("diff", new, pair.old).status == 1, "where the clip holds no more, log-softmax's own NaN is new"


def test_the_factor_of_growth_is_an_option(reports: Reports, cestab: Command) -> None:
    new = reports.edit(lambda d: grow(d, 1.5))
    assert cestab("diff", reports.old, new).status == 0
    assert cestab("diff", reports.old, new, "--max-growth", "1.4").status == 1
    for wrong in ("0.5", "nan", "inf", "-1", "many"):
        refused = cestab("diff", reports.old, new, "--max-growth", wrong)
        assert (refused.status, refused.out) == (2, "")
        assert "--max-growth" in refused.err


def test_audits_are_compared_by_their_rows(cestab: Command, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "l.npz", logits=draw.normal(size=(50, 5)) * 50, labels=draw.integers(0, 5, 50))
    audit = ("audit", str(tmp_path / "l.npz"), "--dtype", "float16", "-f", "naive", "--json")
    pair = Reports(tmp_path, cestab(*audit).out)
    assert cestab("diff", pair.old, pair.old).status == 0

    def triple(data: dict[str, Any]) -> None:
        data["settings"][0]["findings"][0]["cases"] *= 3

    outcome = cestab("diff", pair.old, pair.edit(triple))
    assert outcome.status == 1
    assert "cases, from" in outcome.out
    refused = cestab("diff", pair.old, pair.edit(lambda d: d["summary"].update(rows=49)))
    assert (refused.status, "summary.rows is 50" in refused.err) == (2, True)


def test_standard_input_is_either_report_but_not_both(
    reports: Reports, cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = Path(reports.edit(lambda d: grow(d, 3.0))).read_bytes()

    def diff(*arguments: str, given: bytes = worse) -> Any:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        return cestab("diff", *arguments)

    assert diff(reports.old, "-").status == 1
    assert diff("-", reports.old).status == 0
    both = diff("-", "-")
    assert (both.status, both.out) == (2, "")
    assert "both '-'" in both.err
    empty = diff(reports.old, "-", "--json", given=b"")
    assert (empty.status, json.loads(empty.out)["message"]) == (2, "standard input is empty")


def test_standard_input_of_a_process_is_a_report(reports: Reports) -> None:
    worse = Path(reports.edit(lambda d: grow(d, 3.0))).read_bytes()
    command = [sys.executable, "-m", "cestab", "diff", reports.old, "-"]
    done = subprocess.run(command, input=worse, capture_output=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.update(schema="cestab.compare/1"), ["cestab.compare/1", "cestab.sweep/1 and cestab.audit/1"]),
        (lambda d: d.update(schema="cestab.sweep/2"), ["cestab.sweep/2", "newer"]),
        (lambda d: d["settings"][3].update(verdict="good"), ["settings[3].verdict", "'good'"]),
        (lambda d: d["request"].update(seed=7), ["request.seed is 0", "and 7"]),
        (lambda d: d["request"].update(logits="-5:5"), ["request.logits", "'-20.0:20.0:log'", "'-5.0:5.0:log'"]),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_reports_that_cannot_be_compared_are_status_2(
    edit: Edit, words: list[str], form: tuple[str, ...], reports: Reports, cestab: Command
) -> None:
    status, out, err = cestab("diff", reports.old, reports.edit(edit), *form)
    assert status == 2
    assert (json.loads(out)["message"] == err.removeprefix("cestab: ").rstrip("\n")) if form else out == ""
    assert err.count("\n") == 1
    assert [word for word in words if word not in err] == []


def test_a_truncated_report_at_any_place_is_status_2(reports: Reports, cestab: Command) -> None:
    whole = reports.text.rstrip()
    for end in {0, 1, 2, len(whole) - 1, *np.random.default_rng(0).integers(3, len(whole) - 1, 40).tolist()}:
        outcome = cestab("diff", reports.old, reports.write("new.json", whole[:end]))
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert any(words in outcome.err for words in ("is empty", "ends in the middle", "is not JSON")), outcome.err


def test_the_report_is_written_to_a_file_and_a_refusal_leaves_the_old_one(reports: Reports, cestab: Command) -> None:
    target = reports.folder / "diff.json"
    worse = reports.edit(lambda d: grow(d, 3.0))
    printed = cestab("diff", reports.old, worse, "--json").out
    assert cestab("diff", reports.old, worse, "--json", "-o", str(target))[:2] == (1, "")
    assert target.read_text(encoding="utf-8") == printed
    assert cestab("diff", reports.old, "nowhere.json", "-o", str(target)).status == 2
    assert target.read_text(encoding="utf-8") == printed
    assert sorted(path.name for path in reports.folder.iterdir()) == ["diff.json", "new.json", "old.json"]


def test_schemas_are_listed_and_printed(cestab: Command) -> None:
    assert cestab("schema") == (0, "".join(f"{name}\n" for name in find_reports()), "")
    for name in find_reports():
        assert cestab("schema", name) == (0, read_schema(name), "")
    refused = cestab("schema", "swep")
    assert (refused.status, refused.out) == (2, "")
    assert "did you mean sweep?" in refused.err


def test_an_interrupted_report_is_refused(reports: Reports, cestab: Command) -> None:
    partial = reports.edit(lambda d: d.update(interrupted=True))
    for pair in ((reports.old, partial), (partial, reports.old)):
        outcome = cestab("diff", *pair)
        assert (outcome.status, outcome.out) == (2, "")
        assert "was interrupted and holds only what was finished" in outcome.err
