"""Powers against PyTorch 2.14.1's eager ones (recorded below), means over classes against their definition."""

from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.exact_numbers import Exact, ExactArithmetic, Special, to_exact_array
from cestab.numerics.formats import FORMATS
from cestab.numerics.operations import mean_over_classes, power
from cestab.numerics.rounding import round_to_format
from cestab.numerics.tape import Tape
from cestab.vocabulary.kinds import Summation

INF = float("inf")
BASES = [0.0, 2.0**-10, 0.3, 0.7, 1.0, 1.5]
# (dtype, exponent): values and derivatives of torch.tensor(BASES).to(dtype) ** exponent; without bfloat16's exponent −1/2,
# which it computes as 1/sqrt(a) with the root rounded in short arrays and not in long ones
TORCH = {
    ("bfloat16", 0.0): ([1.0] * 6, [0.0] * 6),
    ("bfloat16", 2.0): (
        [0.0, 9.5367431640625e-07, 0.09033203125, 0.48828125, 1.0, 2.25],
        [0.0, 0.001953125, 0.6015625, 1.3984375, 2.0, 3.0],
    ),
    ("bfloat16", 3.5): (
        [0.0, 2.9103830456733704e-11, 0.01495361328125, 0.28515625, 1.0, 4.125],
        [0.0, 1.043081283569336e-07, 0.173828125, 1.4296875, 3.5, 9.625],
    ),
    ("float16", 0.5): (
        [0.0, 0.03125, 0.5478515625, 0.8369140625, 1.0, 1.224609375],
        [INF, 16.0, 0.91259765625, 0.59765625, 0.5, 0.408203125],
    ),
    ("float16", 3.5): (
        [0.0, 0.0, 0.01479339599609375, 0.287353515625, 1.0, 4.1328125],
        [0.0, 0.0, 0.172607421875, 1.435546875, 3.5, 9.6484375],
    ),
}


@pytest.mark.parametrize(("key", "expected"), TORCH.items(), ids=str)
def test_a_power_and_its_derivative_are_pytorchs(key: tuple[str, float], expected: tuple[list[float], list[float]]) -> None:
    dtype, exponent = key
    fmt = FORMATS[dtype]
    tape = Tape(arithmetic=Arithmetic(fmt=fmt))
    base = tape.variable(round_to_format(np.array(BASES).reshape(1, -1), fmt), "a")
    with np.errstate(all="ignore"):
        result = power(base, exponent)
        gradient = tape.gradient(result, base, tape.constant(1.0))
    assert (result.value[0].tolist(), gradient.value[0].tolist()) == expected


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [(2.0, 3.0, 8.0), (0.25, -0.5, 2.0), (0.0, 0.0, 1.0), (0.0, 0.5, 0.0), (INF, 2.0, INF), (INF, -1.0, 0.0), (INF, 0.0, 1.0)],
)
def test_an_exact_power_is_ieees(base: float, exponent: float, expected: float) -> None:
    result = Exact(base) ** exponent
    assert (float(result.ball) if result.ball is not None else result.special) == expected


def test_an_exact_power_of_0_below_0_is_a_division_by_zero() -> None:
    result = Exact(0.0) ** -1.0
    assert (result.special, result.cause) == (INF, Special.DIVISION_BY_ZERO)


def test_a_power_of_what_may_be_0_is_not_known() -> None:
    with ctx.workprec(64):
        assert not (Exact(arb(0, 2.0**-60)) ** 0.5).is_known


@pytest.mark.parametrize(
    ("summation", "expected"), [(Summation.WIDE, 0.75), (Summation.PAIRWISE, 0.75), (Summation.SEQUENTIAL, 0.640625)]
)
def test_a_mean_is_a_sum_in_its_order_divided_once(summation: Summation, expected: float) -> None:
    """The sequential sum of 400 times 3/4 in bfloat16 ends at 256, where the spacing is 2; 256/400 rounds to 0.640625."""
    tape = Tape(arithmetic=Arithmetic(fmt=FORMATS["bfloat16"], summation=summation))
    v = tape.variable(np.full((400, 2), 0.75, dtype=np.float32), "v")
    mean = mean_over_classes(v)
    assert mean.value.tolist() == [expected] * 2
    gradient = tape.gradient(mean, v, tape.constant(1.0)).value
    assert gradient.shape == (400, 2)
    assert set(gradient.reshape(-1).tolist()) == {float(round_to_format(np.array([1 / 400]), FORMATS["bfloat16"])[0])}


def test_a_mean_of_exact_numbers_is_exact() -> None:
    tape: Any = Tape(arithmetic=ExactArithmetic(fmt=FORMATS["float32"]))
    mean = mean_over_classes(tape.variable(to_exact_array(np.array([[1.0], [2.0], [6.0]])), "v"))
    assert mean.value[0] == 3.0
