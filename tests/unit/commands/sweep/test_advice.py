"""Advice: the best formulation of each dtype, and the commonest failure of every one that fails."""

from dataclasses import replace

import pytest

from builders import build_finding, build_place, build_result, build_setting
from cestab.commands.sweep.advice import explain_failures, recommend
from cestab.formulations import find_formulation
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.settings import LargestError, Place, SettingResult

K = FindingKind


def place(t: float, ulps: float | None = None) -> Place:
    return build_place(t, hexadecimal=t.hex(), ulps=ulps)


def judged(
    name: str,
    kinds: tuple[FindingKind, ...] = (),
    *,
    dtype: str = "float32",
    pattern: str | None = "margin",
    t: float = 8.0,
    ulps: float | None = None,
    verdict: Verdict | None = None,
) -> SettingResult:
    """Return a setting's result with findings of these kinds, the verdict that follows from them."""
    setting = build_setting(name, dtype=dtype, pattern=pattern)
    findings = tuple(build_finding(kind, place(t), cases=3) for kind in kinds)
    largest = LargestError(loss=place(1.0, ulps), gradient=None)
    verdict = verdict or Verdict.of(kind.severity for kind in kinds)
    return build_result(setting, verdict, cases=9, findings=findings, largest_error=largest)


PASSING = judged("log-softmax", ulps=3.0)
WARNING = judged("online", (K.INACCURATE_LOSS,))
FAILING = judged("naive", (K.NAN_LOSS,))


@pytest.mark.parametrize(
    ("results", "chosen"),
    [
        ([FAILING, WARNING, PASSING], "log-softmax"),
        ([PASSING, WARNING, FAILING], "log-softmax"),
        ([FAILING, WARNING], "online"),
        ([FAILING], None),
        ([FAILING, judged("softmax-log", (K.INF_LOSS, K.NAN_GRADIENT))], None),
        ([judged("naive", ulps=9.0), PASSING], "log-softmax"),
        ([judged("naive", ulps=1.0), PASSING], "naive"),
        # one setting that fails outweighs many that pass; fewer warnings are better
        ([PASSING, PASSING, judged("log-softmax", (K.WRONG_LOSS,)), WARNING, WARNING, WARNING], "online"),
        ([WARNING, WARNING, judged("log-softmax", (K.ZEROED_LOSS,)), PASSING], "log-softmax"),
    ],
)
def test_pass_beats_warn_beats_fail_and_nothing_is_better_than_a_failure(
    results: list[SettingResult], chosen: str | None
) -> None:
    [advice] = recommend(results)
    assert (advice.dtype, advice.formulation) == ("float32", chosen)


def test_each_dtype_has_its_own_advice_in_the_order_of_the_results() -> None:
    results = [
        judged("naive", (K.NAN_LOSS,), dtype="float16"),
        judged("naive", dtype="float64"),
        judged("online", (K.ZEROED_LOSS,), dtype="float16"),
        judged("online", (K.ZEROED_LOSS,), dtype="float64"),
    ]
    assert [(advice.dtype, advice.formulation) for advice in recommend(results)] == [
        ("float16", "online"),
        ("float64", "naive"),
    ]


def test_what_was_not_judged_is_not_recommended() -> None:
    unsupported = judged("naive", verdict=Verdict.UNSUPPORTED)
    assert recommend([unsupported, judged("online", verdict=Verdict.UNDEFINED)]) == ()
    [advice] = recommend([unsupported, WARNING])
    assert advice.formulation == "online"


def test_the_reason_tells_how_often_and_how_badly() -> None:
    [passing] = recommend([PASSING, PASSING])
    assert "passes in both settings" in passing.why
    assert "3 ulps" in passing.why
    [warning] = recommend([judged("online"), WARNING, judged("online", (K.ZEROED_GRADIENT, K.OVERFLOWING_LOSS))])
    assert "2 of 3 settings" in warning.why
    assert "inaccurate-loss, overflowing-loss and zeroed-gradient" in warning.why
    [failing] = recommend([FAILING, FAILING, judged("online", (K.INF_LOSS,)), judged("online")])
    assert "online fails least, in 1 of 2 settings" in failing.why
    [row] = recommend([judged("online", pattern=None)])
    assert row.why == "passes in every row"


@pytest.mark.parametrize(
    ("kinds", "extent"),
    [
        ((K.NAN_LOSS,), "3 of 9 rows"),
        ((K.NAN_LOSS, K.INF_LOSS), "6 of 9 rows"),  # a row has one finding of the loss
        ((K.NAN_LOSS, K.INF_LOSS, K.WRONG_LOSS), "every row"),
        ((K.NAN_LOSS, K.NAN_GRADIENT), "at least 3 of 9 rows"),  # they may be of the same rows
        ((K.NAN_LOSS, K.ZEROED_GRADIENT), "3 of 9 rows"),  # a warning is no failure
    ],
)
def test_rows_of_a_file_are_counted(kinds: tuple[FindingKind, ...], extent: str) -> None:
    [failing] = recommend([judged("naive", kinds, pattern=None)])
    assert failing.why == f"naive fails in {extent} and was the only one to be tried"


def test_of_rows_the_fewest_are_the_best() -> None:
    more, fewer = (judged(*own, pattern=None) for own in (("naive", (K.NAN_LOSS, K.INF_LOSS)), ("clipped", (K.NAN_LOSS,))))
    [failing] = recommend([more, fewer])
    assert failing.why == "every audited formulation fails somewhere; clipped fails least, in 3 of 9 rows"
    [(_, why)] = explain_failures([replace(more, findings=(more.findings[0], replace(more.findings[1], cases=5)))])
    assert "inf-loss in 5 rows" in why


def test_what_could_not_be_judged_is_not_said_to_fail() -> None:
    crashed = judged("crashes", verdict=Verdict.ERROR)
    no_gradient = replace(judged("loss-only"), reason="no gradient")
    for unjudged in (crashed, no_gradient):
        [alone] = recommend([FAILING, unjudged])
        assert alone.why == "naive fails in the one setting and was the only one that could be judged"
        [several] = recommend([FAILING, judged("clipped", (K.NAN_LOSS,)), unjudged])
        assert several.why.startswith("every formulation that could be judged fails somewhere; naive fails least")
    [advice] = recommend([no_gradient])
    assert advice.why == "the gradient of loss-only could not be judged in the one setting"
    [row] = recommend([replace(judged("loss-only", pattern=None), reason="no gradient")])
    assert row.why == "the gradient of loss-only could not be judged in any row"


def test_a_loss_that_fails_without_a_gradient_is_said_to_fail_first() -> None:
    fails = replace(judged("loss-only", (K.NAN_LOSS,)), reason="no gradient")
    passes = replace(judged("loss-only"), reason="no gradient")
    crashed = judged("loss-only", verdict=Verdict.ERROR)
    for results, why in (
        ([fails], "loss-only fails in the one setting, and its gradient could not be judged"),
        ([fails, fails], "loss-only fails in both settings, and its gradient could not be judged"),
        ([fails, passes], "loss-only fails in 1 of 2 settings, and its gradient could not be judged"),
        (
            [passes, replace(fails, reason=None)],
            "loss-only fails in 1 of 2 settings, and its gradient could not be judged in 1 of 2 settings",
        ),
        (
            [replace(fails, reason=None), crashed],
            "loss-only fails in 1 of 2 settings, and could not be judged in 1 of 2 settings",
        ),
    ):
        [advice] = recommend(results)
        assert (advice.formulation, advice.why) == (None, why)
    row = replace(judged("loss-only", (K.NAN_LOSS,), pattern=None), reason="no gradient")
    [recorded] = recommend([row])
    assert recorded.why == "loss-only fails in 3 of 9 rows, and its gradient could not be judged"


def test_of_several_that_were_not_judged_it_is_said_how_many() -> None:
    unjudged = [replace(judged(name), reason="no gradient") for name in ("one", "two", "three")]
    crashed = judged("four", verdict=Verdict.ERROR)
    [advice] = recommend([*unjudged, crashed])
    assert advice.why == (
        "no audited formulation was judged wholly; "
        "the gradient of one could not be judged in the one setting, nor that of 2 more"
    )
    [mixed] = recommend([crashed, *unjudged])
    assert mixed.why == "no audited formulation was judged wholly; four could not be judged in the one setting"
    failing = [replace(judged(name, (K.NAN_LOSS,)), reason="no gradient") for name in ("one", "two")]
    [fails] = recommend(failing)
    assert fails.why == (
        "no audited formulation was judged wholly; "
        "one fails in the one setting, and its gradient could not be judged, nor that of 1 more"
    )


def test_only_failures_are_explained() -> None:
    assert explain_failures([PASSING, WARNING, judged("naive", (K.OVERFLOWING_LOSS, K.OVERFLOWING_GRADIENT))]) == ()
    assert [name for name, _ in explain_failures([FAILING, PASSING, judged("clipped", (K.WRONG_LOSS,))])] == [
        "naive",
        "clipped",
    ]


def test_the_commonest_failure_is_the_one_of_most_dtypes_then_of_most_settings() -> None:
    results = [
        judged("naive", (K.NAN_LOSS,)),
        judged("naive", (K.NAN_LOSS,)),
        judged("naive", (K.NAN_LOSS,)),
        judged("naive", (K.INF_LOSS,)),
        judged("naive", (K.INF_LOSS,), dtype="float16"),
    ]
    [(_, sentence)] = explain_failures(results)
    assert sentence.startswith(find_formulation("naive").causes[K.INF_LOSS])
    assert "inf-loss from" in sentence
    [(_, same_dtypes)] = explain_failures([*results, judged("naive", (K.NAN_LOSS,), dtype="float16")])
    assert "nan-loss from" in same_dtypes


def test_an_explanation_tells_where_it_begins_in_each_dtype() -> None:
    results = [
        judged("naive", (K.NAN_LOSS,), dtype="float16", t=-11.09375),
        judged("naive", (K.NAN_LOSS,), dtype="float32", t=-88.72284),
        judged("naive", (K.NAN_LOSS,), dtype="float32", t=90.0),
        judged("naive", (K.NAN_LOSS,), dtype="bfloat16", t=-88.72284),
        judged("naive", (K.NAN_LOSS,), dtype="float64", t=5.0, pattern="offset"),
    ]
    [(_, sentence)] = explain_failures(results)
    assert sentence.endswith("from |t| = 11.09 (float16), 88.72 (float32, bfloat16) in margin, 2 classes")


def test_recorded_rows_are_counted_and_a_kind_without_a_cause_explains_itself() -> None:
    [(_, sentence)] = explain_failures([judged("compensated", (K.WRONG_LOSS,), pattern=None)])
    assert K.WRONG_LOSS not in find_formulation("compensated").causes
    assert sentence == f"{K.WRONG_LOSS.summary}: wrong-loss in 3 rows (float32)"
