"""Better and worse: each rule with a pair that must be told and a near miss that must not."""

from dataclasses import replace

import pytest

from builders import build_finding, build_place, build_result, build_setting
from cestab.commands.compare.answer import BoundaryPair, Relation, SettingComparison
from cestab.commands.compare.trade import describe_trade, find_harms
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.settings import Finding, SettingResult

K, V = FindingKind, Verdict


def found(kind: FindingKind, t: float) -> Finding:
    place = build_place(t, hexadecimal=t.hex())
    return build_finding(kind, place, cases=3)


def result(name: str, verdict: Verdict, *findings: Finding, pattern: str = "margin") -> SettingResult:
    setting = build_setting(name, pattern=pattern)
    return build_result(setting, verdict, cases=9, findings=findings)


def compared(reference: SettingResult, other: SettingResult) -> SettingComparison:
    kinds = [{f.kind: f for f in r.findings} for r in (reference, other)]
    shared = [kind for kind in K if kind.is_hard and kind in kinds[0] and kind in kinds[1]]
    return SettingComparison(
        reference=reference,
        other=other,
        loss=None,
        gradient=None,
        only_reference=tuple(f for f in reference.findings if f.kind not in kinds[1]),
        only_other=tuple(f for f in other.findings if f.kind not in kinds[0]),
        boundaries=tuple(
            BoundaryPair(kind=kind, reference=kinds[0][kind].first, other=kinds[1][kind].first) for kind in shared
        ),
        worse=tuple(find_harms(reference, other)),
        better=tuple(find_harms(other, reference)),
    )


@pytest.mark.parametrize(
    ("reference", "other", "harms"),
    [
        ((V.PASS,), (V.PASS,), []),
        ((V.PASS,), (V.WARN, found(K.ZEROED_LOSS, 16.0)), ["warn instead of pass", "zeroed-loss from |t| = 16.0"]),
        ((V.WARN, found(K.ZEROED_LOSS, 16.0)), (V.WARN, found(K.ZEROED_LOSS, 8.0)), []),  # graded: it has no boundary
        ((V.FAIL, found(K.NAN_LOSS, 16.0)), (V.FAIL, found(K.NAN_LOSS, 16.0)), []),
        ((V.FAIL, found(K.NAN_LOSS, 16.0)), (V.FAIL, found(K.NAN_LOSS, 32.0)), []),
        ((V.FAIL, found(K.NAN_LOSS, 16.0)), (V.FAIL, found(K.NAN_LOSS, -8.0)), ["nan-loss from |t| = 8.0 instead of 16.0"]),
        ((V.FAIL, found(K.NAN_LOSS, 16.0)), (V.WARN, found(K.ZEROED_LOSS, 32.0)), ["zeroed-loss from |t| = 32.0"]),
        ((V.PASS,), (V.UNDEFINED,), ["undefined instead of pass"]),
        ((V.UNSUPPORTED,), (V.UNSUPPORTED,), []),
        ((V.UNSUPPORTED,), (V.FAIL, found(K.NAN_LOSS, 4.0)), []),  # nothing is known of the reference
    ],
)
def test_what_is_worse(reference: tuple[Verdict, Finding], other: tuple[Verdict, Finding], harms: list[str]) -> None:
    assert list(find_harms(result("a", *reference), result("b", *other))) == harms


NAN = (V.FAIL, found(K.NAN_GRADIENT, 88.72284))
WRONG = (V.FAIL, found(K.WRONG_LOSS, 4.194304e6))


@pytest.mark.parametrize(
    ("pairs", "relation"),
    [
        ([(NAN, (V.PASS,))], Relation.DOMINATES),
        ([((V.PASS,), NAN)], Relation.DOMINATED),
        ([(NAN, (V.PASS,)), ((V.PASS,), WRONG)], Relation.TRADES),
        ([(NAN, WRONG)], Relation.TRADES),
        ([(NAN, NAN), ((V.PASS,), (V.PASS,))], Relation.MATCHES),
        ([(NAN, NAN), (NAN, (V.PASS,))], Relation.DOMINATES),
    ],
)
def test_relations(pairs: list[tuple[tuple[Verdict, Finding], tuple[Verdict, Finding]]], relation: Relation) -> None:
    trade = describe_trade([compared(result("a", *first), result("b", *second)) for first, second in pairs])
    assert (trade.dtype, trade.other, trade.relation) == ("float32", "b", relation)
    assert trade.sentence.startswith(f"float32: b {relation} a, ")


def test_the_sentence_names_the_trade() -> None:
    settings = [
        compared(result("naive", *NAN), result("lse", V.PASS)),
        compared(result("naive", V.PASS), result("lse", *WRONG, pattern="offset")),
    ]
    assert describe_trade(settings).sentence == (
        "float32: lse trades with naive, better in 1 and worse in 1 of 2 settings: "
        "it removes nan-gradient in 1 setting (from |t| ≥ 88.72, margin, 2 classes); "
        "adds wrong-loss in 1 setting (from |t| ≥ 4.194e+06, offset, 2 classes)"
    )


def test_settings_that_could_not_be_compared_are_counted_and_take_no_part() -> None:
    broken = replace(result("lse", V.ERROR, pattern="offset"), reason="it raised E")
    settings = [
        compared(result("naive", *NAN), result("lse", V.PASS)),
        replace(compared(result("naive", *NAN), broken), only_reference=(), boundaries=()),
    ]
    assert describe_trade(settings).relation is Relation.TRADES
    assert describe_trade(settings).sentence == (
        "float32: lse trades with naive, better in 1 and worse in 1 of 2 settings: "
        "it removes nan-gradient in 1 setting (from |t| ≥ 88.72, margin, 2 classes); "
        "1 setting could not be compared: it raised E"
    )
    alone = describe_trade(settings[1:])
    assert (alone.relation, alone.sentence) == (None, "float32: lse could not be compared with naive: it raised E")


def test_a_moved_boundary_is_named() -> None:
    later = result("lse", V.FAIL, found(K.NAN_GRADIENT, 709.5))
    sentence = describe_trade([compared(result("naive", *NAN), later)]).sentence
    assert sentence.endswith("it has nan-gradient from |t| ≥ 709.5 instead of 88.72")


def test_the_severest_kinds_come_first_and_the_rest_is_counted() -> None:
    kinds = (K.ZEROED_LOSS, K.INACCURATE_LOSS, K.INF_LOSS, K.NAN_GRADIENT)
    worse = result("b", V.FAIL, *(found(kind, 2.0) for kind in kinds))
    sentence = describe_trade([compared(result("a", V.PASS), worse)]).sentence
    assert sentence.index("nan-gradient in") < sentence.index("inf-loss in") < sentence.index("and 2 kinds more")
    assert "zeroed-loss" not in sentence
