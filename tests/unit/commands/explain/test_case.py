"""The single case of explain: what is refused, in which words, and what the three ways of naming a case give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.commands.explain.answer import Explanation
from cestab.commands.explain.case import run_explain
from cestab.commands.explain.request import make_explain_request
from cestab.errors import UsageError
from cestab.vocabulary.kinds import FindingKind


def explain(name: str, dtype: str = "float32", against: str | None = None, **case: Any) -> Explanation:
    return run_explain(make_explain_request(name, dtype=dtype, against=against, **case))


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    rows = np.array([[20.0, 0.0], [1.0, 2.0], [np.nan, 0.0], [1e30, 0.0], [-np.inf, -np.inf]])
    np.savez(tmp_path / "a.npz", logits=rows, labels=np.array([1, -100, 0, 0, 0]))
    return str(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "case", "sentence"),
    [
        ("naive", {}, "one case is named by logits, by at (a magnitude t) or by file=FILE row=N; nothing was given"),
        (
            "naive",
            {"logits": [1.0], "at": 2.0},
            "one case is named by logits, by at (a magnitude t) or by file=FILE row=N; logits and at were given",
        ),
        (
            "naive",
            {"logits": [1.0, 2.0]},
            "logits=Z,… needs a target: a class, weights with commas, or a label, e.g. logits=100,0 target=1",
        ),
        ("naive", {"logits": [], "target": "0"}, "the selection is empty: no logits are named"),
        ("naive", {"logits": [1.0, 2.0], "target": "1", "seed": 3}, "seed does not go with logits, which takes target"),
        (
            "naive",
            {"at": 1.0, "class_axis": 0},
            "class_axis does not go with at, which takes pattern, classes, target, seed",
        ),
        (
            "naive",
            {"file": "a.npy", "row": 0, "seed": 0},
            "seed does not go with file, which takes row, labels, logits_key, labels_key, class_axis, ignore_index",
        ),
        (
            "naive",
            {"logits": [1.0, 2.0], "target": "0", "ignore_index": -1},
            "ignore_index does not go with logits, which takes target",
        ),
        ("naive", {"file": "a.npy"}, "file=FILE needs row=N, the number of the row from 0 on"),
        ("naive", {"at": 1.0, "row": 3}, "row does not go with at, which takes pattern, classes, target, seed"),
        ("naive", {"logits": [1.0], "target": "0"}, "softmax-cross-entropy needs at least 2 classes, not 1"),
        ("naive", {"logits": [1.0, 2.0], "target": "2"}, "target '2' is not a class from 0 to 1"),
        ("naive", {"logits": [1.0, 2.0], "target": "0.5"}, "target '0.5' is not a class from 0 to 1"),
        ("naive", {"logits": [1.0, 2.0], "target": "-1"}, "target '-1' is not a class from 0 to 1"),
        ("naive", {"logits": [1.0, 2.0], "target": "1,0,0"}, "target '1,0,0' is not 2 weights from 0 on, one for each logit"),
        ("naive", {"logits": [1.0, 2.0], "target": "2,-1"}, "target '2,-1' is not 2 weights from 0 on, one for each logit"),
        ("naive", {"logits": [1.0, 2.0], "target": "nan,1"}, "target 'nan,1' is not 2 weights from 0 on, one for each logit"),
        (
            "naive",
            {"logits": [1e39, 2.0], "target": "0"},
            "logits 1e+39, 2.0 have no true loss: they must be finite numbers of float32, or -inf for a mask",
        ),
        (
            "naive",
            {"logits": [float("-inf"), float("-inf")], "target": "0"},
            "logits -inf, -inf have no true loss: they must be finite numbers of float32, or -inf for a mask",
        ),
        ("sigmoid-naive", {"logits": [1.0], "target": "1.5"}, "target '1.5' is not a label from 0 to 1"),
        ("sigmoid-naive", {"logits": [1.0], "target": "0,1"}, "target '0,1' is not a label from 0 to 1"),
        (
            "sigmoid-naive",
            {"logits": [1.0, 2.0], "target": "1"},
            "binary-cross-entropy has one logit: its only pattern is margin and its only number of classes 1",
        ),
        ("sigmoid-naive", {"logits": [1.0], "target": "soft:0:1:3"}, "target 'soft:0:1:3' is 3 targets; one case has one"),
        ("sigmoid-naive", {"at": 1.0, "target": "soft:0:1:3"}, "target 'soft:0:1:3' is 3 targets; one case has one"),
        ("naive", {"at": 1e39}, "at 1e+39 is not a finite number of float32, which ends at 3.4028234663852886e+38"),
        ("naive", {"at": float("nan")}, "at nan is not a finite number of float32, which ends at 3.4028234663852886e+38"),
        ("naive", {"at": 1.0, "classes": 1}, "softmax-cross-entropy needs at least 2 classes, not 1"),
    ],
)
def test_what_names_no_case_is_told_in_a_sentence(name: str, case: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as told:
        explain(name, **case)
    assert str(told.value) == sentence


def test_what_a_format_does_not_have_is_told() -> None:
    with pytest.raises(UsageError, match=r"^float8_e4m3fn has no infinity to mask with$"):
        explain("naive", "float8_e4m3fn", at=1.0, pattern="masked", classes=4)
    with pytest.raises(UsageError, match=r"^the case gaussian, 9 classes, wrong, t = -65500\.0 has a logit beyond float16$"):
        explain("naive", "float16", at=-65504.0, pattern="gaussian", classes=9)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (5, "row 5 is not a row of 'FILE': it has 0 to 4"),
        (-1, "row -1 is not a row of 'FILE': it has 0 to 4"),
        (1, "row 1 has the label -100 of rows that are ignored"),
        (2, "row 2 has no true loss: some logit is NaN or beyond float16, or all are -inf"),
        (3, "row 3 has no true loss: some logit is NaN or beyond float16, or all are -inf"),
        (4, "row 4 has no true loss: some logit is NaN or beyond float16, or all are -inf"),
    ],
)
def test_a_row_that_is_no_case_is_told(row: int, sentence: str, recorded: str) -> None:
    with pytest.raises(UsageError) as told:
        explain("naive", "float16", file=recorded, row=row)
    assert str(told.value) == sentence.replace("FILE", recorded)


def test_the_other_formulation_is_of_the_same_objective() -> None:
    with pytest.raises(UsageError, match="computes binary-cross-entropy, not softmax-cross-entropy"):
        explain("naive", against="sigmoid-naive", at=1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda _: explain("naive", "float16", logits=[20.0, 0.0], target="1"),
        lambda _: explain("naive", "float16", logits=[20.0, 0.0], target="wrong"),
        lambda _: explain("naive", "float16", at=20.0),
        lambda file: explain("naive", "float16", file=file, row=0),
    ],
    ids=["given", "target kind", "generated", "recorded"],
)
def test_the_same_case_named_in_three_ways_is_the_same(make: Callable[[str], Explanation], recorded: str) -> None:
    explanation, given = make(recorded), explain("naive", "float16", logits=[20.0, 0.0], target="1")
    assert repr(explanation.operations) == repr(given.operations)  # a NaN is not equal to itself
    assert explanation.root_cause == given.root_cause
    assert explanation.outcome.findings == (FindingKind.INF_LOSS, FindingKind.NAN_GRADIENT)
    assert explanation.target == 1


def test_weights_and_labels_are_dense_targets_rounded_to_the_format() -> None:
    assert explain("naive", "float16", logits=[1.0, 2.0], target="0.1,0.9").target == (
        float(np.float16(0.1)),
        float(np.float16(0.9)),
    )
    assert explain("sigmoid-naive", "float16", logits=[1.0], target="0.1").target == (float(np.float16(0.1)),)
    assert explain("naive", logits=[1.0, 2.0, 0.0], target="uniform").target == (float(np.float32(1 / 3)),) * 3


def test_logits_are_rounded_to_the_format_and_shown_so() -> None:
    explanation = explain("naive", "bfloat16", logits=[100.3, float("-inf")], target="0")
    assert [logit.value for logit in explanation.logits] == [100.5, float("-inf")]
    assert explanation.source == "logits 100.5, -inf, target 0"


def test_what_the_format_changes_is_told() -> None:
    """bfloat16 has 8 bits: 299 lies between 298 and 300; 0.3 is rounded, too, but still written 0.3."""
    changed = explain("naive", "bfloat16", logits=[300.0, 299.0, 0.3], target="0.3,0.3,0.4")
    assert changed.roundings == ("logits rounded to bfloat16: 299.0 is 300.0",)
    weights = explain("naive", "bfloat16", logits=[300.0, 0.0], target="0.1001,0.8999")
    assert weights.roundings == ("weights rounded to bfloat16: 0.1001 is 0.1, 0.8999 is 0.9",)
    assert explain("naive", logits=[300.0, 299.0], target="0").roundings == ()
    assert explain("naive", "bfloat16", at=299.0).roundings == ()


def test_weights_may_miss_1_by_what_the_format_rounds() -> None:
    assert explain("naive", "float8_e4m3fn", logits=[1.0, 2.0], target="0.5,0.44").target == (0.5, 0.4375)
