"""Rounded operations and sums against fractions; error bounds of sums from Higham, Accuracy and Stability, section 4.2."""

import math
import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, from_ordinal, to_ordinal
from cestab.vocabulary.kinds import Fp8Overflow, Summation

NARROW = [fmt for fmt in FORMATS.values() if fmt.is_narrow]
SUMMED = [FORMATS[name] for name in ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")]


def ids(fmt: Format) -> str:
    return fmt.name


def rounded(exact: Fraction, fmt: Format) -> float:
    """The nearest number of the format, ties to even; the overflow result beyond max."""
    if exact == 0:
        return 0.0
    quotient = abs(exact)
    exponent = quotient.numerator.bit_length() - quotient.denominator.bit_length()
    exponent -= quotient < Fraction(2) ** exponent
    spacing = Fraction(2) ** (max(exponent, fmt.min_exponent) - fmt.precision + 1)
    nearest = round(quotient / spacing) * spacing
    beyond = math.inf if fmt.has_infinity else math.nan
    return math.copysign(1.0, exact) * (beyond if nearest > Fraction(fmt.max) else float(nearest))


def operands(fmt: Format, seed: int) -> tuple[list[float], list[float]]:
    """Pairs over the whole range, pairs of similar size, and pairs whose sums and products are near the ends."""
    rng = np.random.default_rng(seed)
    top = int(to_ordinal(fmt.max, fmt))
    a, b = rng.integers(-top, top + 1, (2, 1500))
    near = np.clip(a + rng.integers(-200, 200, 1500), -top, top)
    edges = rng.choice([1, 2, 3, -1, top, top - 1, -top], 300)
    first = from_ordinal(np.concatenate((a, a, edges)), fmt)
    second = from_ordinal(np.concatenate((b, near, rng.permutation(edges))), fmt)
    return first.tolist(), second.tolist()


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("fmt", NARROW, ids=ids)
def test_basic_operations_of_narrow_formats_are_correctly_rounded(
    fmt: Format, operation: Callable[[Fraction, Fraction], Fraction]
) -> None:
    pairs = [(a, b) for a, b in zip(*operands(fmt, 30), strict=True) if b != 0]
    a, b = (np.array(side, dtype=np.float32) for side in zip(*pairs, strict=True))
    with np.errstate(all="ignore"):
        result = Arithmetic(fmt=fmt).round(operation(a, b))  # type: ignore[arg-type]
    expected = [rounded(operation(Fraction(p), Fraction(q)), fmt) for p, q in pairs]
    np.testing.assert_array_equal(result, np.array(expected, dtype=np.float32))
    assert len(pairs) > 3000


@pytest.mark.parametrize("fmt", NARROW, ids=ids)
def test_float64_values_are_rounded_once(fmt: Format) -> None:
    x = 1 + fmt.unit_roundoff + 2.0**-40
    result = Arithmetic(fmt=fmt).round(np.array([x, -x]))
    assert result.tolist() == [1 + 2 * fmt.unit_roundoff, -1 - 2 * fmt.unit_roundoff]
    assert result.dtype == np.float32


def test_a_constant_is_a_number_of_the_format() -> None:
    assert float(Arithmetic(fmt=FORMATS["float16"]).constant(1e-8)) == 0.0
    assert float(Arithmetic(fmt=FORMATS["float32"]).constant(1 - 1e-8)) == 1.0
    assert float(Arithmetic(fmt=FORMATS["float64"]).constant(1 - 1e-8)) == 1 - 1e-8
    assert float(Arithmetic(fmt=FORMATS["bfloat16"]).constant(1 + 2**-8 + 2**-40)) == 1.0078125
    assert Arithmetic(fmt=FORMATS["float16"]).constant(1.0).shape == ()


def test_overflow_of_e4m3fn_is_nan_or_saturates() -> None:
    fmt = FORMATS["float8_e4m3fn"]
    x = np.array([448, 464, 465, -465, 1e30, np.inf, -np.inf, np.nan, 1], dtype=np.float32)
    nan = math.nan
    np.testing.assert_array_equal(Arithmetic(fmt=fmt).round(x), [448, 448, nan, nan, nan, nan, nan, nan, 1])
    saturating = Arithmetic(fmt=fmt, fp8_overflow=Fp8Overflow.SATURATE)
    np.testing.assert_array_equal(saturating.round(x), [448, 448, 448, -448, 448, 448, -448, nan, 1])
    np.testing.assert_array_equal(saturating.round(x.astype(np.float64)), saturating.round(x))


def test_a_format_with_infinity_never_saturates() -> None:
    fmt = FORMATS["float8_e5m2"]
    x = np.array([57344, 61439, 61440, -61440, np.inf], dtype=np.float32)
    with np.errstate(over="ignore"):
        result = Arithmetic(fmt=fmt, fp8_overflow=Fp8Overflow.SATURATE).round(x)
    np.testing.assert_array_equal(result, [57344, 57344, np.inf, -np.inf, np.inf])


@pytest.mark.parametrize("fmt", SUMMED, ids=ids)
def test_flushing_happens_after_rounding(fmt: Format) -> None:
    tiny = fmt.smallest_normal
    x = np.array([tiny, tiny - fmt.smallest_subnormal, -fmt.smallest_subnormal, 1.0], dtype=fmt.storage)
    np.testing.assert_array_equal(
        Arithmetic(fmt=fmt, flush_subnormals=True).round(x), np.array([tiny, 0, 0, 1], dtype=fmt.storage)
    )
    np.testing.assert_array_equal(Arithmetic(fmt=fmt).round(x), x)


@pytest.mark.parametrize("fmt", NARROW, ids=ids)
def test_a_number_that_rounds_up_to_the_smallest_normal_is_not_flushed(fmt: Format) -> None:
    x = np.array([fmt.smallest_normal - fmt.smallest_subnormal / 4])
    assert Arithmetic(fmt=fmt, flush_subnormals=True).round(x).tolist() == [fmt.smallest_normal]


def test_flushing_applies_to_partial_sums() -> None:
    fmt = FORMATS["float16"]
    column = np.full((8, 1), fmt.smallest_normal / 4, dtype=np.float32)
    for summation, expected in (
        (Summation.SEQUENTIAL, 0.0),
        (Summation.PAIRWISE, 0.0),
        (Summation.WIDE, 2 * fmt.smallest_normal),
    ):
        assert Arithmetic(fmt=fmt, summation=summation, flush_subnormals=True).sum(column).tolist() == [expected]


def test_sums_of_ones_stagnate_in_sequence_only() -> None:
    ones = np.ones((300, 2), dtype=np.float32)
    sums = {order: Arithmetic(fmt=FORMATS["bfloat16"], summation=order).sum(ones).tolist() for order in Summation}
    assert sums == {Summation.SEQUENTIAL: [256, 256], Summation.PAIRWISE: [300, 300], Summation.WIDE: [300, 300]}


def tree(column: list[Fraction], fmt: Format) -> Fraction:
    """Pairwise: the first half plus the second, entry by entry, the middle one of an odd number waits at the end."""
    while len(column) > 1:
        half, odd = divmod(len(column), 2)
        middle = column[half : half + odd]
        column = [Fraction(rounded(column[i] + column[half + odd + i], fmt)) for i in range(half)] + middle
    return column[0]


@pytest.mark.parametrize("fmt", SUMMED[2:], ids=ids)
@pytest.mark.parametrize("classes", [1, 2, 3, 5, 8, 13])
def test_sums_are_those_of_fractions_rounded_in_the_same_order(fmt: Format, classes: int) -> None:
    rng = np.random.default_rng(31)
    block = Arithmetic(fmt=fmt).round(rng.standard_normal((classes, 200)).astype(np.float32) * 4)
    sequential = Arithmetic(fmt=fmt, summation=Summation.SEQUENTIAL).sum(block)
    pairwise = Arithmetic(fmt=fmt, summation=Summation.PAIRWISE).sum(block)
    wide = Arithmetic(fmt=fmt, summation=Summation.WIDE).sum(block)
    for case, column in enumerate(block.T.tolist()):
        exact = [Fraction(x) for x in column]
        running = exact[0]
        for x in exact[1:]:
            running = Fraction(rounded(running + x, fmt))
        assert sequential[case] == running
        assert pairwise[case] == tree(exact, fmt)
        assert wide[case] == rounded(sum(exact, Fraction(0)), fmt), "such sums are exact in float32"


@pytest.mark.parametrize("order", Summation)
@pytest.mark.parametrize("fmt", SUMMED, ids=ids)
@pytest.mark.parametrize("classes", [1, 2, 3, 7, 8, 9, 129, 1000])
def test_a_sum_does_not_depend_on_the_shape_of_its_block(fmt: Format, order: Summation, classes: int) -> None:
    rng = np.random.default_rng(32)
    arithmetic = Arithmetic(fmt=fmt, summation=order)
    block = arithmetic.round(
        (rng.standard_normal((classes, 17)) * 2.0 ** rng.integers(-4, 2, (classes, 17))).astype(fmt.storage)
    )
    sums = arithmetic.sum(block)
    assert sums.shape == (17,)
    for case in range(17):
        column = np.ascontiguousarray(block[:, case : case + 1])
        np.testing.assert_array_equal(arithmetic.sum(column), sums[case : case + 1])
    np.testing.assert_array_equal(arithmetic.sum(np.asfortranarray(block)), sums)


def relative_error(total: FloatArray, column: FloatArray) -> float:
    """Error of a sum over Σ|x|, in exact arithmetic."""
    exact = math.fsum(column[:, 0].tolist())
    return abs(float(total[0]) - exact) / math.fsum(np.abs(column[:, 0]).tolist())


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1000, 131_072])
def test_pairwise_error_grows_with_the_logarithm_only(name: str, classes: int) -> None:
    fmt = FORMATS[name]
    column = np.random.default_rng(33).uniform(0.1, 1, (classes, 1)).astype(fmt.storage)
    bound = math.ceil(math.log2(classes)) * fmt.unit_roundoff * 1.001
    for order in (Summation.PAIRWISE, Summation.WIDE):
        assert relative_error(Arithmetic(fmt=fmt, summation=order).sum(column), column) <= bound
    sequential = relative_error(Arithmetic(fmt=fmt, summation=Summation.SEQUENTIAL).sum(column), column)
    assert sequential <= (classes - 1) * fmt.unit_roundoff * 1.001


def test_sequential_float32_sum_of_many_equal_terms_drifts_beyond_the_pairwise_bound() -> None:
    fmt, classes = FORMATS["float32"], 131_072
    column = np.full((classes, 1), 0.1, dtype=np.float32)
    sequential = relative_error(Arithmetic(fmt=fmt, summation=Summation.SEQUENTIAL).sum(column), column)
    assert sequential > 10 * math.log2(classes) * fmt.unit_roundoff
    assert relative_error(Arithmetic(fmt=fmt).sum(column), column) == 0, "2^17 equal terms are doubled without rounding"


@pytest.mark.parametrize("order", Summation)
@pytest.mark.parametrize("fmt", SUMMED, ids=ids)
def test_equal_rows_are_reduced_as_if_they_were_there(fmt: Format, order: Summation) -> None:
    arithmetic = Arithmetic(fmt=fmt, summation=order)
    losses = arithmetic.round(np.random.default_rng(33).uniform(-4, 4, 40).astype(fmt.storage))
    for rows in (1, 2, 3, 4, 5, 6, 7, 11, 13, 64, 100, 333, 1000):
        repeated = np.repeat(losses[np.newaxis], rows, axis=0)
        for is_mean, expected in ((False, arithmetic.sum(repeated)), (True, arithmetic.mean(repeated))):
            np.testing.assert_array_equal(arithmetic.reduce_rows(losses, rows, is_mean=is_mean), expected)


def test_a_mean_divides_before_it_rounds_only_where_sums_are_wide() -> None:
    """16384 losses of 8 add up to twice what float16 holds, in sequence to 16384; 1000 ones to 256 in bfloat16."""
    fmt, loss = FORMATS["float16"], np.full(1, 8, dtype=np.float32)
    with np.errstate(over="ignore"):
        means = {
            order: Arithmetic(fmt=fmt, summation=order).reduce_rows(loss, 16384, is_mean=True).tolist() for order in Summation
        }
    assert means == {Summation.SEQUENTIAL: [1], Summation.PAIRWISE: [math.inf], Summation.WIDE: [8]}
    ones = Arithmetic(fmt=FORMATS["bfloat16"], summation=Summation.SEQUENTIAL).reduce_rows(
        np.ones(1, dtype=np.float32), 1000, is_mean=False
    )
    assert ones.tolist() == [256]
