"""Strips: every step shows the worst that is in it, on its side of 0; boundaries are those of the findings."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

import cestab
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.plot import label_axis
from cestab.reports.strips import Axis, Ends, choose_axis, mark_steps, pair_sides
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.settings import SettingResult


def sweep(name: str, target: str, dtype: str = "float32", logits: str = "-1000:1000") -> tuple[Sequence[SettingResult], Ends]:
    report = cestab.sweep(name, dtypes=dtype, targets=target, patterns="margin", classes=2, logits=logits)
    overview = Overview(request=report.request, settings=report.settings)
    return overview.settings, overview.ends


@pytest.mark.parametrize("kind", [kind for kind in FindingKind if not kind.value.is_fact])
def test_every_kind_has_one_mark(kind: FindingKind) -> None:
    assert sum(kind.label.startswith(mark.beginnings) for mark in Mark if mark.beginnings) == 1
    assert Mark.of(kind) not in (Mark.FINE, Mark.OUTSIDE)
    assert len({mark.letter for mark in Mark}) == len(Mark)


def test_a_magnitude_is_in_the_step_whose_ends_enclose_it() -> None:
    axis = Axis(low=0.01, high=1000.0, steps=50)
    assert [axis.step(t) for t in (0.0, 0.01, 0.0125, 0.0127, 9.99, 10.01, 1000.0, 5000.0)] == [0, 0, 0, 1, 29, 30, 49, 49]
    assert [power for _, power in axis.decades()] == [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]


def test_the_dead_gradient_of_a_clip_begins_where_its_loss_ends() -> None:
    """The clip at 1e-7 stops the gradient from a margin of −ln 1e-7 = 16.118 on."""
    results, ends = sweep("clipped", "wrong")
    axis = choose_axis(results, ends, 300)
    assert axis is not None
    marks = mark_steps(results, ends, axis, is_negative=False)
    onset = axis.step(-math.log(1e-7))
    assert [step for step, mark in enumerate(marks) if mark is Mark.ZERO] == list(range(onset, 300))


def test_the_sides_of_0_differ_where_the_loss_does() -> None:
    """The first logit is t: where it is large, exp overflows at 88.73; where it is small, log 0 comes at 104."""
    results, ends = sweep("naive", "correct")
    axis = choose_axis(results, ends, 400)
    assert axis is not None
    (plus, positive), (minus, negative) = pair_sides(results, ends, axis)
    assert (plus, minus) == ("+", "−")
    assert positive.index(Mark.NAN) == axis.step(88.73)
    assert negative.index(Mark.NAN) == axis.step(103.98)
    assert [sign for sign, _ in pair_sides(*sweep("compensated", "wrong", logits="-1000:-1"), axis)] == ["−"]


@pytest.mark.parametrize(("name", "target"), [("naive", "wrong"), ("clipped", "wrong"), ("log-eps", "wrong")])
def test_hard_marks_are_what_explain_finds(name: str, target: str) -> None:
    results, ends = sweep(name, target, "bfloat16", "1:1000")
    axis = choose_axis(results, ends, 40)
    assert axis is not None
    marks = mark_steps(results, ends, axis, is_negative=False)
    for t in (2.0, 20.0, 70.0, 120.0, 400.0):
        explained = cestab.explain(name, pattern="margin", at=t, classes=2, target=target, dtype="bfloat16")
        found = {Mark.of(kind) for kind in explained.outcome.findings if kind.is_hard}
        if found:
            assert min(found, key=list(Mark).index) is marks[axis.step(t)]


@pytest.mark.parametrize(("logits", "low", "high"), [("0:1e-320", 5e-324, 1e-320), ("0:1e308", 1e300, 1e308)])
def test_an_axis_reaches_to_the_ends_of_the_format(logits: str, low: float, high: float) -> None:
    axis = choose_axis(*sweep("naive", "wrong", "float64", logits), 40)
    assert axis is not None
    assert (axis.low, axis.high) == pytest.approx((low, high))
    assert [axis.step(t) for t in (0.0, high)] == [0, 39]


def test_what_was_not_swept_is_neither_fine_nor_wrong() -> None:
    """float8_e4m3fn ends at 448, bfloat16 does not."""
    (few, few_ends), (many, many_ends) = (sweep("compensated", "wrong", dtype) for dtype in ("float8_e4m3fn", "bfloat16"))
    ends = {**few_ends, **many_ends}
    axis = choose_axis([*few, *many], ends, 60)
    assert axis is not None
    marks = mark_steps(few, ends, axis, is_negative=False)
    assert [step for step, mark in enumerate(marks) if mark is Mark.OUTSIDE] == list(range(axis.step(448.0) + 1, 60))
    assert Mark.OUTSIDE not in mark_steps(many, ends, axis, is_negative=False)


def test_between_the_floats_of_a_narrow_format_is_no_hole() -> None:
    results, ends = sweep("compensated", "wrong", "float8_e5m2")
    axis = choose_axis(results, ends, 240)
    assert axis is not None
    assert Mark.OUTSIDE not in mark_steps(results, ends, axis, is_negative=False)


BANDS = """
import numpy as np

def loss(z, y):
    rows = np.arange(len(y))
    m = z.max(1)
    losses = m + np.log(np.exp(z - m[:, None]).sum(1)) - z[rows, y]
    losses[np.floor(np.abs(z).max(1) * 8) % 2 == 1] = np.nan
    return losses
"""


def test_beyond_the_intervals_that_a_report_keeps_a_finding_reaches_to_its_last_t(tmp_path: Path) -> None:
    """NaN in every second eighth: 16 intervals per unit of t, of which the first 64 are kept."""
    (tmp_path / "bands.py").write_text(BANDS)
    results, ends = sweep(f"{tmp_path / 'bands.py'}:loss", "wrong", "float16", "0:1000")
    assert results[0].interval_count > len(results[0].intervals) == 64
    axis = choose_axis(results, ends, 100)
    assert axis is not None
    assert axis.high == 1000
    marks = mark_steps(results, ends, axis, is_negative=False)
    last = axis.step(255.9)  # above, float16 has no eighths
    assert set(marks[axis.step(20.0) : last]) == {Mark.NAN}
    assert set(marks[last + 1 :]) == {Mark.FINE}


def test_nothing_but_0_has_no_axis() -> None:
    for logits in ("0:0", "0:5e-324"):
        assert choose_axis(*sweep("compensated", "wrong", "float64", logits=logits), 40) is None


def test_powers_of_ten_are_named_where_they_fit() -> None:
    line = label_axis(Axis(low=0.01, high=1e4, steps=36))
    assert line.split() == ["0.01", "0.1", "1", "10", "100", "1000"]
    assert line.index("10 ") == 18
    assert len(line) <= 37
