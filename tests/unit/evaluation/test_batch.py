"""Batches and options: how formulations are grouped, what a batch computes and is judged by, defects of a reduction."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from builders import build_conditions
from cestab.commands.case_options import CaseOptions
from cestab.commands.compare.run import make_pair, run_comparison
from cestab.commands.explain.case import run_explain
from cestab.commands.explain.request import make_explain_request
from cestab.commands.resolve import make_arithmetics
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.run import run_sweep
from cestab.errors import UsageError
from cestab.evaluation.blocks import Block, Conditions
from cestab.evaluation.evaluate import evaluate_block, make_cases
from cestab.evaluation.plan import group_by_options, plan_arithmetics, plan_sweep
from cestab.formulations import FORMULATIONS, Formulation, find_formulation
from cestab.judgement.summary import Summary
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import FloatArray, round_quotient, round_to_format, to_ordinal
from cestab.numerics.target import IndexTarget, Target
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import SweepRequest

K = FindingKind
SOFTMAX = SOFTMAX_CROSS_ENTROPY
Change = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, kw_only=True)
class Planted(Formulation):
    """`compensated` for an objective with options, changed at its end as a wrong reduction would change it."""

    given: LossOptions = LossOptions()  # noqa: RUF009  # frozen
    change: Change = field(default=lambda loss, gradient: (loss, gradient))

    @property
    def options(self) -> LossOptions:
        return self.given

    def evaluate(
        self, logits: FloatArray, target: Target, arithmetic: Arithmetic, upstream: float
    ) -> tuple[FloatArray, FloatArray]:
        loss, gradient = super().evaluate(logits, target, arithmetic, upstream)
        assert isinstance(target, IndexTarget)
        is_kept = target.index != self.given.ignore_index
        loss, gradient = self.change(np.where(is_kept, loss, 0), np.where(is_kept, gradient, 0))
        return loss.astype(logits.dtype), gradient.astype(logits.dtype)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[LossOptions, Change], str]:
    """Return a function that registers a planted formulation for one test."""

    def register(options: LossOptions, change: Change) -> str:
        sound = FORMULATIONS["compensated"]
        planted = Planted(name="planted", objective=SOFTMAX, recipe=sound.recipe, source="a test", given=options, change=change)
        monkeypatch.setitem(FORMULATIONS, "planted", planted)
        return "planted"

    return register


def conditions_of(name: str, batch: int, reduction: Reduction, dtype: str = "float32") -> Conditions:
    formulation = find_formulation(name)
    options = replace(formulation.options, batch=batch, reduction=reduction)
    plan = plan_arithmetics(make_arithmetics({"dtypes": dtype}), formulation.objective, options)
    return replace(next(plan), pattern="margin", classes=3, target="wrong")


def findings_of(name: str, batch: int, reduction: Reduction) -> set[FindingKind]:
    conditions = conditions_of(name, batch, reduction)
    ordinals = np.unique(to_ordinal(round_to_format(np.linspace(0.25, 4.0, 33), conditions.fmt), conditions.fmt))
    summary = evaluate_block(Block(conditions=conditions, formulations=(name,), ordinals=ordinals))[name]
    assert isinstance(summary, Summary)
    return set(summary.tallies)


IGNORED = LossOptions(ignore_index=0)  # never the wrong class of a positive margin


@pytest.mark.parametrize("reduction", Reduction)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_sound_batch_has_no_findings(reduction: Reduction, batch: int, plant: Callable[[LossOptions, Change], str]) -> None:
    name = plant(IGNORED, lambda loss, gradient: (loss, gradient))
    assert findings_of(name, batch, reduction) == set()


@pytest.mark.parametrize(
    ("reduction", "change", "expected"),
    [
        # the mean over all five rows instead of the three that are kept
        (Reduction.MEAN, lambda loss, gradient: (loss * 3 / 5, gradient * 3 / 5), {K.WRONG_LOSS, K.WRONG_GRADIENT}),
        # the sum of all five rows
        (Reduction.SUM, lambda loss, gradient: (loss * 5 / 3, gradient), {K.WRONG_LOSS}),
        # the gradient of a mean beside the loss of a sum
        (Reduction.SUM, lambda loss, gradient: (loss, gradient / 3), {K.WRONG_GRADIENT}),
    ],
)
def test_a_wrong_reduction_is_found(
    reduction: Reduction, change: Change, expected: set[FindingKind], plant: Callable[[LossOptions, Change], str]
) -> None:
    assert findings_of(plant(IGNORED, change), 5, reduction) == expected


@pytest.mark.parametrize(
    ("options", "change"),
    [
        (LossOptions(label_smoothing=0.3), lambda loss, gradient: (loss, gradient)),  # no smoothing at all
        (LossOptions(class_weights=(3.0, 3.0, 3.0)), lambda loss, gradient: (loss, gradient)),  # no weights
        (LossOptions(class_weights=(3.0, 3.0, 3.0)), lambda loss, gradient: (loss * 3, gradient)),  # on the loss alone
    ],
)
def test_an_option_that_is_not_computed_is_found(
    options: LossOptions, change: Change, plant: Callable[[LossOptions, Change], str]
) -> None:
    assert K.WRONG_GRADIENT in findings_of(plant(options, change), 1, Reduction.MEAN)


def test_equal_class_weights_are_a_factor_and_cancel_in_a_mean(plant: Callable[[LossOptions, Change], str]) -> None:
    name = plant(LossOptions(class_weights=(3.0,)), lambda loss, gradient: (loss * 3, gradient * 3))
    assert findings_of(name, 1, Reduction.MEAN) == findings_of(name, 4, Reduction.SUM) == set()
    name = plant(LossOptions(class_weights=(3.0,)), lambda loss, gradient: (loss, gradient))
    assert findings_of(name, 4, Reduction.MEAN) == set()


def test_a_mean_of_no_rows_is_no_case(plant: Callable[[LossOptions, Change], str]) -> None:
    """Of two classes the wrong one is 1 for t > 0, 0 for t < 0."""
    name = plant(LossOptions(ignore_index=1), lambda loss, gradient: (loss, gradient))
    ordinals = to_ordinal(np.array([-2.0, 2.0]), FORMATS["float32"])
    kept = {}
    for batch, reduction in ((1, Reduction.MEAN), (2, Reduction.MEAN), (2, Reduction.SUM)):
        conditions = replace(conditions_of(name, batch, reduction), classes=2)
        kept[batch, reduction] = make_cases(conditions, ordinals).logits[0].tolist()
    assert list(kept.values()) == [[-2.0, 2.0], [-2.0], [-2.0, 2.0]]


def request_of(*names: str, batch: int = 1, reduction: str = "mean", dtype: str = "float16") -> SweepRequest:
    case = CaseOptions(logits="-8:8:33", patterns="margin", classes=2, targets="wrong")
    return make_sweep_request(names, dtypes=dtype, batch=batch, reduction=reduction, **case)


def test_formulations_of_equal_options_share_a_group_in_a_sweep_ordered_by_formulation() -> None:
    names = ("focal-naive:gamma=1", "focal-naive", "focal-log-softmax:gamma=1")
    assert list(group_by_options(names).values()) == [(names[0], names[2]), (names[1],)]
    request = request_of(*names, batch=2)
    assert [plan.formulations for plan in plan_sweep(request)] == [(names[0], names[2]), (names[1],)]
    settings = [result.setting for result in run_sweep(request).settings]
    assert [setting.formulation for setting in settings] == list(names)
    assert [setting.options.gamma for setting in settings] == [1.0, 2.0, 1.0]
    assert {setting.options.batch for setting in settings} == {2}


def test_different_truths_are_not_compared() -> None:
    request = make_sweep_request(make_pair("focal-naive", ["focal-log-softmax:gamma=1"]), dtypes="float16")
    with pytest.raises(UsageError, match=r"focal-naive and focal-log-softmax:gamma=1 have different options"):
        run_comparison(request, fails_on_worse=False)
    explained = make_explain_request("focal-naive", dtype="float16", at=1.0, against="focal-log-softmax:gamma=1")
    with pytest.raises(UsageError, match="different options"):
        run_explain(explained)


def test_the_formulation_beside_has_the_same_options() -> None:
    request = make_explain_request("focal-naive:gamma=3", dtype="float16", logits=[100.0, 0.0], target="1")
    explanation = run_explain(request)
    assert explanation.against is not None
    assert explanation.against.formulation == "focal-log-softmax:gamma=3.0"
    assert explanation.against.findings == ()


def test_a_sum_overflows_where_no_row_does() -> None:
    """40000 rows with a loss of log 2 and more are beyond float16 from 1.64 on, by algebra 65520/40000."""
    report = run_sweep(request_of("compensated", batch=40000, reduction="sum"))
    (overflowing,) = (f for f in report.settings[0].findings if f.kind is K.OVERFLOWING_LOSS)
    assert 1.4 < overflowing.first.value < 1.65
    assert report.settings[0].verdict is Verdict.WARN


def test_a_sequential_sum_of_rows_stagnates_and_explain_says_so() -> None:
    request = make_explain_request("compensated", dtype="bfloat16", summation="sequential", at=1.0, batch=1024)
    explanation = run_explain(request)
    assert explanation.root_cause is not None
    assert explanation.root_cause.finding is K.WRONG_LOSS
    assert explanation.root_cause.is_sole
    assert "mean of 1024 rows" in explanation.root_cause.operation
    assert "rows are lost in partial sums" in explanation.root_cause.sentence


def test_the_upstream_factor_is_the_loss_scale_by_the_rows_that_count() -> None:
    assert conditions_of("naive", 3, Reduction.MEAN, "bfloat16").upstream == round_quotient(1.0, 3, FORMATS["bfloat16"])
    assert conditions_of("naive", 3, Reduction.SUM).upstream == 1.0


def test_where_the_compute_format_loses_the_upstream_factor_the_truth_keeps_it() -> None:
    many = conditions_of("naive", 2**24, Reduction.MEAN, "float8_e4m3fn")
    assert (many.upstream, many.true_upstream) == (0.0, 2.0**-24)
    narrow = build_conditions(FORMATS["float16"], loss_scale=65536.0)
    assert (narrow.upstream, narrow.true_upstream) == (math.inf, 65536.0)
    wide = replace(narrow, compute=FORMATS["float32"])
    assert (wide.upstream, wide.true_upstream) == (65536.0, 65536.0)


@pytest.mark.parametrize(
    ("batch", "reduction", "sentence"),
    [
        (0, "mean", "a batch of 0 rows is not one of 1 to 16777216"),
        (2**25, "mean", "a batch of 33554432 rows is not one of 1 to 16777216"),
        (2, "means", "unknown reduction 'means'; did you mean mean? (known: mean, sum)"),
    ],
)
def test_mistakes_are_one_sentence(batch: int, reduction: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_of("naive", batch=batch, reduction=reduction)
    assert str(caught.value) == sentence


def test_an_index_to_ignore_needs_an_index(plant: Callable[[LossOptions, Change], str]) -> None:
    name = plant(IGNORED, lambda loss, gradient: (loss, gradient))
    request = make_sweep_request(name, dtypes="float16", targets="smooth:0.1")
    with pytest.raises(UsageError, match="ignore_index=0 goes with index targets only"):
        plan_sweep(request)
