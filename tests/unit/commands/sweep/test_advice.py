"""Advice: the best formulation of each dtype, and the commonest failure of every one that fails."""

from dataclasses import replace

import pytest

from builders import build_finding, build_place, build_result, build_setting
from cestab.commands.sweep.advice import lacking_dtypes, recommend
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
FAILING = judged("log-sum-exp", (K.NAN_LOSS,))


@pytest.mark.parametrize(
    ("results", "chosen"),
    [
        ([FAILING, WARNING, PASSING], "log-softmax"),
        ([PASSING, WARNING, FAILING], "log-softmax"),
        ([FAILING, WARNING], "online"),
        ([FAILING], None),
        ([FAILING, judged("online", (K.INF_LOSS, K.NAN_GRADIENT))], None),
        ([judged("online", ulps=9.0), PASSING], "log-softmax"),
        ([judged("online", ulps=1.0), judged("log-softmax", ulps=9.0)], "online"),
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
        judged("compensated", (K.NAN_LOSS,), dtype="float16"),
        judged("compensated", dtype="float64"),
        judged("online", (K.ZEROED_LOSS,), dtype="float16"),
        judged("online", (K.ZEROED_LOSS,), dtype="float64"),
    ]
    assert [(advice.dtype, advice.formulation) for advice in recommend(results)] == [
        ("float16", "online"),
        ("float64", "compensated"),
    ]


def test_what_was_not_judged_is_not_recommended() -> None:
    unsupported = judged("naive", verdict=Verdict.UNSUPPORTED)
    assert recommend([unsupported, judged("online", verdict=Verdict.UNDEFINED)]) == ()
    [advice] = recommend([unsupported, WARNING])
    assert advice.formulation == "online"


def test_the_reason_tells_how_often_and_how_badly() -> None:
    [passing] = recommend([PASSING, PASSING])
    assert "passes in both settings" in passing.why
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
    [failing] = recommend([judged("online", kinds, pattern=None)])
    assert failing.why == f"online fails in {extent} and was the only one to be tried"


def test_of_rows_the_fewest_are_the_best() -> None:
    more, fewer = (judged(*own, pattern=None) for own in (("log-sum-exp", (K.NAN_LOSS, K.INF_LOSS)), ("online", (K.NAN_LOSS,))))
    [failing] = recommend([more, fewer])
    assert failing.why == "every audited formulation fails somewhere; online fails least, in 3 of 9 rows"


def test_what_could_not_be_judged_is_not_said_to_fail() -> None:
    crashed = judged("crashes", verdict=Verdict.ERROR)
    no_gradient = replace(judged("loss-only"), reason="no gradient")
    for unjudged in (crashed, no_gradient):
        [alone] = recommend([FAILING, unjudged])
        assert alone.why == "log-sum-exp fails in the one setting and was the only one that could be judged"
        [several] = recommend([FAILING, judged("online", (K.NAN_LOSS,)), unjudged])
        assert several.why.startswith("every formulation that could be judged fails somewhere; log-sum-exp fails least")
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


def test_what_exists_for_contrast_is_never_recommended() -> None:
    [advice] = recommend([judged("naive"), judged("softmax-log")])
    assert (advice.formulation, advice.why) == (None, "naive and softmax-log exist for contrast")
    [advice] = recommend([judged("naive"), judged("online", (K.ZEROED_LOSS,))])
    assert advice.formulation == "online"


def test_of_equals_the_one_that_a_library_has_is_chosen() -> None:
    [advice] = recommend([judged("compensated", ulps=1.0), judged("log-softmax", ulps=8.0)])
    assert advice.formulation == "log-softmax"
    assert advice.why.startswith("which is torch.nn.functional.cross_entropy, passes in")
    [advice] = recommend([judged("compensated", ulps=1.0), judged("log-softmax", ulps=8.1)])
    assert advice.formulation == "compensated"


def test_what_was_tried_along_is_marked_and_stands_beside_what_was_asked_for() -> None:
    assert lacking_dtypes([FAILING, judged("online", dtype="float64")]) == ["float32"]
    assert lacking_dtypes([WARNING]) == []
    assert lacking_dtypes([judged("online", (K.NAN_LOSS,)), PASSING]) == []
    [advice] = recommend([FAILING], [judged("compensated")])
    assert (advice.formulation, advice.why) == ("compensated", "passes in the one setting (not asked for: tried along)")
    [advice] = recommend([judged("own", (K.NAN_LOSS,))], [judged("online", (K.INF_LOSS,))])
    assert advice.formulation is None
