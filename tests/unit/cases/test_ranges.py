"""Ranges: parsed, rounded inwards to the format, and sampled."""

import math

import numpy as np
import pytest

from cestab.cases.ranges import is_exhaustive, parse_range, resolve_range, sample_ordinals
from cestab.errors import UsageError
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import from_ordinal, shortest_decimal
from cestab.vocabulary.requests import LogitRange


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", LogitRange()),
        (":", LogitRange()),
        ("-100:100", LogitRange(low=-100.0, high=100.0)),
        ("1e-3:2e4:65", LogitRange(low=1e-3, high=2e4, count=65)),
        ("0:20:1001:linear", LogitRange(low=0.0, high=20.0, count=1001, spacing="linear")),
        ("0:20:linear", LogitRange(low=0.0, high=20.0, count=None, spacing="linear")),
        (":5", LogitRange(low=None, high=5.0)),
        ("5:", LogitRange(low=5.0)),
        ("7:7:1", LogitRange(low=7.0, high=7.0, count=1)),
    ],
)
def test_ranges_are_read(text: str, expected: LogitRange) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("5:1", "did you mean 1:5"),
        ("5", "is not LO:HI"),
        ("", "is not LO:HI"),
        ("1:2:3:log:4", "is not LO:HI"),
        ("1:2:", "is not LO:HI"),
        ("a:2", "'a'"),
        ("1:inf", "'inf'"),
        ("nan:2", "'nan'"),
        ("1:2:lin", "did you mean linear"),
        ("1:2:1", "at least 2"),
        ("1:2:0", "at least 2"),
        ("1:2:-5", "-5"),
        ("1:2:2.5", "2.5"),
    ],
)
def test_what_is_no_range_is_refused_in_one_sentence(text: str, part: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_range(text)
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "low", "high", "first", "last"),
    [
        ("float16", 0.1, 0.2, 0.0999755859375, 0.199951171875),  # the floats that are printed as 0.1 and 0.2
        ("float16", 0.1000001, 0.2000001, 0.10003662109375, 0.199951171875),  # their neighbours inside
        ("bfloat16", -0.1, 0.1, -0.10009765625, 0.10009765625),
        ("bfloat16", -0.10001, 0.10001, -0.099609375, 0.099609375),
        ("float32", 0.0, 16.635532, 0.0, float.fromhex("0x1.0a2b24p+4")),
        ("float8_e4m3fn", -1000.0, 1000.0, -448.0, 448.0),
        ("float8_e4m3fn", 17.0, 19.0, 18.0, 18.0),
        ("float64", 0.1, 0.3, 0.1, 0.3),
        ("float32", 1.0, 1.0, 1.0, 1.0),
        ("float16", -1e-9, 1e-9, 0.0, 0.0),
        ("float16", 65000.0, 1e30, 64992.0, 65504.0),
        ("float16", 65001.0, 1e30, 65024.0, 65504.0),
    ],
)
def test_ranges_end_at_the_floats_that_are_named_or_inwards(
    name: str, low: float, high: float, first: float, last: float
) -> None:
    ends = resolve_range(LogitRange(low=low, high=high), FORMATS[name])
    assert from_ordinal(np.array(ends), FORMATS[name]).tolist() == [first, last]


@pytest.mark.parametrize("name", FORMATS)
def test_the_default_is_the_whole_finite_range(name: str) -> None:
    fmt = FORMATS[name]
    assert from_ordinal(np.array(resolve_range(LogitRange(), fmt)), fmt).tolist() == [-fmt.max, fmt.max]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("float8_e4m3fn", 17.0, 17.5),
        ("float8_e4m3fn", 500.0, 600.0),
        ("float16", -1e9, -7e4),
        ("float16", 65519.0, 1e30),
        ("float16", 1e-9, 2e-9),
    ],
)
def test_a_range_without_any_number_of_the_format_is_refused(name: str, low: float, high: float) -> None:
    with pytest.raises(UsageError, match=f"holds no finite {name} number"):
        resolve_range(LogitRange(low=low, high=high), FORMATS[name])


@pytest.mark.parametrize(
    ("text", "name", "classes", "expected"),
    [
        ("all", "float16", 2, True),
        ("all", "bfloat16", 16, True),
        ("all", "float16", 17, False),
        ("0:1:50", "float16", 2, False),
        ("0:1", "float8_e5m2", 2, True),
        ("all", "float32", 2, False),
    ],
)
def test_narrow_formats_are_exhausted_unless_sampled(text: str, name: str, classes: int, expected: bool) -> None:  # noqa: FBT001
    assert is_exhaustive(parse_range(text), FORMATS[name], classes) is expected


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", ["all", "-3:5", "0:5:9", "-1:0:33:linear", "2:2", "0.5:12:17", "-12:-0.5:17:log", "0:0"])
def test_samples_are_sorted_distinct_and_within_the_range(name: str, text: str) -> None:
    fmt, logits = FORMATS[name], parse_range(text)
    ordinals = sample_ordinals(logits, fmt)
    assert np.all(np.diff(ordinals) > 0)
    t = from_ordinal(ordinals, fmt).tolist()
    low = -fmt.max if logits.low is None else logits.low
    high = fmt.max if logits.high is None else logits.high
    assert all(low <= x <= high for x in t)
    inside = [x for x in (-5.0, -3.0, -0.5, 0.0, 0.5, 2.0, 5.0) if x in (low, high)]
    assert set(inside) <= set(t), "the ends of the range are tried"
    edges = {s * x for s in (1, -1) for x in (fmt.max, fmt.smallest_normal, fmt.smallest_subnormal, 0.25, 1.0, 2.0, 4.0, 0.0)}
    assert {x for x in edges if low <= x <= high} <= set(t)
    assert not any(x == 0 and math.copysign(1, x) < 0 for x in t), "−0 is not tried"


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_the_edges_of_exp_are_tried_with_both_signs(name: str) -> None:
    """The largest x with finite exp x and its upper neighbour; the smallest x with exp x > 0 in the format."""
    fmt = FORMATS[name]
    t = from_ordinal(sample_ordinals(LogitRange(), fmt), fmt).astype(float)
    overflow, underflow = math.log(fmt.max), math.log(fmt.smallest_subnormal) - math.log(2)
    for edge in (overflow, underflow, -overflow, -underflow):
        spacing = math.ldexp(fmt.unit_roundoff, math.frexp(edge)[1])
        below, above = t[t <= edge].max(), t[t >= edge].min()
        assert edge - below <= spacing
        assert above - edge <= spacing


def test_a_linear_grid_is_even_and_a_log_grid_geometric() -> None:
    fmt = FORMATS["float64"]
    linear = from_ordinal(sample_ordinals(parse_range("10:20:11:linear"), fmt), fmt).tolist()
    assert {float(x) for x in range(10, 21)} <= set(linear)
    geometric = from_ordinal(sample_ordinals(parse_range("1:10000:5"), fmt), fmt)
    for power in range(5):
        assert np.abs(geometric / 10.0**power - 1).min() < 2.0**-50


def test_an_end_that_rounds_to_minus_0_leaves_0_as_it_is_printed() -> None:
    fmt = FORMATS["float16"]
    shortest_decimal.cache_clear()
    resolve_range(LogitRange(low=-1e-9, high=1.0), fmt)
    assert shortest_decimal(0.0, fmt) == "0.0"
