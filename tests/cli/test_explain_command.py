"""`cestab explain` as a shell sees it: statuses, forms, files, and JSON against its schema."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cestab.commands.explain import case as single
from cestab.formulations import FORMULATIONS
from cestab.reports.text import NARROWEST

Command = Callable[..., Any]
ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "explain.json").read_text(encoding="utf-8"))
NO_KEYS = {"logits_key": None, "labels_key": None}
NAIVE = ("explain", "-f", "naive", "--logits", "100,0", "--target", "1")
KEYS = [
    "schema", "version", "environment", "request", "case", "operations", "root_cause", "limits", "truth",
    "formulation", "loss", "gradient", "gradient_ulps", "findings", "against",
]  # fmt: skip


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def read(text: str) -> Any:
    """Read strict JSON and hold it to its schema."""
    report = json.loads(text, parse_constant=refuse_constant)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return report


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize("at", ["0", "-104", "1000"])
def test_json_is_as_its_schema_says(name: str, at: str, cestab: Command) -> None:
    dense = "soft:0.25" if FORMULATIONS[name].objective.is_binary else "smooth:0.1"
    for target in ("wrong", dense):
        outcome = cestab("explain", "-f", name, "--dtype", "float16", f"--at={at}", "--target", target, "--json")
        assert outcome.status == 0
        assert list(read(outcome.out)) == KEYS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("root_cause"),
        lambda report: report["root_cause"].update(cause="blown up"),
        lambda report: report["operations"][0]["entries"][0].pop("exact"),
        lambda report: report["operations"][0].update({"pass": "sideways"}),
        lambda report: report["operations"][0]["entries"][0].update(ulps="3"),
        lambda report: report["loss"].update(value="Infinity"),
        lambda report: report["loss"].update(hex="inf inf"),
        lambda report: report["findings"][0].update(kind="bad-loss"),
        lambda report: report["request"].update(loss_scale=0),
        lambda report: report.update(schema="cestab.explain/2"),
    ],
)
def test_the_schema_refuses_what_is_not_so(spoil: Callable[[Any], None], cestab: Command) -> None:
    report = read(cestab(*NAIVE, "--json").out)
    spoil(report)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(report)


def test_json_holds_what_the_table_shows(cestab: Command) -> None:
    report = read(cestab(*NAIVE, "--json").out)
    assert report["root_cause"]["operation"] == "v1 = exp(z)"
    assert (report["loss"]["value"], report["loss"]["ulps"]) == ("inf", None)
    assert report["truth"] == {"loss": "100", "gradient": ["1", "-1"]}
    assert [finding["kind"] for finding in report["findings"]] == ["inf-loss", "nan-gradient"]
    assert report["request"]["fp8_overflow"] == "nan"
    assert report["case"]["logits"][0] == {"value": 100.0, "hex": "0x1.9p+6"}
    assert report["against"]["formulation"] == "compensated"
    assert [entry["class"] for entry in report["operations"][1]["entries"]] == [None]


@pytest.mark.parametrize(
    ("arguments", "case", "against"),
    [
        (("--logits", "1e-60,-inf", "--target", "0"), {"logits": [1e-60, "-inf"], "target": "0"}, None),
        (
            ("--at", "3", "--pattern", "gaussian", "--classes", "5", "--seed", "7", "--against", "log-eps"),
            {"pattern": "gaussian", "classes": 5, "target": "wrong", "at": 3.0, "seed": 7},
            "log-eps",
        ),
        (
            ("--from", "tests/data/digits_logits.npz", "--row", "4"),
            {"from": "tests/data/digits_logits.npz", "row": 4, "labels": None, **NO_KEYS, "axis": -1, "ignore_index": -100},
            None,
        ),
    ],
)
def test_the_request_holds_the_case_as_it_was_named(
    arguments: tuple[str, ...], case: dict[str, Any], against: str | None, cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    request = read(cestab("explain", "-f", "naive", *arguments, "--json").out)["request"]
    assert (request["case"], request["against"]) == (case, against)


@pytest.mark.parametrize("name", ["naive", "softmax-log", "log-eps", "compensated"])
def test_no_number_is_broken_in_80_columns(name: str, cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    arguments = ("explain", "-f", name, "--dtype", "float64", "--logits=40.123456789,-0.0987654321", "--target", "0")
    report, lines = read(cestab(*arguments, "--json").out), cestab(*arguments).out.splitlines()
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    for operation in report["operations"]:
        for entry in operation["entries"]:
            assert len(entry["exact"]) <= 24
            shown = [str(entry["value"]), *entry["exact"].split()]
            assert any(shown == line[start : start + len(shown)] for line in words for start in range(len(line))), entry


def test_of_very_many_operations_the_ends_and_the_root_are_shown(cestab: Command) -> None:
    many = ("explain", "-f", "online:chunk=1", "--dtype", "bfloat16", "--pattern", "gaussian", "--at", "5", "--classes", "100")
    text = cestab(*many).out
    assert "left out" in text
    assert text.count("▶ v") == 1
    assert len(text.splitlines()) < 600 < len(read(cestab(*many, "--json").out)["operations"])


def test_the_same_command_gives_the_same_bytes(cestab: Command) -> None:
    assert cestab(*NAIVE, "--json").out == cestab(*NAIVE, "--json").out
    assert cestab(*NAIVE).out == cestab(*NAIVE).out


def test_hexadecimal_values_are_exact(cestab: Command) -> None:
    third = ("explain", "-f", "naive", "--logits", "0,0,0", "--target", "1")
    assert "0x1.555556p-2" in cestab(*third, "--hex").out  # 1/3 in float32
    assert "0x1" not in cestab(*third).out


def test_the_root_cause_is_marked_once_in_the_table_and_said_below(cestab: Command) -> None:
    lines = cestab(*NAIVE).out.splitlines()
    assert [line[:13] for line in lines if line.startswith("▶")] == ["▶ v1 = exp(z)", "▶ Root cause "]
    assert "▶" not in cestab("explain", "-f", "naive", "--logits", "1,0", "--target", "1").out


def test_what_differs_from_the_defaults_is_in_the_headline(cestab: Command) -> None:
    options = ("--compute", "float32", "--summation", "sequential", "--loss-scale", "2", "--flush-subnormals")
    outcome = cestab("explain", "-f", "naive", "--dtype", "float16", *options, "--logits", "1,0", "--target", "0")
    headline = " ".join(outcome.out.split("\noperation")[0].split())
    assert headline.endswith(
        "float16, computed in float32, sequential sums, loss scale 2, subnormals flushed · logits 1.0, 0.0, target 0"
    )
    saturating = cestab("explain", "-f", "naive", "--dtype", "float8_e4m3fn", "--fp8-overflow", "saturate", "--at", "1")
    assert "float8_e4m3fn, overflow saturates" in saturating.out


@pytest.mark.parametrize(
    ("arguments", "name", "beside"),
    [
        (("naive", "--logits", "100,0", "--target", "1"), "naive", "compensated"),
        (("--logits", "100,0", "--target", "1"), "naive", "compensated"),
        (("--objective", "binary-cross-entropy", "--logits=17", "--target", "1"), "sigmoid-naive", "sigmoid-compensated"),
        (("-f", "softmax-log", "--logits", "10,0,-100", "--target", "2"), "softmax-log", "compensated"),
    ],
)
def test_a_name_stands_alone_and_what_is_beside_it_is_sound(
    arguments: tuple[str, ...], name: str, beside: str, cestab: Command
) -> None:
    outcome = cestab("explain", *arguments, "--json")
    shown = json.loads(outcome.out)
    assert shown["formulation"] == name
    assert shown["against"]["formulation"] == beside


@pytest.mark.parametrize("arguments", [NAIVE, (*NAIVE, "--json"), ("explain",)], ids=["table", "json", "walk-through"])
def test_a_file_gets_what_standard_output_would(arguments: tuple[str, ...], cestab: Command, tmp_path: Path) -> None:
    outcome = cestab(*arguments, "-o", str(tmp_path / "out"))
    assert (outcome.status, outcome.out, outcome.err) == (0, "", f"cestab: wrote {tmp_path}/out\n")
    assert (tmp_path / "out").read_text(encoding="utf-8") == cestab(*arguments).out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--logits", "1,0"), "--logits Z,… needs a --target"),
        (("--json",), "one case is named by --logits, by --at"),
        *(
            (words, "one case is named by --logits, by --at")
            for words in (
                ("--row", "3"),
                ("--pattern", "margin"),
                ("--target", "1"),
                ("--against", "naive"),
                ("--hex",),
                ("--seed", "0"),
            )
        ),
        (
            ("-f", "naive", "-f", "log-eps", "--at", "1"),
            "explain takes one formulation, not naive and log-eps: --against NAME shows another beside it",
        ),
        (("-f", "naive", "--logits", ",", "--target", "0"), "the selection is empty: no logits are named"),
        (("-f", "naive", "--logits", "1e60,2", "--target", "0"), "logits 1e+60, 2.0 have no true loss"),
        (("-f", "naiv", "--at", "1"), "unknown formulation 'naiv'; did you mean naive?"),
        (
            ("-f", "naive", "--at", "1", "--against", "compensate"),
            "unknown formulation 'compensate'; did you mean compensated?",
        ),
        (("-f", "naive", "--at", "1", "--dtype", "float23"), "unknown dtype 'float23'; did you mean float32?"),
        (("-f", "naive", "--logits", "1,x", "--target", "0"), "--logits takes numbers, not '1,x'"),
        (("-f", "naive", "--from", "nowhere.npz", "--row", "0"), "there is no file 'nowhere.npz'"),
    ],
)
def test_mistakes_are_status_2_and_a_sentence(arguments: tuple[str, ...], sentence: str, cestab: Command) -> None:
    outcome = cestab("explain", *arguments)
    assert outcome.status == 2
    assert outcome.err.startswith(f"cestab: {sentence}")
    assert outcome.err.count("\n") == 1
    assert outcome.out == "" or json.loads(outcome.out)["schema"] == "cestab.error/1"


def test_an_unwritable_place_is_told_before_the_work(cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object) -> None:
        raise AssertionError("the work was done")

    monkeypatch.setattr(single, "run_explain", work)
    assert cestab(*NAIVE, "-o", "/nowhere/at/all").status == 2


@pytest.mark.parametrize("width", ["20", "40", "80", "200"])
def test_nothing_is_cut_off_however_narrow(width: str, cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = cestab(*NAIVE).out
    assert max(map(len, text.splitlines())) <= max(NARROWEST, int(width))
    assert "…" not in text
    assert "nan-gradient" in text.replace("\n", "")


def run_in_a_terminal(**environment: str) -> str:
    """Run the command with a pseudo-terminal for standard output."""
    script = "import pty, sys; pty.spawn([sys.executable, '-m', 'cestab', *sys.argv[1:]])"
    scrubbed = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", "LANG": "C.UTF-8", **environment}
    done = subprocess.run([sys.executable, "-c", script, *NAIVE], env=scrubbed, capture_output=True, text=True, check=True)
    return done.stdout


def test_colours_are_for_terminals_and_no_color_is_obeyed(cestab: Command) -> None:
    coloured, plain = run_in_a_terminal(), run_in_a_terminal(NO_COLOR="1")
    assert "\x1b[" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)
    assert "\x1b" not in cestab(*NAIVE).out


def test_the_page_without_a_case_takes_a_format(cestab: Command) -> None:
    outcome = cestab("explain")
    assert (outcome.status, outcome.err) == (0, "")
    assert "each number computed in float32" in " ".join(outcome.out.split())
    assert cestab("explain", "--dtype", "float32").out == outcome.out
    rows = [line.split() for line in cestab("explain", "--dtype", "float16").out.splitlines()]
    assert ["12", "6.1393e-6", "-inf"] in rows  # ln 65504 is 11.09
    assert all(line.strip() in outcome.out for line in ("torch.nn.CrossEntropyLoss()(logits, classes)",))


def test_the_page_without_a_case_is_in_formats_with_an_infinity(cestab: Command) -> None:
    outcome = cestab("explain", "--dtype", "float8_e4m3fn")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("cestab: --dtype of the page without a case is one of float16, bfloat16, float32, float64")
