"""Reports of an explanation and of the walk-through, made up by hand."""

import io
import json
import math
from dataclasses import replace

import pytest

from builders import build_explain_request, build_setting
from cestab.commands.explain import table as explanation_table
from cestab.commands.explain import wire as explanation_json
from cestab.commands.explain.answer import Cause, Entry, Explanation, Number, Operation, Outcome, RootCause
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import GivenCase
from cestab.vocabulary.settings import Environment

INF = Number(value=math.inf, decimal="inf", hexadecimal="inf")
NAN = Number(value=math.nan, decimal="nan", hexadecimal="nan")
ONE = Number(value=1.0, decimal="1.0", hexadecimal="0x1p+0")
TENTH = Number(value=0.10000000149011612, decimal="0.1", hexadecimal="0x1.99999ap-4")
FIRST = (
    Entry(index=0, computed=INF, exact="2.7e43", ulps=None, cause=Cause.OVERFLOW, words="[overflow]"),
    Entry(index=1, computed=ONE, exact="1", ulps=0.0, cause=None, words=""),
)
SECOND = (Entry(index=None, computed=TENTH, exact="0.1", ulps=0.25, cause=Cause.ROUNDING, words=""),)
OPERATIONS = (
    Operation(name="v1", expression="exp(z)", is_backward=False, entries=FIRST),
    Operation(name="g1", expression="−v1", is_backward=True, entries=SECOND),
)
ROOT = RootCause(
    finding=FindingKind.NAN_GRADIENT,
    operation="v1 = exp(z)",
    cause=Cause.OVERFLOW,
    sentence="v1 = exp(z) is inf: [overflow]",
    is_sole=True,
)
OUTCOME = Outcome(
    formulation="naive",
    loss=INF,
    loss_ulps=None,
    gradient=(NAN, TENTH),
    gradient_ulps=1e30,
    findings=(FindingKind.INF_LOSS, FindingKind.NAN_GRADIENT),
)
BETTER = Outcome(formulation="compensated", loss=ONE, loss_ulps=0.5, gradient=(ONE, ONE), gradient_ulps=0.25, findings=())
SETTING = build_setting(pattern=None, target="1")
REQUEST = build_explain_request(case=GivenCase(logits=(100.0, 0.0), target="1"))
EXPLANATION = Explanation(
    version="VERSION",
    environment=Environment(python="", numpy="", platform="", cpu=""),
    request=REQUEST,
    setting=SETTING,
    rtol=1e-6,
    atol=1e-5,
    source="logits [1], 0",
    roundings=(),
    shown=(0, 1),
    logits=(ONE, TENTH),
    target=1,
    operations=OPERATIONS,
    outcome=OUTCOME,
    root_cause=ROOT,
    limits=(),
    true_loss="100",
    true_gradient=("1", "-1"),
    against=BETTER,
)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def show(explanation: Explanation = EXPLANATION, *, hexadecimal: bool = False) -> list[list[str]]:
    return [line.split() for line in explanation_table.render(explanation, io.StringIO(), hexadecimal=hexadecimal).splitlines()]


def test_the_table_has_a_row_for_every_entry_and_marks_the_root() -> None:
    lines = show()
    assert lines[0] == ["cestab", "VERSION", "·", "naive", "·", "float32", "·", "logits", "[1],", "0"]
    assert lines[1] == ["operation", "class", "computed", "exact", "ulps", "what", "happened"]
    assert lines[2] == ["▶", "v1", "=", "exp(z)", "0", "inf", "2.7e43", "[overflow]"]
    assert lines[3] == ["1", "1.0", "1", "0"]
    assert lines[4] == ["g1", "=", "−v1", "0.1", "0.1", "0.25"]
    assert " ".join(lines[5]) == "▶ Root cause of nan-gradient: v1 = exp(z) is inf: [overflow]"


def test_the_table_ends_with_truth_and_both_formulations() -> None:
    assert show()[6:] == [
        ["truth", "naive", "compensated"],
        ["loss", "100", "inf", "1.0"],
        ["gradient,", "class", "0", "1", "nan", "1.0"],
        ["gradient,", "class", "1", "-1", "0.1", "1.0"],
        ["findings", "inf-loss,", "nan-gradient", "none"],
    ]
    assert show(replace(EXPLANATION, against=None))[6] == ["truth", "naive"]


def test_a_case_without_finding_has_no_mark() -> None:
    assert not any("▶" in line for line in show(replace(EXPLANATION, root_cause=None)))


def test_only_computed_values_are_hexadecimal() -> None:
    assert show(hexadecimal=True)[4] == ["g1", "=", "−v1", "0x1.99999ap-4", "0.1", "0.25"]


def test_what_formulations_gave_is_hexadecimal_and_the_truth_is_not() -> None:
    lines = show(hexadecimal=True)
    assert ["loss", "100", "inf", "0x1p+0"] in lines
    assert ["gradient,", "class", "1", "-1", "0x1.99999ap-4", "0x1p+0"] in lines
    opaque = replace(EXPLANATION, operations=(), root_cause=None, outcome=replace(OUTCOME, loss=TENTH, gradient=()))
    assert ["loss", "100", "0x1.99999ap-4", "0x1p+0"] in show(opaque, hexadecimal=True)
    assert ["gradient,", "class", "1", "-1", "none", "0x1p+0"] in show(opaque, hexadecimal=True)


def test_of_more_classes_it_is_said_which_are_shown() -> None:
    assert " ".join(show(replace(EXPLANATION, setting=replace(SETTING, classes=9)))[1]) == "2 of 9 classes are shown: 0, 1"


def test_a_binary_gradient_has_no_class() -> None:
    binary = replace(
        EXPLANATION,
        setting=replace(SETTING, classes=1),
        shown=(0,),
        true_gradient=("-1",),
        outcome=replace(OUTCOME, gradient=(TENTH,)),
        against=None,
    )
    assert show(binary)[8] == ["gradient", "-1", "0.1"]


def test_json_has_strings_where_it_has_no_numbers_and_shortest_decimals_elsewhere() -> None:
    report = json.loads(explanation_json.render(EXPLANATION))
    assert report["loss"] == {"value": "inf", "hex": "inf", "ulps": None}
    assert report["gradient"] == [{"value": "nan", "hex": "nan"}, {"value": 0.1, "hex": "0x1.99999ap-4"}]
    assert report["operations"][1] == {
        "name": "g1",
        "expression": "−v1",
        "pass": "backward",
        "entries": [
            {
                "class": None,
                "value": 0.1,
                "hex": "0x1.99999ap-4",
                "exact": "0.1",
                "ulps": 0.25,
                "cause": "rounding",
                "words": "",
            }
        ],
    }
    assert report["root_cause"] == {
        "operation": "v1 = exp(z)",
        "cause": "overflow",
        "finding": "nan-gradient",
        "sole": True,
        "sentence": "v1 = exp(z) is inf: [overflow]",
    }
    assert report["findings"] == [{"kind": "inf-loss", "severity": "fail"}, {"kind": "nan-gradient", "severity": "fail"}]
    assert report["against"]["formulation"] == "compensated"


def test_json_says_null_for_what_there_is_not() -> None:
    report = json.loads(explanation_json.render(replace(EXPLANATION, root_cause=None, against=None)))
    assert (report["root_cause"], report["against"]) == (None, None)


@pytest.mark.parametrize(
    ("names", "header"),
    [
        (("torch:torch.nn.functional.cross_entropy:label_smoothing=0.1",), ["truth torch:…cross_entropy:label_smoothing=0.1"]),
        (
            ("jax:optax.softmax_cross_entropy_with_integer_labels", "/home/me/my losses/losses.py:[stable]"),
            ["jax:…softmax_cross_entropy_", "truth with_integer_labels …losses.py:[stable]"],
        ),
        (
            ("/somewhere/in/one/losses.py:stable", "/somewhere/in/two/losses.py:stable"),
            ["/somewhere/in/one/ /somewhere/in/two/", "truth losses.py:stable losses.py:stable"],
        ),
    ],
    ids=["one", "two", "two-of-the-same-short-name"],
)
def test_the_names_of_targets_are_short_and_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], header: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    first, *rest = (replace(OUTCOME, formulation=name) for name in names)
    explanation = replace(EXPLANATION, operations=(), root_cause=None, outcome=first, against=rest[0] if rest else None)
    lines = [" ".join(words) for words in show(explanation)]
    start = next(index for index, line in enumerate(lines) if line.startswith("loss "))
    assert lines[start - len(header) : start] == header
