"""Severities and verdicts: their order, and what a worse one is."""

import itertools

import pytest

from cestab.vocabulary.kinds import GATES, JUDGED, FindingKind, Severity, Verdict, gated_kinds

WARN, FAIL = Severity


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], Verdict.PASS),
        ([FAIL, WARN, WARN], Verdict.FAIL),
        ([WARN, WARN], Verdict.WARN),
    ],
)
def test_a_verdict_is_the_worst_severity(severities: list[Severity], verdict: Verdict) -> None:
    for order in itertools.permutations(severities):
        assert Verdict.of(order) is verdict


def test_a_judgement_is_worse_than_a_better_one_and_none_is_worse_than_any() -> None:
    for first, second in itertools.product(Verdict, Verdict):
        if first in JUDGED and second in JUDGED:
            assert second.is_worse_than(first) is (JUDGED.index(second) > JUDGED.index(first))
        else:
            assert second.is_worse_than(first) is (first in JUDGED)


def test_what_a_kind_declares_is_what_its_name_says() -> None:
    for kind in FindingKind:
        start, half = kind.label.split("-")
        assert kind.is_loss is (half == "loss")
        assert kind.is_fact is (half in {"logits", "target"})
        is_hard = start in {"nan", "inf", "vanishing", "underflowing", "overflowing"}
        assert kind.is_hard is (is_hard and not kind.is_fact)


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        ((), set()),
        (("nan",), {"nan-loss", "nan-gradient", "nan-logits"}),
        (("inf",), {"inf-loss", "inf-gradient", "overflowing-loss", "overflowing-gradient", "overflowing-logits"}),
        (("vanishing", "zeroed-loss"), {"vanishing-gradient", "underflowing-gradient", "zeroed-loss"}),
        (
            ("fail",),
            {
                *("nan-loss", "nan-gradient", "nan-logits", "inf-loss", "inf-gradient", "overflowing-logits"),
                *("vanishing-gradient", "wrong-loss", "wrong-gradient"),
            },
        ),
    ],
)
def test_words_of_a_gate_name_kinds(words: tuple[str, ...], labels: set[str]) -> None:
    assert {kind.label for kind in gated_kinds(words)} == labels


def test_groups_of_a_gate_go_together() -> None:
    facts = {kind for kind in FindingKind if kind.is_fact}
    assert gated_kinds(["hard"]) == gated_kinds(["nan", "inf", "vanishing"]) - facts
    assert gated_kinds(["warn"]) == set(FindingKind)
    assert gated_kinds(["loss", "gradient"]) == set(FindingKind) - facts
    assert not GATES.keys() & {kind.label for kind in FindingKind}
