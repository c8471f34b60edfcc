from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from cestab.errors import UsageError
from cestab.numerics.formats import FORMATS, REFUSED_FORMATS, Format, find_format

EVERY = [*FORMATS.values(), *REFUSED_FORMATS.values()]
NARROW = [fmt for fmt in FORMATS.values() if fmt.is_narrow]


def ids(fmt: Format) -> str:
    return fmt.name


def cast(x: float, fmt: Format) -> float:
    """x in the format; every x here is a float32 or goes to a native type, so that the cast rounds once."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.array([x], dtype=np.float32 if fmt.is_narrow else np.float64)
        assert single[0] == x
        return float(single.astype(fmt.dtype)[0])


def every_number(fmt: Format) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """All finite numbers of an 8- or 16-bit format, by its code points."""
    codes = np.arange(2 ** (8 * fmt.dtype.itemsize)).astype(f"u{fmt.dtype.itemsize}")
    with np.errstate(invalid="ignore"):  # signalling NaN among the code points
        values = codes.view(fmt.dtype).astype(np.float64)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("fmt", EVERY, ids=ids)
def test_derived_values_are_those_of_finfo(fmt: Format) -> None:
    info = ml_dtypes.finfo(fmt.dtype)  # type: ignore[no-untyped-call]
    assert fmt.max == float(info.max)
    assert fmt.smallest_normal == float(info.smallest_normal)
    assert fmt.smallest_subnormal == float(info.smallest_subnormal)
    assert fmt.precision == info.nmant + 1
    assert 2 * fmt.unit_roundoff == float(info.eps)
    assert fmt.bits == info.bits


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_native_formats_agree_with_numpy(name: str) -> None:
    fmt, info = FORMATS[name], np.finfo(np.dtype(name))
    assert (fmt.max, fmt.smallest_normal, fmt.smallest_subnormal) == (info.max, info.tiny, info.smallest_subnormal)
    assert fmt.dtype == np.dtype(name)


@pytest.mark.parametrize("fmt", NARROW, ids=ids)
def test_derived_values_are_extremes_of_the_code_points(fmt: Format) -> None:
    values = every_number(fmt)
    positive = np.unique(values[values > 0])
    assert positive[-1] == fmt.max
    assert positive[0] == fmt.smallest_subnormal
    assert positive[1] - positive[0] == fmt.smallest_subnormal
    assert fmt.smallest_normal in positive
    normal = positive[positive >= fmt.smallest_normal]
    steps = np.diff(positive)
    assert np.all(steps[: len(steps) - len(normal) + 1] == fmt.smallest_subnormal)  # subnormals are evenly spaced
    assert steps[np.searchsorted(positive, 1.0)] == 2 * fmt.unit_roundoff


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=ids)
def test_special_values_of_a_format_are_as_declared(fmt: Format) -> None:
    assert np.isnan(np.array([np.nan]).astype(fmt.dtype).astype(np.float64)[0])
    assert np.isinf(np.array([np.inf], dtype=np.float32).astype(fmt.dtype).astype(np.float64)[0]) == fmt.has_infinity


@pytest.mark.parametrize("fmt", NARROW, ids=ids)
def test_overflow_threshold_separates_what_rounds_beyond_max(fmt: Format) -> None:
    threshold = fmt.overflow_threshold
    first = np.float32(float(threshold))  # at most one float64 step above a midpoint that is a float32
    if Fraction(float(first)) < threshold:
        first = np.nextafter(first, np.float32(np.inf))
    last = np.nextafter(first, np.float32(0))
    assert Fraction(float(last)) < threshold <= Fraction(float(first))
    assert cast(float(last), fmt) == fmt.max
    assert not np.isfinite(cast(float(first), fmt))
    assert cast(-float(last), fmt) == -fmt.max


def test_overflow_threshold_of_float32_is_the_midpoint() -> None:
    threshold = float(FORMATS["float32"].overflow_threshold)
    with np.errstate(over="ignore"):
        assert np.isinf(np.float32(threshold))
        assert np.float32(np.nextafter(threshold, 0)) == np.finfo(np.float32).max


def test_overflow_threshold_of_float64_is_exact() -> None:
    assert FORMATS["float64"].overflow_threshold == 2**1024 - 2**970
    with pytest.raises(OverflowError):
        float(FORMATS["float64"].overflow_threshold)
    assert float(FORMATS["float64"].overflow_threshold - 1) == np.finfo(np.float64).max


def test_overflow_threshold_where_the_top_code_is_nan_is_beyond_the_tie_at_464() -> None:
    fmt = FORMATS["float8_e4m3fn"]
    assert fmt.max == 448
    assert cast(464.0, fmt) == 448
    assert np.isnan(cast(465.0, fmt))
    assert 464 < fmt.overflow_threshold < 464 + Fraction(1, 2**40)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("float64", "float32", True),
        ("float32", "float64", False),
        ("float32", "bfloat16", True),
        ("float16", "bfloat16", False),
        ("bfloat16", "float16", False),
        ("float16", "float8_e5m2", True),
        ("float16", "float8_e4m3fn", True),
        ("float8_e5m2", "float8_e4m3fn", False),
    ],
)
def test_holds_means_that_every_number_is_representable(wide: str, narrow: str, expected: bool) -> None:  # noqa: FBT001
    outer, inner = FORMATS[wide], FORMATS[narrow]
    assert outer.holds(inner) is expected
    if inner.is_narrow:
        values = every_number(inner).astype(np.float32)
        with np.errstate(over="ignore"):
            assert bool(np.all(values.astype(outer.dtype).astype(np.float32) == values)) is expected


def test_narrow_formats_live_in_float32() -> None:
    assert {fmt.storage for fmt in NARROW} == {np.dtype(np.float32)}
    assert [fmt.name for fmt in FORMATS.values() if not fmt.is_narrow] == ["float64", "float32"]
    assert FORMATS["float64"].storage == np.float64


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_found_by_its_name(name: str) -> None:
    assert find_format(name).name == name


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("float8_e8m0fnu", "sign and zero"),
        ("float6_e2m3fn", "NaN"),
        ("float6_e3m2fn", "NaN"),
        ("float4_e2m1fn", "NaN"),
    ],
)
def test_a_refused_format_says_what_it_lacks(name: str, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_format(name)
    assert str(caught.value) == f"dtype '{name}' cannot be swept: it has no {missing}"


def test_every_float_of_ml_dtypes_is_known() -> None:
    floats = {name for name in dir(ml_dtypes) if name.startswith(("float", "bfloat"))}
    assert floats == {fmt.name for fmt in EVERY} - {"float64", "float32", "float16"}


@pytest.mark.parametrize(
    ("given", "nearest"), [("bf16", "bfloat16"), ("flaot32", "float32"), ("float8_e4m3f", "float8_e4m3fn")]
)
def test_an_unknown_name_suggests_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"unknown dtype '{given}'; did you mean {nearest}\\? \\(known: float64, float32"):
        find_format(given)


def test_a_name_like_nothing_gets_no_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        find_format("qqqq")
    assert str(caught.value).startswith("unknown dtype 'qqqq' (known: float64")
