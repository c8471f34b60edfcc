"""The public Python functions."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cestab
from cestab.commands.options import CompareOptions
from cestab.commands.sweep import run as sweep_module
from cestab.commands.sweep.run import Group
from cestab.errors import UsageError
from cestab.evaluation.plan import Plan

DIGITS = Path(__file__).parent.parent / "data" / "digits_logits.npz"


def test_audit_is_the_function_whatever_was_imported_before() -> None:
    assert Plan.__module__ == "cestab.evaluation.plan"
    for _ in range(2):
        report = cestab.audit(str(DIGITS), formulations=["compensated"], dtypes=["float32"])
        assert isinstance(report, cestab.Report)
        assert report.rows == 899
        assert '"cestab.audit/1"' in report.to_json()


def test_sweep_returns_the_report() -> None:
    report = cestab.sweep(["naive"], dtypes=["float16"], patterns=["margin"], classes=[2], targets=["wrong"])
    assert isinstance(report, cestab.Report)
    assert report.settings[0].verdict == "fail"


def test_a_wrong_name_is_a_usage_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean float16"):
        cestab.sweep(dtypes=["flot16"])


def test_an_unknown_attribute_is_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        getattr(cestab, "swep")  # noqa: B009  # mypy would refuse cestab.swep


@pytest.mark.parametrize("call", [lambda: cestab.sweep("naive", dtypes="float16"), lambda: cestab.assert_stable("naive")])
def test_an_interrupt_is_passed_on(call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(groups: Iterable[Group], _total: int, _progress: object) -> tuple[list[Group], bool]:
        return [next(iter(groups))], True

    monkeypatch.setattr(sweep_module, "collect_groups", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call()


def test_the_shared_options_are_those_of_sweep() -> None:
    keywords = set(inspect.signature(cestab.sweep).parameters)
    assert keywords == {"formulations", "fail_on", "certify", "curves", "jobs", *CompareOptions.__annotations__}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("audit", lambda: cestab.audit(DIGITS, pattern="margin")),  # type: ignore[call-arg]
        ("compare", lambda: cestab.compare("naive", "log-softmax", dtype="float16")),  # type: ignore[call-arg]
        ("assert_stable", lambda: cestab.assert_stable("naive", logit="-1:1")),  # type: ignore[call-arg]
    ],
)
def test_an_option_that_a_function_does_not_have_is_refused_in_its_name(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument"):
        call()


GIVEN = {"logits": [1.0, 2.0], "target": 0}
GENERATED = {"at": 1.0}
RECORDED = {"file": DIGITS, "row": 1}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (GIVEN | {"logits": "1,2"}, "logits takes a number or a list of numbers, not '1,2'"),
        (GIVEN | {"logits": ["1", "2"]}, "logits takes a number or a list of numbers, not '1'"),
        (GIVEN | {"logits": np.ones((1, 2))}, "logits takes a number or a list of numbers, not array"),
        (GIVEN | {"logits": 3j}, "logits takes a number or a list of numbers, not 3j"),
        (GIVEN | {"logits": [1, 10**400]}, "logits takes numbers that float64 holds"),
        (GIVEN | {"logits": np.array([])}, "no logits are named"),
        (GIVEN | {"target": [[1], [0, 1]]}, "target takes a class, weights, a label or the name of a target kind"),
        (GIVEN | {"target": True}, "target takes a class, weights, .*, not True"),
        (GIVEN | {"target": {}}, "target takes a class, weights, .*, not {}"),
        (GIVEN | {"formulation": ["naive"]}, "formulation takes a text"),
        (GIVEN | {"against": 3}, "against takes a text"),
        (GENERATED | {"at": "1"}, "at takes a number, not '1'"),
        (GENERATED | {"classes": 2.5}, "classes takes a whole number, not 2.5"),
        (GENERATED | {"pattern": 3}, "pattern takes a text"),
        (GENERATED | {"pattern": "gaussian", "seed": -1}, "seed -1 is negative"),
        (GENERATED | {"target": ""}, "unknown target ''"),
        (RECORDED | {"file": 3}, "file takes a text"),
        (RECORDED | {"row": "1"}, "row takes a whole number, not '1'"),
        (RECORDED | {"labels": 3}, "labels takes a text"),
        (RECORDED | {"class_axis": 2}, "have 2 axes, and class_axis=2 is none of them"),
        (RECORDED | {"ignore_index": None, "class_axis": "1"}, "class_axis takes a whole number, not '1'"),
        (RECORDED | {"ignore_index": "x"}, "ignore_index takes a whole number, not 'x'"),
    ],
)
def test_a_wrong_case_of_explain_is_a_usage_error_in_one_sentence(case: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        cestab.explain(**{"formulation": "naive", **case})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "logits", "target", "source"),
    [
        ("naive", np.array([1, 2], np.float32), np.array([[0.5], [0.5]]), "logits 1.0, 2.0, target 0.5,0.5"),
        ("naive", (1, 2), np.int64(1), "logits 1.0, 2.0, target 1"),
        ("naive", [1, 2], "correct", "logits 1.0, 2.0, target correct"),
        ("bce-with-logits", 3, 0.5, "logits 3.0, target 0.5"),
    ],
)
def test_explain_takes_arrays_and_numbers_of_numpy(name: str, logits: Any, target: Any, source: str) -> None:
    assert cestab.explain(name, logits=logits, target=target).source == source
