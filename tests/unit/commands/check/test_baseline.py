"""The baseline: it reads back as written, in one order, and whatever is wrong with a file is one sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import build_setting
from cestab.commands.check.answer import Baseline, BaselineEntry
from cestab.commands.check.baseline import list_changes, read_baseline, write_baseline
from cestab.errors import UsageError
from cestab.vocabulary.kinds import Coverage, FindingKind, Summation

K = FindingKind
SETTING = build_setting("clipped:eps=1e-8", dtype="float16", compute="float32", summation=Summation.PAIRWISE, loss_scale=0.5)
ROWS = replace(SETTING, pattern=None, target=None)
BASELINE: Baseline = {
    ("zoo", ROWS, K.NAN_LOSS): BaselineEntry(cases=3, coverage=Coverage.RECORDED),
    ("a “name”", SETTING, K.WRONG_LOSS): BaselineEntry(
        cases=1, coverage=Coverage.SAMPLED, t=-0.1, hexadecimal="-0x1.999999999999ap-4", logits="-5.0:5.0:log"
    ),
    ("a “name”", SETTING, K.NAN_LOSS): BaselineEntry(
        cases=2, coverage=Coverage.EXHAUSTIVE, t=11.09375, hexadecimal="0x1.63p+3", logits="-5.0:5.0:log"
    ),
    ("a “name”", replace(SETTING, target="correct"), K.NAN_LOSS): BaselineEntry(
        cases=2, coverage=Coverage.EXHAUSTIVE, t=0.0, hexadecimal="0x0p+0", logits="-5.0:5.0:log"
    ),
}


def read(path: Path, content: str | bytes) -> Baseline:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_baseline(str(path), "b.json")


def test_it_reads_back_as_written_in_one_order(tmp_path: Path) -> None:
    text = write_baseline(BASELINE)
    assert read(tmp_path / "b.json", text) == BASELINE
    assert write_baseline(dict(reversed(list(BASELINE.items())))) == text
    shown = json.loads(text)
    assert list(shown["audits"]) == ["a “name”", "zoo"]
    assert [[f["kind"] for f in setting["findings"]] for setting in shown["audits"]["a “name”"]] == [
        ["nan-loss"],
        ["nan-loss", "wrong-loss"],
    ]
    assert read(tmp_path / "b.json", write_baseline({})) == {}


def damaged(**changes: Any) -> str:
    shown = json.loads(write_baseline(BASELINE))
    finding = shown["audits"]["a “name”"][0]["findings"][0]
    setting = shown["audits"]["a “name”"][0]["setting"]
    for name, value in changes.items():
        place = finding if name in finding else setting if name in setting else shown
        if value is None:
            del place[name]
        else:
            place[name] = value
    return json.dumps(shown)


WRONG: list[tuple[str | bytes, str]] = [
    ("", "is empty"),
    (write_baseline(BASELINE)[:-20], "was cut off"),
    (write_baseline(BASELINE).encode()[:75], "was cut off"),
    (b"\xff", "is not UTF-8"),
    ("[]", "no report of cestab"),
    ("{}", "no report of cestab"),
    (damaged(schema="cestab.baseline/2"), "cestab.baseline/2 of a newer cestab"),
    (damaged(schema=None), "no report of cestab"),
    (damaged(audits=None), "at the top: the field 'audits' is missing"),
    (damaged(audits=[]), "audits: "),
    (damaged(kind="nan-los"), "'nan-los' is not one of"),
    (damaged(cases="2"), r"audits\['a “name”'\]\[0\].findings\[0\].cases: '2' is not a whole number"),
    (damaged(cases=0), "0 is not a whole number >= 1"),
    (damaged(first={"t": 1.0, "hex": "1.0"}), "'1.0' is not a hexadecimal such as"),
    (damaged(first={"t": 1.0, "hex": "0x1p+9999"}), "cannot be used"),
    (damaged(first=None), "recorded logits have no 'first', all others have one"),
    (damaged(coverage="recorded"), "recorded logits have no 'first', all others have one"),
    (damaged(summation="wider"), "'wider' is not one of"),
    (damaged(classes=2.5), "2.5 is not a whole number"),
    (damaged(loss_scale=10**400), "an integer has 401 digits"),
    (damaged(objective=None), "the field 'objective' is missing"),
    (damaged(objective="hinge"), "unknown objective 'hinge'"),
    (damaged().replace('"cases": 2', '"cases": 2, "cases": 2', 1), "'cases' stands twice"),
    (damaged().replace('"cases": 2', '"cases": NaN', 1), "NaN is no JSON number"),
    ("[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(tmp_path / "b.json", content)
    assert "'b.json'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_one_finding_may_not_stand_twice(tmp_path: Path) -> None:
    shown = json.loads(write_baseline(BASELINE))
    shown["audits"]["zoo"] *= 2
    with pytest.raises(UsageError, match=r"zoo: clipped.*, computed in float32.*: nan-loss appears twice"):
        read(tmp_path / "b.json", json.dumps(shown))


def test_unknown_fields_are_of_a_newer_cestab_and_ignored(tmp_path: Path) -> None:
    assert read(tmp_path / "b.json", damaged()[:-1] + ', "later": 1}') == BASELINE


def test_a_missing_file_is_told_unless_it_is_to_be_written(tmp_path: Path) -> None:
    path = str(tmp_path / "none.json")
    with pytest.raises(UsageError, match=r"there is no baseline 'b.json'; cestab check --update-baseline writes it"):
        read_baseline(path, "b.json")
    assert read_baseline(path, "b.json", may_be_missing=True) == {}
    with pytest.raises(UsageError, match=r"the baseline .b.json. is no regular file"):
        read_baseline(str(tmp_path), "b.json", may_be_missing=True)


def test_changes_are_listed_with_where_the_finding_begins() -> None:
    key, gone = ("a “name”", SETTING, K.NAN_LOSS), ("zoo", ROWS, K.NAN_LOSS)
    new = {k: v for k, v in BASELINE.items() if k != gone} | {
        key: replace(BASELINE[key], t=5.0, hexadecimal="0x1.4p+2", logits="-5.0:5.0:log")
    }
    new[("new", SETTING, K.INF_LOSS)] = BASELINE[key]
    name = "clipped:eps=1e-8, float16, margin, 2 classes, wrong, computed in float32, pairwise sums, loss scale 0.5"
    assert list(list_changes(BASELINE, new)) == [
        f"~ a “name”: {name}: nan-loss from |t| = 11.09375 → from |t| = 5",
        f"+ new: {name}: inf-loss from |t| = 11.09375",
        f"- zoo: {name.replace('margin, ', '').replace('wrong, ', '')}: nan-loss in 3 rows",
    ]
    assert list(list_changes(BASELINE, BASELINE)) == []
