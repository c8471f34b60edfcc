"""Curves: every case is in one bin, the worst of a bin is what NumPy finds, and the order of blocks does not matter."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cestab
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.restore import load_report
from cestab.evaluation.evaluate import evaluate_block
from cestab.evaluation.plan import plan_sweep
from cestab.judgement.curve import Worst, merge_curves
from cestab.judgement.summary import Summary
from cestab.vocabulary.curves import BINS, DECADES
from cestab.vocabulary.settings import SettingResult


def sweep(name: str, dtype: str = "bfloat16", logits: str = "-1000:1000") -> SettingResult:
    (result,) = cestab.sweep(
        name, dtypes=dtype, patterns="margin", classes=2, targets="wrong", logits=logits, curves=True
    ).settings
    return result


@pytest.mark.parametrize("name", ["naive", "clipped", "log-sum-exp", "compensated"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_worst_of_all_bins_is_the_largest_error(name: str, dtype: str) -> None:
    result = sweep(name, dtype)
    losses, gradients = (
        [e for point in result.curve if (e := getattr(point, part)) is not None]
        for part in ("loss_relative", "gradient_relative")
    )
    assert max(losses) == pytest.approx(result.largest_error.loss_relative, rel=5e-4)
    assert max(gradients) == pytest.approx(result.largest_error.gradient_relative, rel=5e-4)


def test_bins_have_equal_ratio_and_ascend() -> None:
    result = sweep("compensated")
    places = [point.place.value for point in result.curve]
    assert places == sorted(places)
    assert len(places) == 2 * BINS
    steps = [(math.log10(t / 1000) / DECADES + 1) * BINS for t in places if t > 0]
    assert [max(0, math.floor(step + 1e-9)) for step in steps] == [*range(BINS - 1), BINS - 1]


def test_the_gradient_that_a_clip_stops_is_wholly_lost() -> None:
    """From −ln 1e-7 = 16.118 on the gradient is 0 and the loss that of p = 1e-7."""
    for point in sweep("clipped", "float32").curve:
        t = point.place.value
        if t > 16.2:
            assert point.gradient_relative == 1.0
            end = t * 10 ** (DECADES / BINS)  # the largest error of the loss is at the end of the bin, the gradient's anywhere
            low, high = ((edge - math.log(1e7)) / edge for edge in (t, end))
            assert point.loss_relative is not None
            assert low * 0.999 < point.loss_relative < high * 1.001
        elif 0 < t < 12:
            assert point.gradient_relative is not None
            assert point.gradient_relative < 1e-5


def test_blocks_in_any_order_make_the_same_curve() -> None:
    request = make_sweep_request(
        "naive", dtypes="float16", patterns="margin", classes=2, targets="wrong", logits="-100:100", curves=True
    )
    (plan,) = plan_sweep(request)
    (block,) = plan.blocks()
    whole = evaluate_block(block)["naive"]
    parts = [evaluate_block(replace(block, ordinals=part))["naive"] for part in np.array_split(block.ordinals, 7)]
    assert isinstance(whole, Summary)
    assert whole.curve
    for order in (parts, parts[::-1], [*parts[3:], *parts[:3]]):
        merged = Summary()
        for part in order:
            assert isinstance(part, Summary)
            merged = merged.merge(part)
        assert str(dict(sorted(merged.curve.items()))) == str(dict(sorted(whole.curve.items())))


def test_of_equal_errors_the_place_nearest_to_0_is_kept() -> None:
    near, far, none = Worst(0.5, math.nan, -3), Worst(math.nan, 0.5, 7), Worst(math.nan, math.nan, 1)
    for first, second in ((near, far), (far, near)):
        assert merge_curves({0: first}, {0: second}) == {0: Worst(0.5, 0.5, -3)}
    assert none.merge(near).position == near.merge(none).position == -3


def test_without_being_asked_for_there_are_none() -> None:
    report = cestab.sweep("naive", dtypes="float16", classes=2, patterns="margin", targets="wrong")
    assert report.settings[0].curve == ()
    assert "curve" not in json.loads(report.to_json())["settings"][0]


def test_a_report_with_curves_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = cestab.sweep(["naive", "compensated"], dtypes=["float16", "float32"], classes=2, curves=True, logits="-100:100:50")
    (tmp_path / "a.json").write_text(report.to_json(), encoding="utf-8")
    assert load_report(str(tmp_path / "a.json")) == report
