"""Why they fail: one sentence per distinct first failure, from the root cause of that very case."""

import math
from typing import Any

import pytest

import cestab
from cestab.commands.explain.answer import Cause
from cestab.commands.sweep.answer import Report
from cestab.formulations import FORMULATIONS
from cestab.vocabulary.kinds import Severity

C = Cause
VERBS = {
    "overflows": C.OVERFLOW,
    "underflows": C.UNDERFLOW,
    "is rounded": C.ROUNDING,
    "cancels": C.CANCELLATION,
    "loses what is small in it": C.ABSORPTION,
    "is inf − inf": C.INFINITY_MINUS_INFINITY,
    "is 0·inf": C.ZERO_TIMES_INFINITY,
    "divides by 0": C.DIVISION_BY_ZERO,
    "the clip": C.CLIPPED,
    "eps takes the place": C.CLIPPED,
}


def sweep(name: str, **options: Any) -> Report:
    usual: dict[str, Any] = {"dtypes": "float32", "classes": 2, "patterns": "margin", "targets": "wrong"}
    if FORMULATIONS[name.partition(":")[0]].objective.is_binary:
        usual |= {"classes": 1}
    return cestab.sweep([name], **(usual | options))


def sentences(report: Report) -> list[str]:
    return [cause.sentence for cause in report.causes]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # 1/p is beyond 3.4e38 from p = 2.9e-39 on, which itself is not 0 before 103.97
        ("softmax-log", {}, ["−y / p overflows: nan-gradient from |t| = 88.72 (float32) in margin, K=2"]),
        # eps is 1.19e-7 in float16, not 0; 1/p = 73,263 at 11.2
        ("clipped", {"dtypes": "float16"}, ["−y / p overflows: nan-gradient from |t| = 11.09 (float16) in margin, K=2"]),
        # (a/b)/b at half of the margin: p/Σ exp z = exp(−103)
        ("naive", {}, ["p / Σ exp(z) underflows: wrong-gradient from |t| ≤ 51.38 (float32) in margin, K=2"]),
        ("clipped", {}, ["the clip lets no gradient pass: vanishing-gradient from |t| = 16.12 (float32) in margin, K=2"]),
        ("log-eps", {}, ["eps takes the place of p: wrong-gradient from |t| ≤ 13.92 (float32) in margin, K=2"]),
        ("unshifted-lse", {}, ["exp(z) overflows: nan-gradient from |t| = 88.72 (float32) in margin, K=2"]),
        (
            "log-sum-exp",
            {"dtypes": "bfloat16", "patterns": "offset", "targets": "correct"},
            ["m + log Σ exp(z − m) is rounded: wrong-gradient from |t| = 15.75 (bfloat16) in offset, K=2"],
        ),
        ("log-softmax", {}, []),
        ("compensated", {}, []),
    ],
)
def test_the_sentence_is_the_cause_of_the_first_failure(name: str, options: dict[str, Any], expected: list[str]) -> None:
    assert sentences(sweep(name, **options)) == expected


def test_failures_of_one_cause_are_one_sentence_and_the_nearest_comes_first() -> None:
    """In float16 1/p overflows at the p of 1000 classes; in float32 and bfloat16 another operation fails first."""
    report = sweep("naive", dtypes=["float32", "float16", "bfloat16"], classes=[2, 1000], patterns=["margin", "offset"])
    assert sentences(report) == [
        "−y / p overflows: nan-gradient from |t| = 0 (float16) in offset, K=1000",
        "p / Σ exp(z) underflows: wrong-gradient from |t| = 46.25 (bfloat16), ≤ 51.38 (float32) in margin, K=2",
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_explain_agrees_with_every_sentence(name: str, dtype: str) -> None:
    """Of every formulation and dtype: explain finds the finding and the cause of the sentence at its first case."""
    report = sweep(name, dtypes=dtype, targets=["correct", "wrong"])
    failures = [(r.setting, f) for r in report.settings for f in r.findings if f.kind.severity is Severity.FAIL]
    assert bool(failures) == bool(report.causes)
    if not failures:
        return
    setting, finding = min(failures, key=lambda failure: abs(failure[1].first.value))
    [sentence] = sentences(report)
    explained = cestab.explain(
        name,
        dtype=dtype,
        pattern=setting.pattern,
        classes=setting.classes,
        target=setting.target,
        at=finding.first.value,
    )
    assert finding.kind in explained.outcome.findings
    assert explained.root_cause is not None
    assert [cause for words, cause in VERBS.items() if words in sentence.partition(": ")[0]] == [explained.root_cause.cause]
    assert finding.kind.label in sentence
    assert math.isfinite(finding.first.value)
