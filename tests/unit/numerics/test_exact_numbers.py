"""Exact numbers: real functions against mpmath, special values against IEEE 754, rounding against integer arithmetic."""

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx

from cestab.numerics.exact_numbers import Exact, ExactArithmetic, MixedArithmetic, Special, round_exact, to_exact_array
from cestab.numerics.formats import FORMATS, Format
from cestab.vocabulary.kinds import Fp8Overflow, Summation

DIGITS, BITS = 400, 1500
SPECIALS = (-math.inf, -2.0, -1.0, 0.0, 1.0, 2.0, math.inf, math.nan)
formats = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with ctx.workprec(BITS), mpmath.workdps(DIGITS + 60):
        yield


def read(x: Exact) -> Any:
    """The centre of a finite number's ball in mpmath."""
    assert x.ball is not None
    mantissa, exponent = x.ball.mid().man_exp()
    return mpmath.ldexp(mpmath.mpf(int(mantissa)), int(exponent))


def assert_same_digits(x: Exact, y: Any) -> None:
    assert abs(read(x) - y) <= abs(y) * mpmath.mpf(10) ** -DIGITS


def draw(seed: int, low: float, high: float, count: int = 40) -> list[float]:
    """Random numbers of both signs with magnitudes spread evenly on the logarithmic scale."""
    rng = np.random.default_rng(seed)
    sizes = 10 ** rng.uniform(low, high, count) * rng.choice([-1.0, 1.0], count)
    return [float(x) for x in sizes]


@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_exponentials_are_mpmaths(name: str) -> None:
    for x in draw(1, -12, 3):
        assert_same_digits(getattr(Exact(x), name)(), getattr(mpmath, name)(mpmath.mpf(x)))


@pytest.mark.parametrize("name", ["log", "log1p"])
def test_logarithms_are_mpmaths(name: str) -> None:
    for x in draw(2, -30, 30):
        assert_same_digits(getattr(Exact(abs(x)), name)(), getattr(mpmath, name)(mpmath.mpf(abs(x))))


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_arithmetic_is_mpmaths_from_either_side(operation: Callable[[Any, Any], Any]) -> None:
    numbers = draw(3, -40, 40)
    for x, y in itertools.pairwise(numbers):
        expected = operation(mpmath.mpf(x), mpmath.mpf(y))
        for result in (operation(Exact(x), Exact(y)), operation(Exact(x), y), operation(x, Exact(y))):
            assert_same_digits(result, expected)


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_operations_on_special_values_are_ieees(operation: Callable[[Any, Any], Any]) -> None:
    with np.errstate(all="ignore"):
        for x, y in itertools.product(SPECIALS, repeat=2):
            result, expected = operation(Exact(x), Exact(y)), operation(np.float64(x), np.float64(y))
            got = float(read(result)) if result.is_finite else result.special
            np.testing.assert_equal(got, expected + 0.0, err_msg=f"{operation.__name__}({x}, {y})")


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "negative", "abs"])
def test_functions_of_special_values_are_ieees(name: str) -> None:
    with np.errstate(all="ignore"):
        for x in SPECIALS:
            function = getattr(np, name)
            [result], expected = function(to_exact_array(np.array([x]))), function(np.float64(x))
            assert result.is_finite == np.isfinite(expected), f"{name}({x})"
            if result.is_finite:
                assert float(read(result)) == pytest.approx(expected, rel=1e-15)
            else:
                np.testing.assert_equal(result.special, expected, err_msg=f"{name}({x})")


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_comparisons_are_ieees(compare: Callable[[Any, Any], bool]) -> None:
    for x, y in itertools.product(SPECIALS, repeat=2):
        assert compare(Exact(x), Exact(y)) == compare(Exact(x), y) == compare(x, y), f"{compare.__name__}({x}, {y})"


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (lambda: Exact(1.0) / 0.0, Special.DIVISION_BY_ZERO),
        (lambda: Exact(0.0) / 0.0, Special.DIVISION_BY_ZERO),
        (lambda: Exact(0.0).log(), Special.DIVISION_BY_ZERO),
        (lambda: Exact(-1.0).log1p(), Special.DIVISION_BY_ZERO),
        (lambda: Exact(0.0) * math.inf, Special.ZERO_TIMES_INFINITY),
        (lambda: Exact(math.inf) / math.inf, Special.ZERO_TIMES_INFINITY),
        (lambda: Exact(math.inf) - math.inf, Special.INFINITY_MINUS_INFINITY),
        (lambda: Exact(math.inf) + 1.0, None),
        (lambda: Exact(math.inf) * 2.0, None),
        (lambda: Exact(math.nan) - math.inf, None),
        (lambda: Exact(math.inf).exp(), None),
    ],
)
def test_what_makes_a_special_value_is_told_and_what_was_given_is_not(
    result: Callable[[], Exact], cause: Special | None
) -> None:
    assert not result().is_finite
    assert result().cause is cause


@pytest.mark.parametrize(
    "result",
    [
        lambda vague: vague.log(),
        lambda vague: (vague - 1.0).log1p(),
        lambda vague: 1.0 / vague,
        lambda vague: vague * math.inf,
        lambda vague: vague,
    ],
)
def test_a_ball_about_0_is_no_pole(result: Callable[[Exact], Exact]) -> None:
    """It may be 0 or not: nothing made an infinity, and what comes of it is not known."""
    vague = Exact(arb(0, 1e-300))
    assert not result(vague).is_known
    assert result(vague).cause is None
    assert result(Exact(0.0)).is_known


def test_rounding_takes_floats_among_exact_numbers() -> None:
    mixed = np.array([Exact(1.0) / 3.0, 0.1, np.float32(2.5)], dtype=object)
    expected = np.array([1 / 3, 0.1, 2.5], dtype=np.float32)
    np.testing.assert_array_equal(MixedArithmetic(fmt=FORMATS["float32"]).round(mixed), expected)


def test_a_cause_is_carried_on_until_another_one_makes_a_new_value() -> None:
    pole = Exact(0.0).log()
    for carried in (pole + 1.0, 1.0 - pole, -pole, abs(pole), pole * 2.0, pole / 2.0, pole.exp() + pole):
        assert carried.cause is Special.DIVISION_BY_ZERO
    assert (pole * 0.0).cause is Special.ZERO_TIMES_INFINITY
    assert (pole * 0.0 - math.inf).cause is Special.ZERO_TIMES_INFINITY
    assert (pole - pole).cause is Special.INFINITY_MINUS_INFINITY


def test_exponents_are_those_of_frexp() -> None:
    for x in draw(4, -300, 300):
        assert Exact(x).exponent() == math.frexp(x)[1] - 1
    assert Exact(1e300).exp().exponent() == pytest.approx(1e300 / math.log(2), rel=1e-15)


def correctly_rounded(x: Fraction, fmt: Format) -> float:
    """RN(x) by integer arithmetic; beyond the format inf, or NaN where there is none."""
    if x == 0:
        return 0.0
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > abs(x)
    ulp = Fraction(2) ** (max(exponent, fmt.min_exponent) - fmt.precision + 1)
    nearest = round(x / ulp) * ulp  # Python rounds a Fraction half to even
    if abs(nearest) <= Fraction(fmt.max):
        return float(nearest)
    return (math.inf if x > 0 else -math.inf) if fmt.has_infinity else math.nan


def hard_numbers(fmt: Format) -> Iterator[Fraction]:
    """Floats of the format, ties between neighbours, and what two roundings would get wrong: a tie ± very little."""
    rng = np.random.default_rng(5)
    exponents = [
        fmt.min_exponent,
        fmt.min_exponent + 1,
        0,
        fmt.max_exponent,
        *rng.integers(fmt.min_exponent, fmt.max_exponent, 20),
    ]
    for exponent in exponents:
        ulp = Fraction(2) ** (int(exponent) - fmt.precision + 1)
        low = Fraction(2) ** (fmt.precision - 1)
        for steps in (
            low,
            2 * low - 1,
            low + int(rng.integers(2**fmt.precision // 2)),
            Fraction(int(rng.integers(2**fmt.precision))),
        ):
            for offset in (Fraction(0), Fraction(1, 2)):
                for trap in (
                    0,
                    Fraction(1, 2**30),
                    Fraction(1, 2**60),
                    Fraction(1, 2**300),
                    Fraction(3, 4) * Fraction(2) ** (fmt.precision - 53),
                ):
                    yield (steps + offset + trap) * ulp
                    yield -(steps + offset - trap) * ulp
    smallest = Fraction(fmt.smallest_subnormal)
    yield from (smallest, smallest / 2, smallest / 2 + Fraction(1, 2**1400), smallest / 2**90, 3 * smallest / 2)
    yield from (Fraction(2) ** 1500, -(Fraction(2) ** 1024), Fraction(fmt.max) * 2, Fraction(1, 2**1300))


@formats
def test_rounding_to_a_format_is_correct(fmt: Format) -> None:
    arithmetic = MixedArithmetic(fmt=fmt)
    numbers = list(hard_numbers(fmt))
    exact = np.array([Exact(arb(x.numerator) / arb(x.denominator)) for x in numbers], dtype=object)
    with np.errstate(all="ignore"):
        rounded = arithmetic.round(exact)
    assert rounded.dtype == fmt.storage
    np.testing.assert_array_equal(rounded, [correctly_rounded(x, fmt) for x in numbers])


def test_rounding_flushes_and_saturates_as_the_format_does() -> None:
    fmt = FORMATS["float8_e4m3fn"]
    exact = np.array([Exact(x) for x in (1e9, -1e9, 448.0, 464.0, 2.0**-7, math.nan)], dtype=object)
    assert MixedArithmetic(fmt=fmt, fp8_overflow=Fp8Overflow.SATURATE).round(exact)[:4].tolist() == [448, -448, 448, 448]
    np.testing.assert_array_equal(MixedArithmetic(fmt=fmt).round(exact), [np.nan, np.nan, 448, 448, 2.0**-7, np.nan])
    assert MixedArithmetic(fmt=fmt, flush_subnormals=True).round(exact)[4] == 0
    narrow = MixedArithmetic(fmt=fmt).round(np.array([1e9, 0.3], dtype=np.float32))
    np.testing.assert_array_equal(narrow, [np.nan, 0.3125])


def test_rounding_keeps_the_shape() -> None:
    exact = to_exact_array(np.array([[0.1, 0.2], [0.3, -math.inf]]))
    expected = np.array([[0.1, 0.2], [0.3, -math.inf]], dtype=np.float32)
    np.testing.assert_array_equal(MixedArithmetic(fmt=FORMATS["float32"]).round(exact), expected)


def test_numbers_far_beyond_any_format_round_to_its_ends() -> None:
    for fmt in FORMATS.values():
        assert round_exact(Exact(1e300).exp(), fmt) == math.inf
        assert round_exact(-(Exact(1e300).exp()), fmt) == -math.inf
        assert round_exact(Exact(-1e300).exp(), fmt) == 0
    assert round_exact(Exact(-(arb(2) ** 1024)), FORMATS["float64"]) == -math.inf


@formats
def test_the_precision_tells_the_least_number_of_a_format_from_1(fmt: Format) -> None:
    with ctx.workprec(ExactArithmetic(fmt=fmt).precision_bits):
        least = 1.0 - (1.0 - Exact(fmt.smallest_subnormal))
        assert abs(least / fmt.smallest_subnormal - 1.0) < 2.0**-fmt.precision


def test_guards_are_constants_of_the_format_or_nothing() -> None:
    free, guarded = (ExactArithmetic(fmt=FORMATS["float16"], is_guarded=flag) for flag in (False, True))
    assert (free.has_guards, guarded.has_guards) == (False, True)
    assert free.constant(0.1) == 0.1
    assert guarded.constant(0.1) == float(np.float16(0.1))
    assert read(guarded.sum(to_exact_array(np.array([[1.0], [2.0**-60], [-1.0]])))[0]) == mpmath.mpf(2) ** -60


@pytest.mark.parametrize("order", Summation)
def test_sums_of_exact_numbers_are_rounded_in_any_order(order: Summation) -> None:
    """3 + 1 + 2^-3 in bfloat16 is 4.125, which 8 digits hold, whatever partial sum comes first."""
    exact = to_exact_array(np.array([[3.0], [1.0], [0.125]]))
    assert MixedArithmetic(fmt=FORMATS["bfloat16"], summation=order).sum(exact).tolist() == [4.125]
