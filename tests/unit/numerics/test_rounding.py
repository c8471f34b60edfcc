"""Rounding against arithmetic that shares nothing with it: frexp and rint on arrays, fractions on single numbers."""

import math
from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab.numerics import rounding
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import (
    cast_narrow,
    distinct,
    flush_subnormals,
    from_ordinal,
    hexadecimal,
    round_number,
    round_quotient,
    round_to_format,
    round_to_odd_float32,
    shortest_decimal,
    to_ordinal,
    without,
)

Values = npt.NDArray[np.float64]

NARROW = [fmt for fmt in FORMATS.values() if fmt.is_narrow]
WIDE = [fmt for fmt in FORMATS.values() if not fmt.is_narrow]


def ids(fmt: Format) -> str:
    return fmt.name


narrow = pytest.mark.parametrize("fmt", NARROW, ids=ids)


def overflow_result(fmt: Format) -> float:
    return math.inf if fmt.has_infinity else math.nan


def rounded_by_rint(x: Values, fmt: Format) -> Values:
    """x as m·2^e with p-digit m (or the fixed exponent of the subnormals), m by rint: exact in float64 for p ≤ 52."""
    _, exponent = np.frexp(x)
    scale = np.maximum(exponent, fmt.min_exponent + 1) - fmt.precision
    result = np.ldexp(np.rint(np.ldexp(x, -scale)), scale)
    beyond = np.where(np.isnan(x), x, np.copysign(overflow_result(fmt), x))
    return np.where(np.abs(result) <= fmt.max, result, beyond)


def rounded_by_fractions(x: float, fmt: Format) -> float:
    """The nearest multiple of the spacing at x, ties to even, by integer arithmetic."""
    exact = abs(Fraction(x))
    if exact == 0:
        return 0.0
    exponent = math.frexp(x)[1] - 1
    spacing = Fraction(2) ** (max(exponent, fmt.min_exponent) - fmt.precision + 1)
    nearest = round(exact / spacing) * spacing  # Python rounds a Fraction half to even
    return math.copysign(1.0, x) * (overflow_result(fmt) if nearest > Fraction(fmt.max) else float(nearest))


def finite_numbers(fmt: Format) -> Values:
    """All numbers of a narrow format in ascending order, decoded from its code points by their bits alone."""
    fields = fmt.precision - 1
    steps = np.arange(2 ** (fmt.bits - 1), dtype=np.int64)
    exponent, significand = steps >> fields, steps & (2**fields - 1)
    is_normal = exponent > 0
    magnitudes = np.ldexp(
        (significand + is_normal * 2**fields).astype(np.float64),
        np.where(is_normal, exponent - 1, 0) + fmt.min_exponent - fields,
    )
    magnitudes = magnitudes[magnitudes <= fmt.max]
    return np.concatenate((-magnitudes[:0:-1], magnitudes))


def float32_samples(fmt: Format, count: int) -> npt.NDArray[np.float32]:
    """Random bit patterns, magnitudes about the format's range, and exact ties with their float32 neighbours."""
    rng = np.random.default_rng(20)
    patterns = rng.integers(0, 2**32, count, dtype=np.uint32).view(np.float32)
    low, high = math.log2(fmt.smallest_subnormal) - 3, min(math.log2(fmt.max) + 2, 127.9)
    spread = np.exp2(rng.uniform(low, high, count)) * rng.choice((-1.0, 1.0), count)
    edges = np.repeat([fmt.max, -fmt.max, fmt.smallest_normal, fmt.smallest_subnormal], 32)
    numbers = np.concatenate((rng.choice(finite_numbers(fmt), count // 4), edges))
    spacing = np.ldexp(1.0, np.maximum(np.frexp(numbers)[1] - 1, fmt.min_exponent) - fmt.precision + 1)
    ties = (numbers + spacing / 2).astype(np.float32)
    infinity = np.float32(np.inf)
    near = (ties, np.nextafter(ties, infinity), np.nextafter(ties, -infinity))
    return np.concatenate((patterns[~np.isnan(patterns)], spread.astype(np.float32), *near))


@narrow
def test_float32_rounds_once_to_nearest_even(fmt: Format) -> None:
    x = float32_samples(fmt, 800_000)
    np.testing.assert_array_equal(round_to_format(x, fmt), rounded_by_rint(x.astype(np.float64), fmt))


@narrow
def test_the_float32_samples_hold_ties_subnormals_and_overflow(fmt: Format) -> None:
    x = float32_samples(fmt, 20_000).astype(np.float64)
    scale = np.maximum(np.frexp(x)[1], fmt.min_exponent + 1) - fmt.precision
    finite = np.isfinite(x)
    is_tie = np.ldexp(x[finite], -scale[finite]) % 1 == 0.5
    assert np.count_nonzero(is_tie) > 1000
    assert np.count_nonzero(np.abs(x) < fmt.smallest_normal) > 100
    assert np.count_nonzero(np.abs(x[finite]) > fmt.max) > 10


@narrow
def test_float64_rounds_once_to_nearest_even(fmt: Format) -> None:
    rng = np.random.default_rng(21)
    numbers = finite_numbers(fmt)
    some = rng.choice(numbers, 260_000)
    spacing = np.ldexp(1.0, np.maximum(np.frexp(some)[1] - 1, fmt.min_exponent) - fmt.precision + 1)
    offsets = np.ldexp(rng.choice((-1.0, 1.0), len(some)), -rng.integers(20, 46, len(some)))
    near_ties = some + spacing * (0.5 + offsets)  # where a cast by way of float32 rounds twice
    uniform = np.exp2(rng.uniform(math.log2(fmt.smallest_subnormal) - 3, math.log2(fmt.max) + 2, 260_000))
    x = np.concatenate((near_ties, some + spacing / 2, uniform, -uniform))
    np.testing.assert_array_equal(round_to_format(x, fmt), rounded_by_rint(x, fmt))
    with np.errstate(over="ignore"):
        twice = rounded_by_rint(x.astype(np.float32).astype(np.float64), fmt)
    assert np.count_nonzero(twice != rounded_by_rint(x, fmt)) > 1000  # the samples tell once from twice


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=ids)
def test_rounding_of_nasty_float64_is_that_of_fractions(fmt: Format) -> None:
    rng = np.random.default_rng(22)
    precision = fmt.precision
    exponents = rng.integers(fmt.min_exponent - precision - 2, fmt.max_exponent + 2, 700)
    significands = rng.integers(2 ** (precision - 1), 2**precision, 700).astype(np.float64) + 0.5
    for exponent, significand in zip(exponents.tolist(), significands.tolist(), strict=True):
        for nudge in (0.0, 2.0**-40, -(2.0**-40), 2.0**-29, -(2.0**-52)):
            try:
                x = math.ldexp(significand * (1 + nudge), exponent - precision + 1)
            except OverflowError:
                continue
            expected = rounded_by_fractions(x, fmt)
            np.testing.assert_array_equal([round_number(x, fmt), round_number(-x, fmt)], [expected, -expected])


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=ids)
def test_a_quotient_by_rows_is_rounded_once(fmt: Format) -> None:
    rng = np.random.default_rng(23)
    midpoints = rng.integers(2 ** (fmt.precision - 1), 2**fmt.precision, 300).astype(np.float64) + 0.5
    rows = rng.integers(1, 2**24, 300, endpoint=True)
    for midpoint, n in zip(midpoints.tolist(), rows.tolist(), strict=True):
        product = midpoint * n * 2.0**-fmt.precision
        for x in (product, math.nextafter(product, 0), math.nextafter(product, math.inf)):
            scaled = Fraction(x) / n * 2**fmt.precision  # a whole number where it is one of the format
            assert round_quotient(x, n, fmt) == math.ldexp(round(scaled), -fmt.precision)


def test_a_number_just_above_a_tie_of_bfloat16_rounds_up() -> None:
    x = 1 + 2**-8 + 2**-40
    assert round_number(x, FORMATS["bfloat16"]) == 1.0078125
    assert round_number(1 + 2**-8, FORMATS["bfloat16"]) == 1.0
    assert round_number(-x, FORMATS["bfloat16"]) == -1.0078125
    assert float(np.float64(x).astype(FORMATS["bfloat16"].dtype)) == 1.0, "a plain cast rounds twice"


def test_float32_rounds_a_million_float64_like_rint() -> None:
    rng = np.random.default_rng(23)
    fmt = FORMATS["float32"]
    x = np.exp2(rng.uniform(-155, 129, 1_000_000)) * rng.choice((-1.0, 1.0), 1_000_000)
    np.testing.assert_array_equal(round_to_format(x, fmt), rounded_by_rint(x, fmt))


def test_round_to_odd_keeps_float32_numbers_and_makes_the_others_odd() -> None:
    rng = np.random.default_rng(24)
    exact = np.concatenate((rng.standard_normal(1000).astype(np.float32), np.array([0, np.inf, -np.inf], dtype=np.float32)))
    np.testing.assert_array_equal(round_to_odd_float32(exact.astype(np.float64)), exact)
    x = rng.standard_normal(100_000) * np.exp2(rng.uniform(-140, 120, 100_000))
    odd = round_to_odd_float32(x)
    inexact = odd.astype(np.float64) != x
    assert np.count_nonzero(inexact) > 90_000
    assert np.all(odd[inexact].view(np.uint32) & 1 == 1)
    neighbours = np.nextafter(odd, np.float32(-np.inf)), np.nextafter(odd, np.float32(np.inf))
    assert np.all((neighbours[0] < x) & (x < neighbours[1]))


@pytest.mark.parametrize("storage", [np.float32, np.float64])
@narrow
def test_special_values_round_to_themselves_or_to_the_overflow_result(fmt: Format, storage: type) -> None:
    beyond = overflow_result(fmt)
    x: Any = np.array([np.nan, np.inf, -np.inf, 1e38, fmt.max, -fmt.max, 0.0, -0.0], dtype=storage)
    top = 1e38 if fmt.max > 1e38 else beyond
    result = round_to_format(x, fmt)
    assert result.dtype == fmt.storage
    expected = [np.nan, beyond, -beyond, round_number(top, fmt), fmt.max, -fmt.max, 0.0, 0.0]
    np.testing.assert_array_equal(result, expected)
    assert not np.signbit(result[6])
    assert np.signbit(result[7]) == (not fmt.name.endswith("fnuz")), "only the fnuz formats have no negative zero"


@pytest.mark.parametrize("fmt", WIDE, ids=ids)
def test_special_values_of_wide_formats_stay(fmt: Format) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, fmt.max, -fmt.max, fmt.smallest_subnormal])
    result = round_to_format(x, fmt)
    assert result.dtype == fmt.storage
    np.testing.assert_array_equal(result, x)
    np.testing.assert_array_equal(np.signbit(result), np.signbit(x))
    np.testing.assert_array_equal(round_to_format([1e39, -1e39], FORMATS["float32"]), [np.inf, -np.inf])


@narrow
def test_every_number_rounds_to_itself_and_every_midpoint_to_even(fmt: Format) -> None:
    numbers = finite_numbers(fmt)
    np.testing.assert_array_equal(round_to_format(numbers, fmt), numbers)
    np.testing.assert_array_equal(round_to_format(numbers.astype(np.float32), fmt), numbers)
    midpoints = (numbers[1:] + numbers[:-1]) / 2
    is_even = np.arange(len(numbers)) % 2 == (len(numbers) // 2) % 2  # zero, in the middle, is even
    nearest_even = np.where(is_even[1:], numbers[1:], numbers[:-1])
    np.testing.assert_array_equal(round_to_format(midpoints, fmt), nearest_even)
    above, below = np.nextafter(midpoints, np.inf), np.nextafter(midpoints, -np.inf)
    np.testing.assert_array_equal(round_to_format(above, fmt), numbers[1:])
    np.testing.assert_array_equal(round_to_format(below, fmt), numbers[:-1])


@narrow
def test_ordinals_count_every_number_in_order_from_zero(fmt: Format) -> None:
    numbers = finite_numbers(fmt)
    half = len(numbers) // 2
    np.testing.assert_array_equal(to_ordinal(numbers, fmt), np.arange(-half, half + 1))
    np.testing.assert_array_equal(from_ordinal(np.arange(-half, half + 1), fmt), numbers)
    assert from_ordinal([half], fmt).dtype == fmt.storage


@pytest.mark.parametrize("fmt", WIDE, ids=ids)
def test_ordinals_of_wide_formats_step_to_the_next_float(fmt: Format) -> None:
    rng = np.random.default_rng(25)
    x = (rng.standard_normal(10_000) * np.exp2(rng.uniform(-140, 120, 10_000))).astype(fmt.storage)
    x = np.concatenate(
        (x, np.array([0, fmt.smallest_subnormal, -fmt.smallest_subnormal, fmt.smallest_normal, 1], dtype=fmt.storage))
    )
    ordinals = to_ordinal(x, fmt)
    np.testing.assert_array_equal(from_ordinal(ordinals, fmt), x)
    np.testing.assert_array_equal(from_ordinal(ordinals + 1, fmt), np.nextafter(x, fmt.storage.type(np.inf)))
    np.testing.assert_array_equal(to_ordinal([0.0, -0.0, fmt.smallest_subnormal, -fmt.smallest_subnormal], fmt), [0, 0, 1, -1])


def shortest_by_search(x: float, fmt: Format) -> int:
    """Fewest significant digits at which the decimal nearest to x (on a tie the even one) reads back to x."""
    for digits in range(1, 18):
        unit = Fraction(10) ** (math.floor(math.log10(abs(x))) - digits + 1)
        if rounded_by_fractions(float(round(Fraction(x) / unit) * unit), fmt) == x:
            return digits
    raise AssertionError(x)


def count_digits(text: str) -> int:
    return len(text.lstrip("-").split("e")[0].replace(".", "").strip("0")) or 1


def round_by_midpoints(fmt: Format) -> Callable[[float, Format], float]:
    """Return a round_number for one format that looks its result up: many times as fast, for loops over every number."""
    midpoints = every_midpoint(fmt).tolist()
    results: list[float] = [-overflow_result(fmt), *finite_numbers(fmt).tolist(), overflow_result(fmt)]
    zero = len(results) // 2

    def look_up(x: float, own: Format) -> float:
        assert own is fmt
        place = bisect_left(midpoints, x)
        is_tie = place < len(midpoints) and midpoints[place] == x
        return results[place + (place - zero) % 2 if is_tie else place]  # zero is even

    return look_up


def every_midpoint(fmt: Format) -> Values:
    """Between neighbours, and those between the largest numbers and what would come next."""
    numbers = finite_numbers(fmt)
    beyond = fmt.max + math.ldexp(1.0, math.frexp(fmt.max)[1] - 1 - fmt.precision)
    return np.concatenate(([-beyond], (numbers[1:] + numbers[:-1]) / 2, [beyond]))


@narrow
def test_the_look_up_of_midpoints_rounds(fmt: Format) -> None:
    numbers, midpoints = finite_numbers(fmt), every_midpoint(fmt)
    x = np.concatenate((numbers, midpoints, np.nextafter(midpoints, np.inf), np.nextafter(midpoints, -np.inf)))
    look_up = round_by_midpoints(fmt)
    np.testing.assert_array_equal([look_up(value, fmt) for value in x.tolist()], round_to_format(x, fmt))


@pytest.mark.thorough
@narrow
def test_shortest_decimal_reads_back_on_every_number(fmt: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "round_number", round_by_midpoints(fmt))
    numbers = finite_numbers(fmt)
    texts = [shortest_decimal(x, fmt) for x in numbers.tolist()]
    np.testing.assert_array_equal(rounded_by_rint(np.array([float(text) for text in texts]), fmt), numbers)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=ids)
def test_shortest_decimal_has_no_digit_to_spare(fmt: Format) -> None:
    rng = np.random.default_rng(26)
    top = int(to_ordinal(fmt.max, fmt))
    for x in from_ordinal(rng.integers(1, top, 100), fmt).tolist():
        assert count_digits(shortest_decimal(x, fmt)) <= shortest_by_search(x, fmt), x


def test_shortest_decimal_of_known_numbers() -> None:
    assert shortest_decimal(float(np.float32(0.1)), FORMATS["float32"]) == "0.1"
    assert shortest_decimal(88.72283935546875, FORMATS["float32"]) == "88.72284"
    assert shortest_decimal(0.1, FORMATS["float64"]) == "0.1"
    assert shortest_decimal(88.5, FORMATS["bfloat16"]) == "88.5"
    special = (math.inf, -math.inf, math.nan, 0.0)
    assert [shortest_decimal(x, FORMATS["float16"]) for x in special] == ["inf", "-inf", "nan", "0.0"]


@narrow
def test_hexadecimal_reads_back_on_every_number_without_trailing_zeros(fmt: Format) -> None:
    numbers = finite_numbers(fmt).tolist()
    texts = [hexadecimal(x) for x in numbers]
    assert [float.fromhex(text) for text in texts] == numbers
    significands = [text.split("p")[0] for text in texts]
    assert not [s for s in significands if s.endswith(".") or ("." in s and s.endswith("0"))]


def test_hexadecimal_of_known_numbers() -> None:
    values = (88.72283935546875, 1.0, -0.5, math.inf, -math.inf, math.nan, 0.0)
    assert [hexadecimal(x) for x in values] == ["0x1.62e43p+6", "0x1p+0", "-0x1p-1", "inf", "-inf", "nan", "0x0p+0"]


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=ids)
def test_flush_zeroes_subnormals_and_nothing_else(fmt: Format) -> None:
    kept: list[Any] = [fmt.smallest_normal, -fmt.smallest_normal, fmt.max, math.nan, 1.0]
    below = float(from_ordinal(to_ordinal(fmt.smallest_normal, fmt) - 1, fmt))
    x = np.array([fmt.smallest_subnormal, -fmt.smallest_subnormal, below, -below, 0.0, *kept], dtype=fmt.storage)
    flushed = flush_subnormals(x, fmt)
    np.testing.assert_array_equal(flushed, np.array([0.0] * 5 + kept, dtype=fmt.storage))
    assert np.signbit(flushed[:5]).tolist() == [False, "uz" not in fmt.name, False, "uz" not in fmt.name, False]


@pytest.mark.parametrize("sign", [0, 1 << 31])
def test_rounding_to_float16_is_that_of_a_cast(sign: int) -> None:
    """Every pattern of sign, exponent and the ten digits that stay, with what is dropped on, beside and between the ties."""
    kept = np.arange(2**18, dtype=np.uint32) << 13 | np.uint32(sign)
    for dropped in (0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF):
        x = (kept | np.uint32(dropped)).view(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            expected = x.astype(np.float16).astype(np.float32)
        computed = cast_narrow(x, FORMATS["float16"])
        is_nan = np.isnan(x)
        np.testing.assert_array_equal(np.isnan(computed), is_nan)
        np.testing.assert_array_equal(computed.view(np.uint32)[~is_nan], expected.view(np.uint32)[~is_nan])


def test_rounding_keeps_the_shape_and_the_order_of_an_array() -> None:
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32))
    for given in (x, x[::2, 1:], x[0, 0], np.float32(1e-7).reshape(())):
        np.testing.assert_array_equal(cast_narrow(np.asarray(given), FORMATS["float16"]), given.astype(np.float16))


def test_distinct_ordinals_are_those_of_numpy() -> None:
    draw = np.random.default_rng(0)
    for size in (0, 1, 50, 5000):
        some, others = draw.integers(-60, 60, size), np.unique(draw.integers(-60, 60, size // 2))
        np.testing.assert_array_equal(distinct(some), np.unique(some))
        np.testing.assert_array_equal(without(some, others), np.setdiff1d(some, others))
