"""SARIF of hand-made gates: valid by the standard's own schema, with every word in its place."""

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from jsonschema import Draft7Validator, ValidationError

from cestab.errors import ExitStatus
from cestab.reports import sarif
from cestab.reports.gate import GateCase, GateReport, Level, Location, Problem
from cestab.vocabulary.kinds import FindingKind

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
Draft7Validator.check_schema(SCHEMA)
VALIDATOR = Draft7Validator(SCHEMA)

NAN = Problem(rule="nan-loss", level=Level.ERROR, message="the loss is NaN", is_gated=True, reproduce="cestab explain")
MOVED = Problem(rule="moved-boundary", level=Level.WARNING, message="it begins earlier", is_gated=False)
NOTE = Problem(rule="overflowing-loss", level=Level.NOTE, message="beyond the format", is_gated=False)
ACCEPTED = Problem(rule="nan-loss", level=Level.ERROR, message="again", is_gated=False, accepted="known since May")
HOSTILE = ["]]>", "::error::", "two\nlines", "a|b", "<b>\"'\\", "nul\x00", "−∞ 🦊"]


def parse(*cases: GateCase, status: ExitStatus = ExitStatus.DONE) -> dict[str, Any]:
    log = json.loads(
        sarif.render(GateReport(command="check", version="1.2.3", headline="headline", cases=cases, status=status))
    )
    VALIDATOR.validate(log)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_rules_are_listed_once_and_indexed() -> None:
    run = parse(GateCase(group="f", name="n", problems=(NAN, MOVED)), GateCase(group="g", name="n", problems=(NOTE, NAN)))
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("cestab", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == ["nan-loss", "moved-boundary", "overflowing-loss"]
    texts = [rule["shortDescription"]["text"] for rule in driver["rules"]]
    assert texts == [FindingKind.NAN_LOSS.summary, "moved boundary", FindingKind.OVERFLOWING_LOSS.summary]
    assert [driver["rules"][result["ruleIndex"]]["id"] for result in run["results"]] == [r["ruleId"] for r in run["results"]]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "error"]
    assert [result["properties"]["gated"] for result in run["results"]] == [True, False, False, True]
    assert run["results"][0]["properties"]["reproduce"] == "cestab explain"
    assert run["results"][0]["message"]["text"] == "f, n: the loss is NaN"
    assert "reproduce" not in run["results"][1]["properties"]


def test_a_place_is_a_line_if_there_is_one_and_always_a_setting() -> None:
    here = GateCase(group="f", name="n", problems=(NAN,), location=Location(file="sub dir/cestab.toml", line=7))
    with_line, without = (
        result["locations"][0] for result in parse(here, GateCase(group="f", name="n", problems=(NAN,)))["results"]
    )
    place = {"artifactLocation": {"uri": "sub%20dir/cestab.toml", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 7}}
    assert with_line["physicalLocation"] == place
    assert "physicalLocation" not in without
    assert with_line["logicalLocations"] == without["logicalLocations"] == [{"name": "n", "fullyQualifiedName": "f, n"}]


@pytest.mark.parametrize("file", ["cestab.toml", "a b/cestab.toml", "c:d/x.toml", "50%/#1?.toml", "é/cestab.toml"])
def test_a_relative_uri_is_read_back_below_its_declared_base(file: str) -> None:
    run = parse(GateCase(group="f", name="n", problems=(NAN,), location=Location(file=file, line=7)))
    artifact = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uriBaseId"] in run["originalUriBaseIds"]  # 3.14.14: so a reader knows to what it is relative
    parts = urlsplit(artifact["uri"])
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")  # RFC 3986, 4.2: a relative reference
    assert urljoin("file:///project/", artifact["uri"]) == f"file:///project/{parts.path}"
    assert unquote(parts.path) == file
    assert artifact["uri"].isascii()


def test_without_a_relative_uri_there_is_no_base() -> None:
    assert "originalUriBaseIds" not in parse(GateCase(group="f", name="n", problems=(NAN,)))


def test_settings_on_one_line_are_told_apart_from_run_to_run() -> None:
    here = Location(file="cestab.toml", line=7)
    cases = [GateCase(group="f", name=name, problems=(NAN, MOVED), location=here) for name in ("n", "m")]
    prints, again = (
        [result["partialFingerprints"]["primaryLocationLineHash"] for result in parse(*order)["results"]]
        for order in (cases, cases[::-1])
    )
    assert len(set(prints)) == 4
    assert again == prints[2:] + prints[:2]


def test_an_accepted_problem_is_suppressed_with_its_reason_and_all_others_say_that_they_are_not() -> None:
    found = parse(GateCase(group="f", name="n", problems=(NAN, ACCEPTED)))["results"]
    assert [result["suppressions"] for result in found] == [
        [],
        [{"kind": "external", "status": "accepted", "justification": "known since May"}],
    ]
    assert "suppressions" not in parse(GateCase(group="f", name="n", problems=(NAN,)))["results"][0]


@pytest.mark.parametrize(
    ("status", "is_complete"), [(ExitStatus.DONE, True), (ExitStatus.GATE_FAILED, True), (ExitStatus.NOT_AUDITED, False)]
)
def test_the_invocation_tells_the_status_and_who_was_not_judged(status: ExitStatus, is_complete: bool) -> None:  # noqa: FBT001
    cases = (
        GateCase(group="f", name="n", problems=(), error="it crashed"),
        GateCase(group="g", name="m", problems=(), skipped="no infinity"),
        GateCase(group="h", name="k", problems=()),
        GateCase(group="i", name="l", problems=(NAN,), partly="no gradient"),
    )
    (invocation,) = parse(*cases, status=status)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (is_complete, int(status))
    told = [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert told == [("error", "f, n: it crashed"), ("note", "g, m: no infinity"), ("warning", "i, l: no gradient")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_survives(text: str) -> None:
    problem = Problem(rule=text, level=Level.ERROR, message=text, is_gated=True, reproduce=text, accepted=text)
    (result,) = parse(GateCase(group=text, name=text, problems=(problem,), location=Location(file="a.toml", line=1)))["results"]
    assert result["ruleId"] == result["properties"]["reproduce"] == result["suppressions"][0]["justification"] == text
    assert result["message"]["text"] == f"{text}, {text}: {text}"


@pytest.mark.parametrize("path", [["ruleIndex"], ["level"], ["message"], ["surplus"], ["locations", 0, "logicalLocations"]])
def test_the_schema_refuses_a_planted_defect(path: list[Any]) -> None:
    log = json.loads(
        sarif.render(
            GateReport(
                command="check",
                version="1",
                headline="h",
                cases=(GateCase(group="f", name="n", problems=(NAN,)),),
                status=ExitStatus.DONE,
            )
        )
    )
    VALIDATOR.validate(log)
    broken = copy.deepcopy(log)
    place = broken["runs"][0]["results"][0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = -2
    with pytest.raises(ValidationError):
        VALIDATOR.validate(broken)
