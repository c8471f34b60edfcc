"""The types of reports: their schemas are sound and published as generated; they and reading refuse the same reports."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from cestab import api
from cestab.commands.diff.answer import ChangeRule
from cestab.commands.schema import find_reports, read_schema
from cestab.errors import UsageError
from cestab.reports.reading import read_report
from cestab.vocabulary.kinds import Coverage, FindingKind, Fp8Overflow, Severity, Summation, Verdict

DOCS = Path(__file__).parents[3] / "docs" / "schema"
Edit = Callable[[dict[str, Any]], object]
REPORTS = find_reports()


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(read_schema(name))
    return schema


@pytest.mark.parametrize("name", REPORTS)
def test_a_schema_is_sound_and_names_itself(name: str) -> None:
    schema = load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["$id"], schema["title"]) == (f"urn:cestab:{name}:1", f"cestab.{name}/1")
    assert schema["properties"]["schema"] == {"const": f"cestab.{name}/1"}


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_schema_requires_it_describes_and_what_it_describes_may_be_added_to(name: str) -> None:
    def check(part: object) -> None:
        if isinstance(part, dict):
            required: list[str] = part.get("required", [])
            assert set(required) <= set(part.get("properties", required))
            assert part.get("additionalProperties", True) is not False
        for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            check(item)

    check(load(name))


def test_the_docs_hold_what_the_command_prints() -> None:
    """Each differs? `for name in $(cestab schema); do cestab schema $name > docs/schema/$name.json; done`."""
    assert [*REPORTS] == ["advice", "audit", "baseline", "check", "compare", "diff", "error", "explain", "sweep", "verify"]
    assert {path.stem: path.read_text(encoding="utf-8") for path in DOCS.iterdir()} == {
        name: read_schema(name) for name in REPORTS
    }


def test_every_word_is_in_the_schemas() -> None:
    for name in ("sweep", "audit"):
        defs = load(name)["$defs"]
        assert set(defs["Kind"]["enum"]) == {kind.label for kind in FindingKind}
        for words in (Summation, Verdict, Severity, Fp8Overflow):
            assert set(defs[words.__name__]["enum"]) == {*words}
    coverage = load("sweep")["$defs"]["Setting"]["properties"]["coverage"]["enum"]
    assert {*coverage, Coverage.RECORDED.value} == {value.value for value in Coverage}
    assert load("audit")["$defs"]["RowSetting"]["properties"]["coverage"]["enum"] == [Coverage.RECORDED.value]
    assert set(load("sweep")["$defs"]["Hard"]["enum"]) == {kind.label for kind in FindingKind if kind.is_hard}
    assert set(load("diff")["$defs"]["Change"]["properties"]["rule"]["enum"]) == {rule.label for rule in ChangeRule}


@pytest.fixture(scope="module")
def report() -> str:
    return api.sweep(["naive"], dtypes=["float16"], logits="-20:20", classes=[2], patterns=["margin"]).to_json()


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("logits") / "l.npz"
    np.savez(path, logits=np.array([[0.0, 90.0], [-200.0, 3.0]]), labels=np.array([0, 1]))
    return api.audit(str(path), formulations=["naive"], dtypes=["float16"]).to_json()


def is_valid(data: Any, folder: Path) -> bool:
    """Return whether a report is valid, on which its published schema and reading must agree."""
    name = data["schema"].removeprefix("cestab.").split("/")[0]
    (folder / "report.json").write_text(json.dumps(data), encoding="utf-8")
    refusal = None
    try:
        read_report(str(folder / "report.json"), (REPORTS[name],))
    except UsageError as error:
        refusal = error
    assert validator(name).is_valid(data) is (refusal is None), refusal or "the schema refuses what is read"
    return refusal is None


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(load(name))


def test_a_report_is_valid_and_stays_valid_when_fields_are_added(report: str, tmp_path: Path) -> None:
    data = json.loads(report)
    assert is_valid(data, tmp_path)
    setting = data["settings"][0]
    for part in (data, data["request"], setting, setting["options"], setting["findings"][0], data["summary"]):
        part["later"] = 1
    assert is_valid(data, tmp_path)


# fields of version 1 that came later: reports from before have not got them
ADDED = {"timeout", "max_memory", "batch", "reduction", "options", "simd", "curves", "exhaustive", "certify"}


def test_a_report_is_not_valid_without_any_of_its_fields_but_those_added_later(report: str, tmp_path: Path) -> None:
    data = json.loads(report)
    setting = data["settings"][0]
    finding, interval = setting["findings"][0], setting["intervals"][0]
    parts = [data, data["environment"], data["request"], setting, setting["max_error"], finding, interval]
    for part in [*parts, finding["first"], finding["worst"], interval["from"], data["recommendation"][0]]:
        for key in part.keys() - {"schema"}:
            value = part.pop(key)
            assert is_valid(data, tmp_path) == (key in ADDED), key
            part[key] = value
    assert is_valid(data, tmp_path)


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
        lambda d: d["settings"][0]["findings"][0]["first"].update(hex="0x1p+0 or so"),
        lambda d: d["settings"][0]["intervals"][0].update(loss="wrong-loss"),
        lambda d: d["settings"][0]["max_error"].update(loss_at="0"),
        lambda d: d["summary"].update(fail=None),
        lambda d: d["request"].update(objective=""),
        lambda d: d["request"].update(timeout=0),
        lambda d: d["request"].update(max_memory=0),
        lambda d: d["request"].update(batch=2**24 + 1),
        lambda d: d["settings"][0].update(reduction="max"),
        lambda d: d["settings"][0].update(options={"gamma": 8.5}),
        lambda d: d["settings"][0].update(options={"class_weights": [1, -1]}),
        lambda d: d["settings"][0].update(options={"ignore_index": None}),
        lambda d: d["settings"][0].update(verdict="unsupported"),
        lambda d: d.update(interrupted=False),
        lambda d: d["environment"].update(targets=[]),
    ],
)
def test_a_wrong_report_is_not_valid(edit: Edit, report: str, tmp_path: Path) -> None:
    data = json.loads(report)
    edit(data)
    assert not is_valid(data, tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["settings"][0].update(verdict="error", reason="it crashed"),
        lambda d: d["settings"][0].update(loss_scale=1),
        lambda d: d["settings"][0]["max_error"].update(loss_ulps="inf"),
        lambda d: d["settings"][0]["max_error"].update(loss_ulps=None, loss_at=None),
        lambda d: d["settings"][0].update(intervals=[], interval_count=0),
        lambda d: d["settings"][0].update(cases=2.0),
        lambda d: d["settings"][0].update(objective="a-loss-of-mine"),
        lambda d: d["settings"][0].update(options={"gamma": 8, "class_weights": [0], "ignore_index": -1, "later": {}}),
        lambda d: d["request"].update(timeout=0.5, max_memory=None, batch=2**24),
        lambda d: d.update(interrupted=True),
    ],
)
def test_a_near_miss_is_valid(edit: Edit, report: str, tmp_path: Path) -> None:
    data = json.loads(report)
    edit(data)
    assert is_valid(data, tmp_path)


KNOWN = {"kind": "nan-loss", "cases": 1, "coverage": "sampled", "first": {"t": 1.5, "hex": "0x1.8p+0"}}
TRIES = 5  # of the values in turn, at each place
STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.0,
    1.5,
    -0.5,
    3,
    1e15,
    "",
    "nan",
    "-inf",
    "a\n",
    "0x1p+0",
    "pass",
    [],
    [0],
    {},
)


def test_a_baseline_holds_where_a_finding_begins_but_for_rows(report: str, tmp_path: Path) -> None:
    setting, without_first = json.loads(report)["settings"][0], {key: KNOWN[key] for key in KNOWN if key != "first"}
    for coverage in Coverage:
        for finding in (KNOWN, without_first):
            known = {"setting": setting, "findings": [finding | {"coverage": coverage}]}
            expected = ("first" in finding) is (coverage is not Coverage.RECORDED)
            assert is_valid({"schema": "cestab.baseline/1", "audits": {"a": [known]}}, tmp_path) is expected


def shorten(data: Any) -> Any:
    """Return a report with one item of every list, of settings one that has findings."""
    if isinstance(data, dict):
        return {key: shorten(value) for key, value in data.items()}
    if isinstance(data, list):
        return [shorten(max(data, key=lambda item: len(str(item))))] if data else []
    return data


def places_in(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a JSON value."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield data, key
        yield from places_in(value)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["sweep", "audit", "baseline"])
def test_schema_and_reading_agree_on_any_value_anywhere(name: str, report: str, audit: str, tmp_path: Path) -> None:
    setting = shorten(json.loads(report))["settings"][0]
    baseline = {"schema": "cestab.baseline/1", "audits": {"a": [{"setting": setting, "findings": [KNOWN]}]}}
    data = {"sweep": shorten(json.loads(report)), "audit": shorten(json.loads(audit)), "baseline": baseline}[name]
    assert is_valid(data, tmp_path)
    counts, strange = {True: 0, False: 0}, cycle(STRANGE)
    for container, key in list(places_in(data)):
        value = container[key]
        for _ in range(0 if key == "schema" else TRIES):
            container[key] = next(strange)
            counts[is_valid(data, tmp_path)] += 1
        container[key] = value
    assert min(counts.values()) > 10
