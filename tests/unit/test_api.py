"""The public Python functions."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import cestab
from cestab.audit import sweep as sweep_module
from cestab.audit.plan import Plan
from cestab.audit.sweep import Group
from cestab.errors import UsageError
from cestab.options import SweepOptions

DIGITS = Path(__file__).parent.parent / "data" / "digits_logits.npz"


def test_audit_is_the_function_whatever_was_imported_before() -> None:
    assert Plan.__module__ == "cestab.audit.plan"
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
    assert keywords == {"formulations", "fail_on", *SweepOptions.__annotations__}


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
