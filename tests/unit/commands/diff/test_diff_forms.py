"""The forms of a difference made by hand: sentences, rows, gate, JSON by its schema."""

import csv
import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from builders import build_setting
from cestab.commands.diff import wire as difference_json
from cestab.commands.diff.answer import Change, ChangeRule, Difference, EnvironmentChange, SettingDifference
from cestab.commands.diff.sentences import COLUMNS, describe_change, render_csv, render_markdown, to_gate
from cestab.commands.schema import read_schema
from cestab.errors import ExitStatus
from cestab.reports.gate import Level
from cestab.vocabulary.kinds import Summation

R = ChangeRule
SETTING = build_setting("clipped:eps=1e-8", dtype="float16")
OTHER = replace(SETTING, compute="float32", summation=Summation.PAIRWISE, loss_scale=8.0)
ROWS = replace(SETTING, pattern=None, target=None)
WORSE = Change(rule=R.GROWN_ERROR, is_worse=True, subject="loss", old=1.5, new=float("inf"))
MOVED = Change(
    rule=R.MOVED_BOUNDARY, is_worse=True, subject="nan-loss", old=8.0, new=7.5, floats=1234, reproduce="cestab explain …"
)
FIXED = Change(rule=R.FIXED_FINDING, is_worse=False, subject="inf-loss", old=3.0)
DIFFERENCE = Difference(
    version="1.2.3",
    schema="cestab.sweep/1",
    old="a.json",
    new="b.json",
    max_growth=2.0,
    environment=(EnvironmentChange(name="numpy", old="2.0", new="2.4"),),
    settings=(
        SettingDifference(setting=SETTING, changes=(FIXED, WORSE)),
        SettingDifference(setting=OTHER, changes=(MOVED,)),
        SettingDifference(setting=ROWS, changes=(), unjudged="error: no"),
    ),
)
SOUND = replace(
    DIFFERENCE,
    settings=(SettingDifference(setting=SETTING, changes=()), SettingDifference(setting=OTHER, changes=(FIXED,))),
    environment=(),
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Change(rule=R.NEW_FINDING, is_worse=True, subject="nan-loss", new=88.72284), "nan-loss is new, from t = 88.72284"),
        (FIXED, "inf-loss is gone; it was there from t = 3.0"),
        (MOVED, "nan-loss holds on 1,234 more floats: its boundary is t = 7.5, from 8.0"),
        (replace(MOVED, is_worse=False, floats=1), "nan-loss holds on 1 fewer float: its boundary is t = 7.5, from 8.0"),
        (replace(MOVED, old=None), "nan-loss holds on 1,234 more floats: now also from t = 7.5"),
        (replace(MOVED, new=None, is_worse=False), "nan-loss holds on 1,234 fewer floats: no more from t = 8.0"),
        (Change(rule=R.MORE_CASES, is_worse=True, subject="nan-loss", old=10, new=2100), "nan-loss has 2,100 cases, from 10"),
        (WORSE, "the largest error of the loss is inf ulps, from 1.5"),
        (Change(rule=R.CHANGED_VERDICT, is_worse=True, old="pass", new="fail"), "the verdict is fail, from pass"),
        (Change(rule=R.MISSING_SETTING, is_worse=True, old="pass"), "the setting is missing; its verdict was pass"),
        (Change(rule=R.ADDED_SETTING, is_worse=False, new="fail"), "the setting is new; its verdict is fail"),
    ],
)
def test_every_change_is_one_sentence(change: Change, sentence: str) -> None:
    assert describe_change(change, "cestab.sweep/1") == sentence
    if change.rule is R.NEW_FINDING:
        assert describe_change(replace(change, new=3), "cestab.audit/1") == "nan-loss is new, from row 3"


def test_settings_are_told_apart_by_their_words() -> None:
    settings = (SETTING, OTHER, replace(OTHER, loss_scale=4.0), replace(SETTING, target="correct"), ROWS)
    words = [setting.describe() for setting in settings]
    assert words[0] == "float16, margin, 2 classes, wrong"
    assert words[1] == "float16, margin, 2 classes, wrong, computed in float32, pairwise sums, loss scale 8"
    assert words[-1] == "float16, 2 classes"
    assert len(set(words)) == len(words)


def test_csv_has_every_change_once() -> None:
    found = list(csv.reader(render_csv(DIFFERENCE).splitlines()))
    assert found[0] == list(COLUMNS)
    cells = [dict(zip(COLUMNS, row, strict=True)) for row in found[1:]]
    assert [(cell["rule"], cell["worse"]) for cell in cells] == [
        ("fixed-finding", "false"),
        ("grown-error", "true"),
        ("moved-boundary", "true"),
    ]
    assert (cells[2]["compute"], cells[2]["old"], cells[2]["new"], cells[2]["floats"]) == ("float32", "8.0", "7.5", "1234")
    assert (cells[1]["subject"], cells[1]["new"], cells[1]["floats"]) == ("loss", "inf", "")


def test_markdown_has_what_is_worse_first() -> None:
    lines = render_markdown(DIFFERENCE).splitlines()
    assert lines[0] == "**cestab diff**: 3 settings, 2 with differences, 2 of them worse"
    assert "numpy was '2.0', is '2.4'" in lines[2]
    assert [line.split(" | ")[0] for line in lines[6:]] == ["| worse", "| worse", "| "]
    assert render_markdown(replace(SOUND, settings=SOUND.settings[:1])) == "**cestab diff**: 1 setting, no differences\n"


def test_the_gate_has_a_case_per_setting_and_gates_what_is_worse() -> None:
    gate = to_gate(DIFFERENCE)
    assert (gate.command, gate.version, gate.status) == ("diff", "1.2.3", ExitStatus.GATE_FAILED)
    assert [(case.group, len(case.problems), case.skipped) for case in gate.cases] == [
        ("clipped:eps=1e-8", 2, None),
        ("clipped:eps=1e-8", 1, None),
        ("clipped:eps=1e-8", 0, "error: no"),
    ]
    assert len({case.name for case in gate.cases}) == 3
    gated = [(problem.rule, problem.level, problem.reproduce) for _, problem in gate.gated()]
    assert gated == [("grown-error", Level.ERROR, None), ("moved-boundary", Level.ERROR, "cestab explain …")]
    assert gate.cases[0].problems[0].level is Level.NOTE
    assert to_gate(SOUND).status is ExitStatus.DONE
    assert to_gate(SOUND).gated() == []


def test_json_is_by_its_schema() -> None:
    validator = Draft202012Validator(json.loads(read_schema("diff")))
    data = json.loads(difference_json.render(DIFFERENCE))
    validator.validate(data)
    assert data["summary"] == {"settings": 3, "changes": 3, "worse": 2}
    assert data["environment"] == [{"name": "numpy", "old": "2.0", "new": "2.4"}]
    assert [change["new"] for change in data["changes"]] == [None, "inf", 7.5]
    assert data["changes"][2]["floats"] == 1234
    assert "pattern" in data["changes"][0]["setting"]
    data["changes"][0]["rule"] = "fixed"
    assert not validator.is_valid(data)
    without_pattern = replace(
        DIFFERENCE, schema="cestab.audit/1", settings=(SettingDifference(setting=ROWS, changes=(FIXED,)),)
    )
    data = json.loads(difference_json.render(without_pattern))
    validator.validate(data)
    assert "pattern" not in data["changes"][0]["setting"]
