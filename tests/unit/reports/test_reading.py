"""Reading reports: what is no report of cestab is refused in one sentence that says why; what is one is restored whole."""

import io
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab import api
from cestab.commands.sweep import wire as json_v1
from cestab.commands.sweep.restore import load_report
from cestab.commands.sweep.wire import Audit, Sweep
from cestab.errors import UsageError
from cestab.reports import reading
from cestab.reports.reading import read_report
from cestab.reports.wire.strict_json import check_json
from cestab.vocabulary.requests import AuditRequest

Edit = Callable[[dict[str, Any]], None]
FACTS = {
    "formulation": "a.py:f",
    "adapter": "python",
    "versions": {"numpy": "2", "jax": 1},
    "device": "cpu",
    "mode": "eager",
    "gradient": "own",
    "threads": None,
    "flushes_subnormals": None,
}


@pytest.fixture(scope="module")
def sweep_text() -> str:
    options: dict[str, Any] = {"dtypes": ["float16", "float8_e4m3fn"], "logits": "-20:20", "classes": [2]}
    return api.sweep(["naive", "clipped:eps=1e-8"], patterns=["margin", "masked"], loss_scales=[8.0], **options).to_json()


@pytest.fixture(scope="module")
def audit_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("logits") / "l.npz"
    np.savez(path, logits=draw.normal(size=(50, 5)) * 50, labels=draw.integers(0, 5, 50))
    return api.audit(str(path), formulations=["naive", "log-sum-exp"], rtol=0.5, sample=45, seed=3).to_json()


def write(folder: Path, content: str | bytes) -> str:
    path = folder / "report.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def refusal(path: str) -> str:
    with pytest.raises(UsageError) as refused:
        load_report(path)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def test_reports_are_restored_whole(sweep_text: str, audit_text: str, tmp_path: Path) -> None:
    for text in (sweep_text, audit_text):
        assert json_v1.render(load_report(write(tmp_path, text))) == text


def test_an_audit_from_before_there_were_samples_is_restored(audit_text: str, tmp_path: Path) -> None:
    data = json.loads(audit_text)
    del data["request"]["sample"], data["request"]["seed"]
    (tmp_path / "old.json").write_text(json.dumps(data), encoding="utf-8")
    request = load_report(str(tmp_path / "old.json")).request
    assert isinstance(request, AuditRequest)
    assert (request.sample, request.seed) == (None, 0)


def test_a_report_that_was_written_anew_in_another_style_is_the_same(sweep_text: str, tmp_path: Path) -> None:
    data = json.loads(sweep_text)
    data["later"] = {"added": [None]}
    data["settings"][0]["row"] = data["settings"][0]["findings"][0]["first"]["row"] = "added"
    text = json.dumps(dict(reversed(data.items())), ensure_ascii=True)
    assert json_v1.render(load_report(write(tmp_path, text))) == sweep_text


def test_positions_are_those_of_the_format(sweep_text: str, tmp_path: Path) -> None:
    report = load_report(write(tmp_path, sweep_text))
    intervals = report.settings[0].intervals
    assert len(intervals) > 1
    assert {after.start.position - before.stop.position for before, after in pairwise(intervals)} == {1}
    zero = [finding.first for result in report.settings for finding in result.findings if finding.first.value == 0]
    assert {place.position for place in zero} <= {0}


def test_standard_input_is_read(sweep_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sweep_text.encode())))
    assert json_v1.render(load_report("-")) == sweep_text
    assert refusal("-") == "standard input is empty"


SCHEMA = '"schema": "cestab.sweep/1"'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty"]),
        (b" \n\t", ["is empty"]),
        (b'{"schema": "\xff"}', ["not UTF-8", "byte 12", "0xff"]),
        ("{".encode("utf-16"), ["not UTF-8"]),
        (b"PK\x03\x04", ["not JSON", "line 1, column 1"]),
        (b'{"a": 1,\n', ["ends in the middle", "line 2", "cut off"]),
        (b'{"a": "b', ["ends in the middle"]),
        (b"{,}", ["not JSON", "line 1, column 2"]),
        (b'{"a": 1} {}', ["not JSON", "Extra data"]),
        (b'{"a": NaN}', ["not JSON", "NaN"]),
        (b'{"a": -Infinity}', ["not JSON", "-Infinity"]),
        (b'{"a": 1e999}', ["not JSON", "1e999", "64 bits"]),
        (b'{"a": 1' + b"0" * 5000 + b"}", ["not JSON", "5001 digits"]),
        (b'{"a": 1, "b": 2, "a": 3}', ["not JSON", "'a'", "twice"]),
        (b'{"a": "\\ud800"}', ["not JSON", "surrogate"]),
        (b"[" * 100_000, ["nested too deeply"]),
        (b"[]", ["no report of cestab", "cestab.sweep/1"]),
        (b"1", ["no report of cestab"]),
        (b"null", ["no report of cestab"]),
        (b'{"schema": 1}', ["no report of cestab"]),
        (b'{"$schema": "https://json.schemastore.org/sarif-2.1.0.json"}', ["no report of cestab"]),
        (b'{"schema": "cestab.sweep"}', ["no report of cestab"]),
        (b'{"schema": "cestab.error/1"}', ["cestab.error/1", "taken are cestab.sweep/1 and cestab.audit/1"]),
        (b'{"schema": "cestab.sweep/2"}', ["cestab.sweep/2", "newer cestab", "cestab.sweep/1"]),
        (b"{" + SCHEMA.encode() + b"}", ["no valid cestab.sweep/1", "at the top", "'version'"]),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(content: bytes, words: list[str], tmp_path: Path) -> None:
    sentence = refusal(write(tmp_path, content))
    assert [word for word in ["report.json'", *words] if word not in sentence] == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ('"a": NaN', ["not JSON", "NaN"]),
        ('"a": 1e999', ["not JSON", "1e999", "64 bits"]),
        ('"a": [-1e999]', ["not JSON", "-1e999", "64 bits"]),
        ('"a": 1' + "0" * 18, ["not JSON", "19 digits"]),
        ('"a": -1' + "0" * 5000, ["not JSON", "5001 digits"]),
        ('"a": {"b": 1, "c": 2, "b": 3}', ["not JSON", "'b'", "twice"]),
        ('"causes": [], "causes": []', ["not JSON", "'causes'", "twice"]),
        ('"a": 1, "\\u0061": 1', ["not JSON", "'a'", "twice"]),
        ('"a": "\\ud800"', ["not JSON", "surrogate"]),
        ('"\\ude00\\ud83d": 1', ["not JSON", "surrogate"]),
        ('"a": "\x01"', ["not JSON", "control character"]),
    ],
)
@pytest.mark.parametrize("most_shown", [100, reading.MOST_SHOWN], ids=["large", "small"])
def test_what_is_no_strict_json_is_refused_in_fields_that_are_not_read_too(
    field: str, words: list[str], most_shown: int, sweep_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_SHOWN", most_shown)
    sentence = refusal(write(tmp_path, sweep_text.replace('"version"', f'{field}, "version"', 1)))
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{" + "".join(f'"n{number}": 1, ' for number in range(60_000)) + '"n59999": 2}', ["'n59999'", "twice"]),
        ("{" + "".join(f'"n{number}": {{}}, ' for number in range(60_000)) + '"n0": 2}', ["'n0'", "twice"]),
        ("[" * 10**6 + "]" * 10**6, ["nested too deeply"]),
        ('{"a":' * 10**6 + "1" + "}" * 10**6, ["nested too deeply"]),
        ("1" * 300_000, ["300000 digits"]),
        ("-" + "1" * 300_000 + ".5", ["beyond every number of 64 bits"]),
        ("1e" + "1" * 300_000, ["beyond every number of 64 bits"]),
        ('"' + "x" * 10**7, ["is not JSON"]),
    ],
    ids=["names", "objects", "lists", "nested objects", "digits", "a number", "an exponent", "text"],
)
def test_a_hostile_file_is_refused_at_once(value: str, words: list[str], sweep_text: str, tmp_path: Path) -> None:
    path = write(tmp_path, sweep_text.replace('"version"', f'"a": {value}, "version"', 1))
    start = time.process_time()
    sentence = refusal(path)
    assert time.process_time() - start < 5
    assert [word for word in words if word not in sentence] == []


def test_what_is_strict_json_in_a_field_that_cestab_does_not_know_is_read(sweep_text: str, tmp_path: Path) -> None:
    field = '"a": [1e308, 5e-324, 123456789012345678, -0.0, {"b": {}, "c": {"b": 1}}, "\\ud83d\\ude00 \\\\ud800"]'
    text = sweep_text.replace('"version"', f'{field}, "version"', 1)
    assert json_v1.render(load_report(write(tmp_path, text))) == sweep_text
    check_json('"\\ud83d\\ude00"', "a pair of surrogates")


def test_whole_numbers_may_have_a_point(sweep_text: str, tmp_path: Path) -> None:
    text = sweep_text.replace('"ties": 0', '"ties": 0.0').replace('"classes": 2', '"classes": 2e0')
    assert text != sweep_text
    assert json_v1.render(load_report(write(tmp_path, text))) == sweep_text


def test_the_values_of_a_large_report_are_not_shown(sweep_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_SHOWN", 100)
    edits: list[tuple[Callable[[dict[str, Any]], object], str]] = [
        (lambda d: d["settings"][1].update(cases=-1), "settings[1].cases: the value is not a whole number >= 0"),
        (lambda d: d["settings"][1].pop("cases"), "settings[1]: the field 'cases' is missing"),
        (lambda d: d["settings"][0].update(verdict="good"), "settings[0].verdict: the value is not one of 'pass'"),
        (lambda d: d["environment"].update(targets=[FACTS]), "environment.targets[0].versions[…]: the value is not text"),
    ]
    for edit, sentence in edits:
        data = json.loads(sweep_text)
        edit(data)
        assert sentence in refusal(write(tmp_path, json.dumps(data)))


def first_finding(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["settings"][0]["findings"][0]
    return found


def nest(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def repeat_finding(data: dict[str, Any]) -> None:
    data["settings"][0]["findings"].append(first_finding(data))


def overlap(data: dict[str, Any]) -> None:
    before, after = data["settings"][0]["intervals"][:2]
    after["from"] = before["to"]


def set_place(data: dict[str, Any], **values: Any) -> None:
    first_finding(data)["first"].update(values)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d["settings"][3].update(verdict="good"), ["settings[3].verdict", "'good'", "'pass'"]),
        (lambda d: d["settings"][1].pop("cases"), ["settings[1]", "'cases'"]),
        (lambda d: d["settings"][1].update(cases=-1), ["settings[1].cases", "-1"]),
        (lambda d: d["settings"][1].update(cases=True), ["settings[1].cases", "True"]),
        (lambda d: d["settings"][1].update(formulation="a\nb"), ["settings[1].formulation", "a\\nb"]),
        (lambda d: d["settings"][0].update(dtype="float61"), ["settings[0]", "'float61'", "float64"]),
        (lambda d: d["settings"][0].update(compute="float4_e2m1fn"), ["settings[0]", "float4_e2m1fn"]),
        (lambda d: d["settings"].append(d["settings"][2]), ["repeats settings[2]"]),
        (lambda d: d.update(settings=[]), ["settings", "[]"]),
        (lambda d: d.update(settings={"a": "x" * 10_000}), ["settings", " … "]),
        (lambda d: d["request"].update(logits="5:-5"), ["request", "5:-5"]),
        (lambda d: d["request"].update(logits="0:1:²"), ["request", "0:1:²"]),
        (lambda d: d["environment"].update(targets=[FACTS]), ["environment.targets[0].versions['jax']", "1 is not text"]),
        (lambda d: d["request"].update(objective="hinge"), ["request: unknown objective 'hinge'", "softmax-cross-entropy"]),
        (lambda d: d["settings"][2].update(objective="focal"), ["settings[2]: unknown objective 'focal'", "focal-loss?"]),
        (lambda d: d["request"].update(rtol="inf"), ["request.rtol", "'inf'"]),
        (repeat_finding, ["settings[0]", "repeats findings[0]"]),
        (lambda d: first_finding(d).update(kind="nan-los"), ["settings[0].findings[0].kind", "'nan-los'"]),
        (lambda d: set_place(d, hex="0x1p+1"), ["settings[0].findings[0]", "0x1p+1", "not the same float16"]),
        (lambda d: set_place(d, hex="0x1p+9999"), ["settings[0].findings[0]", "0x1p+9999"]),
        (lambda d: set_place(d, hex="1.5"), ["settings[0].findings[0].first.hex", "'1.5'"]),
        (lambda d: set_place(d, t=1e300), ["settings[0].findings[0]", "1e+300", "no finite float16"]),
        (lambda d: d["settings"][0]["intervals"].reverse(), ["settings[0]", "intervals[1] begins before intervals[0] ends"]),
        (overlap, ["settings[0]", "intervals[1] begins before intervals[0] ends"]),
        (lambda d: d["settings"][0].update(interval_count=1), ["settings[0]", "interval_count is 1"]),
        (lambda d: d["settings"][0]["max_error"].update(loss_at=None), ["settings[0].max_error", "loss_at is null"]),
        (lambda d: d["settings"][0].update(verdict=nest(400)), ["settings[0].verdict"]),
    ],
)
def test_what_differs_from_the_schema_is_told_with_its_place(
    edit: Edit, words: list[str], sweep_text: str, tmp_path: Path
) -> None:
    data = json.loads(sweep_text)
    edit(data)
    sentence = refusal(write(tmp_path, json.dumps(data)))
    assert [word for word in ["no valid cestab.sweep/1", *words] if word not in sentence] == []


def test_an_interval_that_ends_before_it_begins_is_refused(sweep_text: str, tmp_path: Path) -> None:
    data = json.loads(sweep_text)
    interval = data["settings"][0]["intervals"][0]
    interval["from"], interval["to"] = interval["to"], interval["from"]
    assert "settings[0].intervals[0]: it ends before it begins" in refusal(write(tmp_path, json.dumps(data)))


def test_a_missing_file_a_folder_and_a_name_that_is_none_are_told(tmp_path: Path) -> None:
    assert "no file" in refusal(str(tmp_path / "missing.json"))
    assert "it is a folder" in refusal(str(tmp_path))
    assert "cannot read" in refusal("a\0b")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(reading.MOST_BYTES + 1)
    monkeypatch.setattr(reading, "_read_stream", lambda *_: pytest.fail("it was read"))
    assert "larger than 256 MiB" in refusal(str(path))


def test_a_huge_pipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    for size, words in ((10, "not JSON"), (11, "larger than")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * size)))
        assert words in refusal("-")


def test_only_reports_of_the_commands_are_taken(sweep_text: str, tmp_path: Path) -> None:
    path = write(tmp_path, sweep_text)
    assert isinstance(read_report(path, [Sweep]), Sweep)
    with pytest.raises(UsageError, match=r"taken are cestab.audit/1$"):
        read_report(path, [Audit])
