"""Explanations: names, exact decimals, the classes that are shown, the formulation beside."""

import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
from flint import arb, ctx

from cestab.commands.explain.answer import Cause, Explanation
from cestab.commands.explain.case import run_explain
from cestab.commands.explain.numbers import show_exact
from cestab.commands.explain.request import make_explain_request
from cestab.commands.explain.run import MOST_SHOWN
from cestab.numerics.exact_numbers import Exact
from cestab.vocabulary.kinds import FindingKind


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with ctx.workprec(600):
        yield


def explain(name: str, dtype: str = "float32", against: str | None = None, **case: Any) -> Explanation:
    return run_explain(make_explain_request(name, dtype=dtype, against=against, **case))


@pytest.mark.parametrize(
    ("x", "computed", "text"),
    [
        (lambda: Exact(0.0), 0.0, "0"),
        (lambda: Exact(math.inf), 1.0, "inf"),
        (lambda: Exact(math.nan), 1.0, "?"),  # a NaN that nothing made
        (lambda: Exact(0.0) / 0.0, 1.0, "nan"),
        (lambda: Exact(arb(0, 1e-300)), 1.0, "?"),
        (lambda: Exact(300.0), 300.0, "300"),
        (lambda: Exact(2.0).log(), 0.0, "0.6931471806"),  # log 2 = 0.69314718055994…
        (lambda: Exact(-100.0).exp(), 0.0, "3.720075976e-44"),  # e^-100 = 3.72007597602…e-44
        (lambda: -Exact(100.0).exp(), 0.0, "-2.688117142e+43"),  # e^100 = 2.68811714181…e43
        (lambda: Exact(1.0) + 2.0**-60, 1.0, "computed + 8.7e-19"),  # 2^-60 = 8.67e-19
        (lambda: Exact(1.0) + 2.0**-30, 1.0, "1.00000000093"),  # 2^-30 = 9.31e-10: as many digits as show it
        (lambda: Exact(1.0) + 2.0**-500, 1.0, "computed + 3.1e-151"),  # 2^-500 = 3.05e-151
        (lambda: Exact(1e6).exp(), 0.0, "10^434294"),  # 10^6/log 10 = 434,294.48
        (lambda: -(Exact(-1e6).exp()), 0.0, "-10^-434295"),
    ],
)
def test_exact_numbers_are_decimals_that_tell_them_from_the_computed_ones(
    x: Callable[[], Exact], computed: float, text: str
) -> None:
    assert show_exact(x(), computed) == text


def test_powers_beyond_any_float_are_still_told() -> None:
    assert show_exact(Exact(-1.7e308).exp(), 0.0) == "10^-7.38301e+307"  # 1.7e308/log 10 = 7.383e307


def test_operations_are_named_in_order_and_refer_to_earlier_ones() -> None:
    operations = explain("naive", logits=[1.0, 0.0], target="1").operations
    assert [o.name for o in operations if not o.is_backward] == ["v1", "v2", "v3", "v4", "v5", "v6"]
    assert [o.name for o in operations if o.is_backward] == [f"g{n}" for n in range(1, 11)]
    assert [o.expression for o in operations[:6]] == ["exp(z)", "Σ v1", "v1 / v2", "log(v3)", "v4[target]", "−v5"]


def test_all_operations_of_a_loss_are_there_where_its_backward_is_its_own() -> None:
    explanation = explain("sigmoid-clamped-log", logits=[3.0], target="1")
    assert [o.expression for o in explanation.operations if "log" in o.expression] == ["log(v1)", "log1p(v6)"]
    forward = [o for o in explanation.operations if not o.is_backward]
    assert forward[-1].entries[0].computed == explanation.outcome.loss


def test_every_value_is_as_far_from_the_exact_one_as_is_said() -> None:
    for operation in explain("log-softmax", logits=[3.0, 1.0, 0.5], target="0").operations:
        for entry in operation.entries:
            assert entry.ulps is not None
            exact, computed = Fraction(entry.exact), Fraction(entry.computed.value)
            scale = max(abs(exact), Fraction(2) ** -126)
            assert abs(computed - exact) <= Fraction(max(entry.ulps, 1.0)) * scale * Fraction(2) ** -22
            assert float.fromhex(entry.computed.hexadecimal) == entry.computed.value


def test_few_classes_are_all_shown() -> None:
    assert explain("naive", at=1.0, classes=MOST_SHOWN).shown == tuple(range(MOST_SHOWN))


def test_of_many_classes_the_target_the_maximum_and_the_worst_are_shown() -> None:
    """spread is −t to t: the maximum is the last class, the wrong target the first, exp overflows at the last ones."""
    explanation = explain("naive", pattern="spread", classes=300, at=100.0, target="wrong")
    assert len(explanation.shown) == MOST_SHOWN
    assert {0, 299} <= set(explanation.shown)
    assert explanation.target == 0
    assert len(explanation.outcome.gradient) == len(explanation.true_gradient) == MOST_SHOWN
    for operation in explanation.operations:
        assert [entry.index for entry in operation.entries] in ([None], list(explanation.shown))
    assert explanation.root_cause is not None
    assert explanation.root_cause.cause is Cause.OVERFLOW


def test_the_entry_of_the_sentence_is_the_one_that_is_most_off() -> None:
    root = explain("log-eps", logits=[30.0, 0.0], target="1").root_cause
    assert root is not None
    assert "9.357622969e-14 for class 1: eps takes the place of 9.357623e-14" in root.sentence


def test_nothing_is_beside_a_case_without_findings_unless_it_is_named() -> None:
    fine = explain("naive", logits=[1.0, 0.0], target="1")
    assert (fine.outcome.findings, fine.root_cause, fine.against) == ((), None, None)
    named = explain("naive", logits=[1.0, 0.0], target="1", against="online:chunk=1").against
    assert named is not None
    assert named.formulation == "online:chunk=1"


def test_the_best_of_the_family_is_beside_a_finding() -> None:
    explanation = explain("naive", logits=[100.0, 0.0], target="1")
    assert explanation.outcome.findings == (FindingKind.INF_LOSS, FindingKind.NAN_GRADIENT)
    assert explanation.against is not None
    assert explanation.against.formulation == "compensated"
    assert explanation.against.findings == ()


def test_truth_is_proven_whatever_the_formulation_does() -> None:
    explanation = explain("clipped", logits=[20.0, 0.0], target="1")
    # log(1 + e^20) = 20.00000000206…, and p of the other class is 1/(1 + e^-20) = 0.99999999793…
    assert explanation.true_loss == "20"
    assert explanation.true_gradient == ("0.9999999979", "-0.9999999979")
    masked = explain("log-sum-exp", logits=[-math.inf, 1.0], target="0")
    assert (masked.true_loss, masked.true_gradient) == ("inf", ("-1", "1"))


def test_threads_do_not_share_a_precision() -> None:
    """Each of the cases needs another one: the truth of the first has digits that the second's precision does not give."""
    cases: list[dict[str, Any]] = [{"logits": [x, 0.0, -x], "target": "0"} for x in (1.0, 30.0, 700.0, 40.0)]

    def show(case: dict[str, Any]) -> str:
        return repr(explain("unshifted-lse", "float64", **case))

    alone = [show(case) for case in cases]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(show, cases * 10)) == alone * 10
    finally:
        sys.setswitchinterval(interval)


def test_long_chains_of_operations_are_followed() -> None:
    """Every chunk adds ten operations to the chain from the logits to the loss, many more than Python's stack holds."""
    explanation = explain("online:chunk=1", "bfloat16", pattern="equal", classes=300, at=1.0)
    assert len(explanation.operations) > 2000
    assert explanation.root_cause is not None
