"""Boundaries that moved, on hand-made maps of float16: how many floats, and which boundary is told."""

from dataclasses import replace

import pytest

from builders import build_finding, build_result, build_setting
from cestab.commands.diff.answer import ChangeRule
from cestab.commands.diff.moved_boundaries import find_movements
from cestab.evaluation.assemble import place_float
from cestab.numerics.formats import find_format
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.settings import Finding, Interval, LargestError, Place, SettingResult

FLOAT16 = find_format("float16")
NAN, INF = FindingKind.NAN_GRADIENT, FindingKind.INF_LOSS
SETTING = build_setting(dtype="float16")
LOW, HIGH = -1000, 1000
ONE = 0x3C00  # the ordinal of 1.0 in float16; the next float is 1 + 2^-10
Runs = list[tuple[int, int]]


BOTH = [(True, 500, 401, 99), (False, 100, None, 101), (False, 300, 350, 50), (False, 600, 550, 50)]


def place(ordinal: int) -> Place:
    return place_float(ordinal, FLOAT16)


def finding(runs: Runs) -> Finding:
    ends = [end for run in runs for end in run] or [0]
    first, lowest, highest = place(min(ends, key=abs)), place(min(ends)), place(max(ends))
    return build_finding(NAN, first, cases=10, lowest=lowest, highest=highest, worst=highest)


def interval(start: int, stop: int, *, is_nan: bool) -> Interval:
    return Interval(start=place(start), stop=place(stop), loss=None, gradient=NAN if is_nan else None)


def result(runs: Runs, low: int = LOW, high: int = HIGH) -> SettingResult:
    """Return a setting whose gradient is NaN on these runs of ordinals."""
    intervals, at = [], low
    for start, stop in runs:
        intervals += [interval(at, start - 1, is_nan=False)] if at < start else []
        intervals.append(interval(start, stop, is_nan=True))
        at = stop + 1
    intervals += [interval(at, high, is_nan=False)] if at <= high else []
    largest = LargestError(loss=None, gradient=None)
    return build_result(
        SETTING,
        Verdict.FAIL,
        cases=9,
        findings=(finding(runs),),
        largest_error=largest,
        intervals=tuple(intervals),
        interval_count=len(intervals),
    )


def movements(old: SettingResult, new: SettingResult) -> list[tuple[bool, float | str | None, float | str | None, int | None]]:
    found = find_movements(old, new, old.findings[0], new.findings[0])
    assert {(change.rule, change.subject) for change in found} <= {(ChangeRule.MOVED_BOUNDARY, "nan-gradient")}
    return [(change.is_worse, change.old, change.new, change.floats) for change in found]


def number(ordinal: int) -> float:
    return float(place(ordinal).decimal)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([(500, 900)], [(500, 900)], []),
        ([(500, 900)], [(497, 900)], [(True, 500, 497, 3)]),
        ([(500, 900)], [(503, 900)], [(False, 500, 503, 3)]),
        ([(500, 900)], [(500, 901)], [(True, 900, 901, 1)]),
        ([(500, 900)], [(500, 890)], [(False, 900, 890, 10)]),
        ([(-900, -500)], [(-900, -499)], [(True, -500, -499, 1)]),
        # moved as a whole: gained on one side, left on the other
        ([(500, 900)], [(400, 800)], [(True, 500, 400, 100), (False, 900, 800, 100)]),
        # an island appears, or goes
        ([(500, 900)], [(-60, -50), (500, 900)], [(True, None, -50, 11)]),
        ([(-60, -50), (500, 900)], [(500, 900)], [(False, -50, None, 11)]),
        # hidden from first, lowest and highest: the far side's edge comes nearer, the gap between two runs closes
        ([(-900, -500), (100, 900)], [(-900, -400), (100, 900)], [(True, -500, -400, 100)]),
        ([(100, 300), (400, 900)], [(100, 900)], [(True, 400, 301, 99)]),
        ([(100, 900)], [(100, 300), (400, 900)], [(False, 301, 400, 99)]),
        # each boundary is told by itself
        ([(-900, -500), (500, 900)], [(-900, -490), (480, 900)], [(True, -500, -490, 10), (True, 500, 480, 20)]),
        ([(0, 10)], [(-5, 10)], [(True, 0, -5, 5)]),
        ([(100, 200), (300, 400), (500, 600)], [(350, 550)], BOTH),
    ],
)
def test_the_maps_tell_what_moved(old: Runs, new: Runs, expected: list[tuple[bool, int | None, int | None, int]]) -> None:
    shown = [
        (is_worse, None if a is None else number(a), None if b is None else number(b), floats)
        for is_worse, a, b, floats in expected
    ]
    assert movements(result(old), result(new)) == shown


def test_a_step_of_one_float_at_1_is_one_float() -> None:
    moved = movements(result([(ONE, 20000)], high=20000), result([(ONE - 1, 20000)], high=20000))
    assert moved == [(True, 1.0, 0.9995, 1)]


def test_a_run_goes_on_where_only_the_other_outcome_changes() -> None:
    def split(at: int) -> SettingResult:
        whole = result([(500, 900)])
        before, bad, after = whole.intervals
        parts = (replace(bad, stop=place(at)), replace(bad, start=place(at + 1), loss=INF))
        return replace(whole, intervals=(before, *parts, after), interval_count=4)

    assert movements(split(600), split(700)) == []
    assert movements(split(600), result([(500, 900)])) == []
    assert movements(result([(800, 900)]), split(600)) == [(True, number(800), number(500), 300)]


def cut(whole: SettingResult, count: int) -> SettingResult:
    return replace(whole, intervals=whole.intervals[:count], interval_count=70)


def test_a_cut_map_is_compared_as_far_as_both_list_it_and_by_the_ends_beyond() -> None:
    runs = [(-900, -800), (100, 200), (500, 600)]
    old, new = result(runs), result([*runs[:2], (450, 650)])
    # both lists end at 200: nothing moved there; beyond, the highest place did
    assert movements(cut(old, 4), cut(new, 4)) == [(True, number(600), number(650), 50)]
    assert movements(cut(old, 4), cut(old, 4)) == []
    # the list of one is longer: what only it lists is not held against the other
    assert movements(cut(old, 4), old) == []
    moved = result([(-900, -790), *runs[1:]])
    assert movements(cut(old, 4), cut(moved, 4)) == [(True, number(-800), number(-790), 10)]
    nearer = result([(-900, -790), *runs[1:2], (450, 650)])
    assert movements(cut(old, 4), cut(nearer, 4)) == [
        (True, number(-800), number(-790), 10),
        (True, number(600), number(650), 50),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"), [(-200, -150, (True, 50)), (-150, -200, (False, 50)), (-200, 150, (True, 50))]
)
def test_without_maps_the_place_nearest_to_0_is_compared_on_either_side(old: int, new: int, expected: tuple[bool, int]) -> None:
    wide = replace(finding([(-900, 900)]), lowest=place(-900), highest=place(900))
    before, after = (replace(result([]), findings=(replace(wide, first=place(first)),)) for first in (old, new))
    is_worse, floats = expected
    assert movements(before, after) == [(is_worse, number(old), number(new), floats)]
