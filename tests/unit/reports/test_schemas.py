"""The schemas: sound, the same in the docs as in the package, naming every word of reports, refusing wrong reports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cestab import api
from cestab.commands.diff.answer import ChangeRule
from cestab.reports.schemas import read_schema, schema_names
from cestab.vocabulary.kinds import Coverage, FindingKind, Fp8Overflow, Severity, Summation, Verdict
from cestab.vocabulary.objectives import OBJECTIVES

DOCS = Path(__file__).parents[3] / "docs" / "schema"
Edit = Callable[[dict[str, Any]], object]


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(read_schema(name))
    return schema


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_sound_and_names_itself(name: str) -> None:
    schema = load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["$id"], schema["title"]) == (f"urn:cestab:{name}:1", f"cestab.{name}/1")
    assert schema["properties"]["schema"] == {"const": f"cestab.{name}/1"}


@pytest.mark.parametrize("name", schema_names())
def test_what_a_schema_requires_it_describes_and_what_it_describes_may_be_added_to(name: str) -> None:
    def check(part: object) -> None:
        if isinstance(part, dict):
            required: list[str] = part.get("required", [])
            assert set(required) <= set(part.get("properties", required))
            assert part.get("additionalProperties", True) is not False
        for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            check(item)

    check(load(name))


def test_the_docs_hold_the_same_schemas() -> None:
    assert {"sweep", "audit", "diff", "error"} <= set(schema_names())
    assert {path.stem: path.read_text(encoding="utf-8") for path in DOCS.iterdir()} == {
        name: read_schema(name) for name in schema_names()
    }


def test_every_word_is_in_the_schemas() -> None:
    for name in ("sweep", "audit"):
        defs = load(name)["$defs"]
        assert defs["kind"]["enum"] == [kind.label for kind in FindingKind]
        assert defs["objective"]["enum"] == [*OBJECTIVES]
        for word, values in {"summation": Summation, "verdict": Verdict, "severity": Severity}.items():
            assert defs[word]["enum"] == [value.value for value in values]
        assert defs["request"]["properties"]["fp8_overflow"]["enum"] == [value.value for value in Fp8Overflow]
    coverage = load("sweep")["$defs"]["setting"]["properties"]["coverage"]["enum"]
    assert [*coverage, Coverage.RECORDED.value] == [value.value for value in Coverage]
    assert load("sweep")["$defs"]["hard"]["enum"] == [kind.label for kind in FindingKind if kind.is_hard] + [None]
    assert load("diff")["$defs"]["rule"]["enum"] == [rule.label for rule in ChangeRule]


@pytest.fixture(scope="module")
def report() -> str:
    return api.sweep(["naive"], dtypes=["float16"], logits="-20:20", classes=[2], patterns=["margin"]).to_json()


def test_a_report_is_valid_and_stays_valid_when_fields_are_added(report: str) -> None:
    data = json.loads(report)
    validator = Draft202012Validator(load("sweep"))
    validator.validate(data)
    for part in (data, data["request"], data["settings"][0], data["settings"][0]["findings"][0], data["summary"]):
        part["later"] = 1
    validator.validate(data)


# fields of version 1 that came later: reports from before have not got them
ADDED = {"timeout", "max_memory"}


def test_a_report_is_not_valid_without_any_of_its_fields_but_those_added_later(report: str) -> None:
    validator = Draft202012Validator(load("sweep"))
    data = json.loads(report)
    setting = data["settings"][0]
    finding, interval = setting["findings"][0], setting["intervals"][0]
    parts = [data, data["environment"], data["request"], setting, setting["max_error"], finding, interval]
    for part in [*parts, finding["first"], finding["worst"], interval["from"], data["recommendation"][0]]:
        for key in part.keys() - {"batch", "reduction", "options"}:  # which older reports do not have
            value = part.pop(key)
            assert validator.is_valid(data) == (key in ADDED), key
            part[key] = value
    assert validator.is_valid(data)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(schema="cestab.sweep/2"),
        lambda d: d.update(settings=[]),
        lambda d: d["request"].update(dtype=[]),
        lambda d: d["request"].update(dtype="float16"),
        lambda d: d["request"].update(seed=-1),
        lambda d: d["request"].update(rtol=-0.5),
        lambda d: d["request"].update(flush_subnormals=0),
        lambda d: d["request"].update(fp8_overflow="wrap"),
        lambda d: d["settings"][0].update(verdict="PASS"),
        lambda d: d["settings"][0].update(verdict="error"),
        lambda d: d["settings"][0].update(coverage="recorded"),
        lambda d: d["settings"][0].update(classes=0),
        lambda d: d["settings"][0].update(cases=1.5),
        lambda d: d["settings"][0].update(loss_scale=0),
        lambda d: d["settings"][0].update(formulation=""),
        lambda d: d["settings"][0].update(formulation="naive\n"),
        lambda d: d["settings"][0]["findings"][0].update(kind="nan"),
        lambda d: d["settings"][0]["findings"][0].update(severity="error"),
        lambda d: d["settings"][0]["findings"][0].update(cases=0),
        lambda d: d["settings"][0]["findings"][0]["worst"].update(ulps=-1),
        lambda d: d["settings"][0]["findings"][0]["worst"].update(ulps="-inf"),
        lambda d: d["settings"][0]["findings"][0]["first"].update(t="1"),
        lambda d: d["settings"][0]["findings"][0]["first"].update(hex="0x2p+0"),
        lambda d: d["settings"][0]["intervals"][0].update(loss="wrong-loss"),
        lambda d: d["settings"][0]["max_error"].update(loss_at="0"),
        lambda d: d["summary"].update(fail=None),
    ],
)
def test_a_wrong_report_is_not_valid(edit: Edit, report: str) -> None:
    data = json.loads(report)
    edit(data)
    assert not Draft202012Validator(load("sweep")).is_valid(data)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["settings"][0].update(verdict="error", reason="it crashed"),
        lambda d: d["settings"][0].update(loss_scale=1),
        lambda d: d["settings"][0]["max_error"].update(loss_ulps="inf"),
        lambda d: d["settings"][0]["max_error"].update(loss_ulps=None, loss_at=None),
        lambda d: d["settings"][0].update(intervals=[], interval_count=0),
    ],
)
def test_a_near_miss_is_valid(edit: Edit, report: str) -> None:
    data = json.loads(report)
    edit(data)
    Draft202012Validator(load("sweep")).validate(data)
