"""The assertion for test suites, and what the Python functions take and refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cestab
from cestab.commands.sweep import run as sweep_module
from cestab.evaluation.plan import Plan
from cestab.vocabulary.kinds import Verdict

DIGITS = Path(__file__).parent.parent / "data" / "digits_logits.npz"
TARGETS = DIGITS.with_name("targets.py")
QUICK: dict[str, Any] = {"dtypes": "float16", "logits": "-20:20:9", "patterns": "margin", "classes": 2, "targets": "wrong"}


def test_a_stable_formulation_passes_and_an_unstable_one_does_not() -> None:
    cestab.assert_stable("compensated", **QUICK)
    cestab.assert_stable(["compensated", "log-softmax"], **QUICK)
    cestab.assert_stable("naive", **{**QUICK, "logits": "-1:1:5"})
    with pytest.raises(
        AssertionError, match=r"^nan-gradient, inf-loss, wrong-gradient\n.*\n.*float16\n(.*\n){2}naive .* ≤8\.41 .* breaks\n"
    ) as caught:
        cestab.assert_stable(["compensated", "naive"], **QUICK)
    assert "Use instead" not in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) <= 80


def test_fail_on_says_what_counts() -> None:
    cestab.assert_stable("naive", **QUICK, fail_on="vanishing-gradient")
    with pytest.raises(AssertionError, match=r"^inf-loss\n"):
        cestab.assert_stable("naive", **QUICK, fail_on=["inf-loss", "zeroed-loss"])


def test_what_could_not_be_judged_never_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(cestab.UsageError, match="nothing could be judged: float8_e4m3fn has no infinity"):
        cestab.assert_stable("naive", dtypes="float8_e4m3fn", patterns="masked", classes=2)
    real = sweep_module.run_group

    def crash(plan: Plan, *more: Any) -> sweep_module.GroupResult:
        group = real(plan, *more)
        if plan.conditions.fmt.name != "bfloat16":
            return group
        changes: dict[str, Any] = {"verdict": Verdict.ERROR, "findings": (), "reason": "it crashed"}
        return replace(group, results={name: replace(result, **changes) for name, result in group.results.items()})

    monkeypatch.setattr(sweep_module, "run_group", crash)
    with pytest.raises(AssertionError, match=r"^it crashed\n"):
        cestab.assert_stable("compensated", **{**QUICK, "dtypes": ["float16", "bfloat16"]})


@pytest.mark.parametrize("target", ["correct", "wrong"])
def test_a_loss_without_a_gradient_is_not_taken_for_stable(target: str) -> None:
    name = f"{TARGETS}:loss_only"
    with pytest.raises(AssertionError) as caught:
        cestab.assert_stable(["compensated", name], **{**QUICK, "targets": target})
    first, *shown = str(caught.value).splitlines()
    assert first == f"the gradient of {name} was not judged"
    assert "only the loss was judged" in " ".join(" ".join(shown).split())
    with pytest.raises(AssertionError, match=r"^inf-loss\n"):
        cestab.assert_stable(f"{TARGETS}:no_shift_loss_only", **QUICK)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("formulations", "naiv", "did you mean naive"),
        ("formulations", 3, "formulations takes a name or a list of names, not 3"),
        ("formulations", [], "no formulation is named"),
        ("objective", 3, "objective takes a text"),
        ("dtypes", {"float16": 1}, "dtypes takes a name"),
        ("compute", 3, "compute takes a text"),
        ("summations", [None], "summations takes a name"),
        ("logits", 5, "logits takes a text"),
        ("patterns", b"margin", "patterns takes a name"),
        ("classes", "2", "classes takes a whole number"),
        ("classes", 2.0, "classes takes a whole number"),
        ("classes", True, "classes takes a whole number"),
        ("targets", 1, "targets takes a name"),
        ("loss_scales", "8", "loss_scales takes a number"),
        ("rtol", "1", "rtol takes a number"),
        ("seed", 0.5, "seed takes a whole number"),
        ("fp8_overflow", 1, "fp8_overflow takes a text"),
        ("flush_subnormals", 1, "flush_subnormals takes true or false"),
        ("fail_on", None, "fail_on is None"),
        ("fail_on", (), "no finding is named"),
        ("fail_on", "fial", "did you mean fail"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_and_no_failed_assertion(name: str, value: object, words: str) -> None:
    arguments: dict[str, Any] = {"formulations": "compensated", **QUICK, name: value}
    with pytest.raises(cestab.UsageError, match=words) as caught:
        cestab.assert_stable(arguments.pop("formulations"), **arguments)
    assert isinstance(caught.value, ValueError)


def test_one_value_counts_as_a_list_of_one() -> None:
    single = cestab.sweep("naive", loss_scales=8, summations="pairwise", fail_on="warn", **QUICK)
    lists: dict[str, Any] = {name: value if name == "logits" else [value] for name, value in QUICK.items()}
    listed = cestab.sweep(["naive"], loss_scales=[8.0], summations=["pairwise"], fail_on=["warn"], **lists)
    assert single.to_json() == listed.to_json()


def test_a_file_may_be_a_path() -> None:
    report = cestab.audit(DIGITS, formulations="compensated", dtypes="float32")
    assert report.to_json() == cestab.audit(str(DIGITS), formulations=["compensated"], dtypes=["float32"]).to_json()
    with pytest.raises(cestab.UsageError, match="file takes a text"):
        cestab.audit(3)  # type: ignore[arg-type]  # what a caller without types may write


def test_the_public_names_are_listed() -> None:
    assert set(dir(cestab)) == set(cestab.__all__)
    assert {"assert_stable", "UsageError", "sweep"} <= set(dir(cestab))
    assert all(getattr(cestab, name) for name in cestab.__all__)
