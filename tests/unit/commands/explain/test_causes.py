"""Incidents: each cause with a step that has it and a near miss that has not."""

import math
from collections.abc import Iterator

import pytest
from flint import ctx

from cestab.commands.explain.answer import Cause
from cestab.commands.explain.causes import Step, find_incident, is_origin, measure_ulps
from cestab.numerics.exact_numbers import Exact
from cestab.numerics.formats import FORMATS
from cestab.numerics.operations import ADD_GUARD, LOG, LOG1P, STOPPED
from cestab.numerics.tape import ADD, DIVIDE, MULTIPLY, SUBTRACT, Primitive
from cestab.numerics.tape import SUM as TOTAL

CLIP = Primitive("clip({}, 1e-07, 0.9999999)", is_guard=True, is_clip=True)
PRODUCT, QUOTIENT, SUM, DIFFERENCE = MULTIPLY, DIVIDE, ADD, SUBTRACT
INF, NAN = math.inf, math.nan
INFINITE, ZERO = Exact(INF), Exact(0.0)


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with ctx.workprec(400):
        yield


def make_step(
    operation: Primitive | str,
    operands: tuple[float, ...],
    computed: float,
    local: Exact | float,
    *,
    exact: Exact | float | None = None,
    has_right_operands: bool = False,
    dtype: str = "float32",
) -> Step:
    """A step whose exact value is the local one unless another is given."""
    fmt = FORMATS[dtype]
    own = local if isinstance(local, Exact) else Exact(local)
    right = own if exact is None else exact if isinstance(exact, Exact) else Exact(exact)
    return Step(
        operation=Primitive(operation) if isinstance(operation, str) else operation,
        operands=operands,
        has_right_operands=has_right_operands,
        computed=computed,
        local=own,
        exact=right,
        error_ulps=measure_ulps(computed, right, fmt),
        fmt=fmt,
    )


FIRES = [
    # exp(100) is 2.7e43, float32 ends at 3.4e38
    (make_step("exp({})", (100.0,), INF, 2.688e43), Cause.OVERFLOW, "overflow: float32 ends at 3.403e+38"),
    # saturating, 500 becomes the largest number: an overflow that leaves no infinity
    (make_step(SUM, (448.0, 52.0), 448.0, 500.0, dtype="float8_e4m3fn"), Cause.OVERFLOW, "overflow: float8_e4m3fn ends at 448"),
    (make_step(SUM, (448.0, 52.0), NAN, 500.0, dtype="float8_e4m3fn"), Cause.OVERFLOW, "overflow: float8_e4m3fn ends at 448"),
    (make_step(PRODUCT, (0.0, INF), NAN, ZERO * INFINITE), Cause.ZERO_TIMES_INFINITY, "0 × inf"),
    (make_step(QUOTIENT, (INF, INF), NAN, INFINITE / INFINITE), Cause.ZERO_TIMES_INFINITY, "inf / inf"),
    (make_step(DIFFERENCE, (INF, INF), NAN, INFINITE - INFINITE), Cause.INFINITY_MINUS_INFINITY, "inf − inf"),
    (make_step(QUOTIENT, (-1.0, 0.0), -INF, Exact(-1.0) / ZERO), Cause.DIVISION_BY_ZERO, "-1.0 / 0.0"),
    (make_step(QUOTIENT, (0.0, 0.0), NAN, ZERO / ZERO), Cause.DIVISION_BY_ZERO, "0.0 / 0.0"),
    (make_step(LOG, (0.0,), -INF, ZERO.log()), Cause.DIVISION_BY_ZERO, "log of 0"),
    (make_step(LOG1P, (-1.0,), -INF, Exact(-1.0).log1p()), Cause.DIVISION_BY_ZERO, "log of 0"),
    (make_step(CLIP, (2e-9,), 1e-7, 1e-7, exact=2e-9), Cause.CLIPPED, "clipped from 2e-09"),
    (make_step(STOPPED, (-1e7, 2e-9), 0.0, 0.0, exact=-5e8), Cause.CLIPPED, "the clip lets no gradient pass"),
    (make_step(ADD_GUARD, (1e-13, 1e-7), 1e-7, 1e-7, exact=1e-13), Cause.CLIPPED, "eps takes the place of 1e-13"),
    (make_step("exp({})", (-104.0,), 0.0, 6.8e-46), Cause.UNDERFLOW, "underflow to 0"),
    # half of float32's smallest normal number: 23 of 24 digits are left
    (
        make_step("exp({})", (-88.0,), 2.0**-127, 2.0**-127 * (1 + 2**-23)),
        Cause.UNDERFLOW,
        "underflow: subnormal, digits are lost",
    ),
    (make_step(SUM, (300.0, 0.69), 300.0, 300.69, dtype="bfloat16"), Cause.ABSORPTION, "absorption: 0.69 is lost in 300.0"),
    # 1 is absorbed by 2^24 in float32, though every term is as large as the others
    (make_step(TOTAL, (2.0**24, 1.0, 1.0), 2.0**24, 2.0**24 + 2), Cause.ABSORPTION, "absorption: 1.0 is lost in 16777216.0"),
    # a sequential sum of 600 ones in bfloat16 stops at 256, where the spacing is 2 and 257 is a tie
    (
        make_step(TOTAL, (1.0,) * 600, 256.0, 600.0, dtype="bfloat16"),
        Cause.ABSORPTION,
        "absorption: 1.0 is lost in 256.0",
    ),
    (
        make_step(TOTAL, (16.0,) * 7, 64.0, 112.0, dtype="float8_e5m2"),
        Cause.ABSORPTION,
        "absorption: terms are lost in partial sums",
    ),
    # 300.69 was rounded to 300 before: what is left of 0.69 is nothing
    (make_step(DIFFERENCE, (300.0, 300.0), 0.0, 0.0, exact=0.69), Cause.CANCELLATION, "cancellation of every digit"),
    (make_step(DIFFERENCE, (1000.5, 1000.0), 0.5, 0.5, exact=0.53), Cause.CANCELLATION, "cancellation of 3 digits"),
    (make_step(DIFFERENCE, (10.5, 10.0), 0.5, 0.5, exact=0.53), Cause.CANCELLATION, "cancellation of 1 digit"),
    (make_step(QUOTIENT, (1.0, 3.0), 0.33333334, Exact(1.0) / 3.0), Cause.ROUNDING, ""),
]
NEAR_MISSES = [
    make_step("exp({})", (0.0,), 1.0, 1.0),
    make_step(SUM, (400.0, 48.0), 448.0, 448.0, dtype="float8_e4m3fn"),
    make_step(PRODUCT, (1.0, INF), INF, INFINITE),
    make_step(PRODUCT, (0.0, 5.0), 0.0, 0.0),
    make_step(DIFFERENCE, (INF, 1.0), INF, INFINITE),
    make_step(QUOTIENT, (0.0, 1.0), 0.0, 0.0),
    make_step(CLIP, (0.5,), 0.5, 0.5),
    make_step(STOPPED, (-2.0, 0.5), -2.0, -2.0),
    make_step(STOPPED, (0.0, 1e-9), 0.0, 0.0),
    make_step(SUM, (300.0, 0.0), 300.0, 300.0),
    make_step(DIFFERENCE, (1000.5, 1000.0), 0.5, 0.5),  # nothing was lost before, so nothing shows
    make_step("exp({})", (-87.0,), 2.0**-126, 2.0**-126),
]


@pytest.mark.parametrize(("step", "cause", "words"), FIRES)
def test_an_operation_that_did_it_is_told(step: Step, cause: Cause, words: str) -> None:
    assert find_incident(step) == (cause, words)


@pytest.mark.parametrize("step", NEAR_MISSES)
def test_an_operation_that_did_no_harm_is_not(step: Step) -> None:
    assert find_incident(step)[0] is None


def test_every_cause_is_among_those_that_fire() -> None:
    assert {cause for _, cause, _ in FIRES} == set(Cause)


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        # the bounds of a clip are 1 ulp off, as 1 − 1e-7 is rounded: no more than a rounding
        (make_step(CLIP, (1.0,), 0.99999994, 0.99999994, exact=1.0), None),
        (make_step("exp({})", (-87.0,), 2.0**-126, 2.0**-126 * (1 + 2**-25)), Cause.ROUNDING),
        (make_step(SUM, (300.0, 3.0), 304.0, 303.0, dtype="bfloat16"), Cause.ROUNDING),
        (make_step("exp({})", (88.7,), 3.3e38, 3.31e38), Cause.ROUNDING),
        (make_step(TOTAL, (1.0,) * 257, 256.0, 257.0, dtype="bfloat16"), Cause.ROUNDING),
    ],
)
def test_a_rounding_is_only_a_rounding(step: Step, cause: Cause | None) -> None:
    assert find_incident(step)[0] is cause


def test_what_is_given_is_carried_on() -> None:
    assert find_incident(make_step("−{}", (INF,), -INF, -INFINITE)) == (None, "carries -inf on")
    assert find_incident(make_step("exp({})", (NAN,), NAN, Exact(NAN))) == (None, "carries nan on")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (make_step("exp({})", (100.0,), INF, 2.688e43), True),  # right operands: its own overflow
        (make_step("exp({})", (100.0,), INF, 2.688e43, exact=1.0), False),  # exp(0) was to be taken: its operand was wrong
        (make_step(LOG, (0.0,), -INF, ZERO.log(), exact=-104.0), False),  # the 0 came from elsewhere
        (make_step(PRODUCT, (0.0, INF), NAN, ZERO * INFINITE), True),  # not even exact arithmetic has a result
        (make_step(SUM, (300.0, 0.69), 300.0, 300.69, dtype="bfloat16"), True),
        (make_step(DIFFERENCE, (300.0, 300.0), 0.0, 0.0, exact=0.69), False),  # cancellation shows what was lost before
        (make_step(CLIP, (2e-9,), 1e-7, 1e-7, exact=2e-9), True),
        (make_step(QUOTIENT, (1.0, 3.0), 0.33333334, Exact(1.0) / 3.0), True),
        (make_step(QUOTIENT, (1.0, 3.0), 0.33333334, Exact(1.0) / 3.0, exact=0.5), False),
        (make_step("exp({})", (0.0,), 1.0, 1.0), False),
    ],
)
def test_an_origin_made_its_error_itself(step: Step, *, expected: bool) -> None:
    assert is_origin(step) is expected


def test_a_product_with_a_weight_of_0_is_an_origin_where_its_operands_are_right() -> None:
    """The truth leaves out what has weight 0: 0·(−inf) is 0 there, and NaN in any format."""
    for has_right_operands in (True, False):
        step = make_step(PRODUCT, (-INF, 0.0), NAN, INFINITE * ZERO, exact=0.0, has_right_operands=has_right_operands)
        assert is_origin(step) is has_right_operands


def test_what_is_not_known_is_no_origin() -> None:
    assert not is_origin(make_step(LOG, (0.5,), -0.69, Exact(0.5).log(), exact=NAN))
    assert not is_origin(make_step(LOG, (0.5,), -0.69, Exact(NAN), exact=-0.69))


def test_errors_are_in_ulps_at_the_exact_value() -> None:
    fmt = FORMATS["float32"]
    assert measure_ulps(1.0, Exact(1.0) + 2.0**-23, fmt) == 1  # above 1 an ulp is 2^-23
    assert measure_ulps(1.0, Exact(1.0) - 2.0**-24, fmt) == 1  # below 1 it is half of that
    assert measure_ulps(2.0**-149, ZERO, fmt) == 1  # at 0 and among subnormals it is 2^-149
    assert measure_ulps(2.0**-149, Exact(2.0**-147), fmt) == 3
    assert measure_ulps(0.0, Exact(2.0**-200), fmt) == 2.0**-51
    assert math.isnan(measure_ulps(INF, Exact(1.0), fmt))
    assert math.isnan(measure_ulps(1.0, INFINITE, fmt))
