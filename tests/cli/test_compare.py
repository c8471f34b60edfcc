"""`cestab compare`: what it prints in each form, and its statuses."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

import cestab as package
from cestab.errors import UsageError

Command = Callable[..., Any]
SMALL = ("--dtype", "float16", "--pattern", "margin,offset", "--classes", "2", "--logits", "-800:800")
TRADE = ("compare", "naive", "log-sum-exp", *SMALL)
BETTER = ("compare", "log-sum-exp", "compensated", *SMALL)
WORSE = ("compare", "compensated", "naive", *SMALL)
FORMS = ((), ("--json",), ("--output-format", "markdown"), ("--output-format", "csv"), ("--detail",))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("arguments", "status"), [(TRADE, 1), (WORSE, 1), (BETTER, 0)])
def test_the_gate_has_the_same_status_in_every_form(
    cestab: Command, arguments: tuple[str, ...], status: int, form: tuple[str, ...]
) -> None:
    assert cestab(*arguments, *form).status == 0
    gated = cestab(*arguments, *form, "--fail-on-worse")
    assert gated.status == status
    assert ("worse than" in gated.err) == bool(status)
    assert gated.out


def test_findings_and_boundaries_are_those_of_the_sweep(cestab: Command) -> None:
    comparison = json.loads(cestab(*TRADE, "--json").out)
    sweep = json.loads(cestab("sweep", "-f", "naive", "-f", "log-sum-exp", *SMALL, "--json").out)
    swept = {(s["formulation"], s["pattern"], s["target"]): s for s in sweep["settings"]}
    assert len(comparison["settings"]) == 4
    for setting in comparison["settings"]:
        case = (setting["pattern"], setting["target"])
        both = swept["naive", *case], swept["log-sum-exp", *case]
        assert setting["verdict"] == {"reference": both[0]["verdict"], "other": both[1]["verdict"]}
        kinds = [{f["kind"]: f for f in result["findings"]} for result in both]
        for own, (mine, theirs) in (("only_reference", kinds), ("only_other", kinds[::-1])):
            assert {f["kind"]: f["cases"] for f in setting[own]} == {k: f["cases"] for k, f in mine.items() if k not in theirs}
            for finding in setting[own]:
                assert finding["from"]["t"] == mine[finding["kind"]]["lowest"]["t"]
                assert finding["to"]["t"] == mine[finding["kind"]]["highest"]["t"]
        for pair in setting["boundaries"]:
            for name, found in zip(("reference", "other"), kinds, strict=True):
                first = found.get(pair["kind"], {}).get("first", {})
                assert (pair[name] or {}).get("hex") == first.get("hex")
        assert (
            setting["loss"]["equal"] + setting["loss"]["nearer_reference"] + setting["loss"]["nearer_other"] <= setting["cases"]
        )


def test_the_sentence_says_what_is_known_of_log_sum_exp(cestab: Command) -> None:
    out = " ".join(cestab("compare", "naive", "log-sum-exp", *SMALL[2:], "--dtype", "float32").out.split())
    assert "float32: log-sum-exp trades with naive" in out or "float32: log-sum-exp dominates naive" in out
    assert "removes nan-gradient" in out
    assert "88.4" in out


def test_csv_has_a_line_for_each_setting(cestab: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(cestab(*TRADE, "--output-format", "csv").out)))
    assert len(rows) == 4
    assert {row["other"] for row in rows} == {"log-sum-exp"}
    assert all(int(row["cases"]) > 1000 for row in rows)
    assert any("nan-gradient" in row["only_reference"] for row in rows)


def test_detail_names_what_only_one_has_and_where_it_begins(cestab: Command) -> None:
    out = " ".join(cestab(*TRADE, "--detail").out.split())
    assert "only naive has nan-gradient, in" in out
    assert "nan-gradient begins at |t| = naive 11.09, log-sum-exp nowhere" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compare", "naive", "naive"), "a formulation is named twice"),
        (("compare", "naive"), "Missing argument"),
        (("compare", "naive", "log-sum-ex"), "did you mean log-sum-exp?"),
        (("compare", "naive", "sigmoid-naive"), "binary-cross-entropy"),
        (("compare", "naive", "online", "--dtype", "float8_e4m3fn", "--pattern", "masked"), "nothing could be compared"),
    ],
)
def test_mistakes_are_one_sentence(cestab: Command, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = cestab(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_python_gives_the_bytes_of_the_command(cestab: Command) -> None:
    options: dict[str, Any] = {"dtypes": ["float16"], "patterns": ["margin", "offset"], "classes": [2], "logits": "-800:800"}
    comparison = package.compare("naive", "log-sum-exp", **options)
    assert comparison.to_json() == cestab(*TRADE, "--json").out
    assert comparison.exit_status() == 0
    with pytest.raises(UsageError, match="nothing to compare naive with"):
        package.compare("naive")
