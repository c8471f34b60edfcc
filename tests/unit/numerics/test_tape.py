"""Primitives of the tape against PyTorch's eager ones, recorded in tests/reference/torch_primitives.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.numerics import operations as t
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, round_to_format, to_ordinal
from cestab.numerics.tape import Array, Tape, sum_over_classes
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.vocabulary.kinds import Summation

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "torch_primitives.json").read_text())["dtypes"]
SIXTEEN_BITS = ("float16", "bfloat16")

UNARY: dict[str, Callable[[Array], Array]] = {
    "exp": t.exp,
    "log": t.log,
    "log1p": t.log1p,
    "expm1": t.expm1,
    "neg": lambda x: -x,
    "abs": abs,
    "reciprocal": t.reciprocal,
    "sigmoid": t.sigmoid,
    "clip": lambda x: t.clip(x, -0.5, 1.5, closed=True),  # PyTorch 2.13 still has the closed rule
}
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": t.maximum,
    "where": lambda a, b: t.where(np.arange(len(a.value)) % 3 == 0, a, b),
}
OVER_CLASSES: dict[str, Callable[[Array], Array]] = {
    "softmax": t.softmax,
    "sum": sum_over_classes,
    "amax": lambda z: t.max_over_classes(z, differentiable=True),
    "pick": lambda z: t.pick(z, IndexTarget(index=np.arange(z.value.shape[1]) % len(z.value))),
    "sub-sum": lambda z: z - sum_over_classes(z),
}
TRANSCENDENTAL = ("exp", "log", "log1p", "expm1", "sigmoid", "softmax")

formats = pytest.mark.parametrize("fmt", [FORMATS[name] for name in RECORDED], ids=lambda fmt: fmt.name)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Overflow and invalid operations are what is tested."""
    with np.errstate(all="ignore"):
        yield


def read(texts: list[Any], fmt: Format) -> FloatArray:
    rows = (
        [[float.fromhex(x) for x in row] for row in texts] if isinstance(texts[0], list) else [float.fromhex(x) for x in texts]
    )
    return np.array(rows, dtype=fmt.storage)


def distance(x: FloatArray, y: FloatArray, fmt: Format) -> FloatArray:
    """How many floats of the format lie between x and y; 0 for two NaN, inf for one; inf is next to max."""
    ordinals = [to_ordinal(np.where(np.isnan(v), 0, v), fmt).astype(np.float64) for v in np.broadcast_arrays(x, y)]
    return np.where(np.isnan(x) == np.isnan(y), np.abs(ordinals[0] - ordinals[1]), np.inf)


def assert_same(x: FloatArray, y: FloatArray) -> None:
    """Equal numbers, NaN in the same places, zeros of the same sign."""
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(np.signbit(x)[y == 0], np.signbit(y)[y == 0])


def run_unary(name: str, fmt: Format) -> tuple[Array, Array, FloatArray, FloatArray]:
    """Input, result, upstream gradient and gradient."""
    tape, inputs = Tape(arithmetic=Arithmetic(fmt=fmt)), RECORDED[fmt.name]["unary"]
    x, upstream = tape.variable(read(inputs["x"], fmt), "x"), read(inputs["upstream"], fmt)
    result = UNARY[name](x)
    return x, result, upstream, tape.gradient(result, x, tape.variable(upstream, "x")).value


@formats
@pytest.mark.parametrize("name", ["neg", "abs", "reciprocal", "clip"])
def test_exact_functions_are_pytorchs_bit_for_bit(name: str, fmt: Format) -> None:
    x, result, _, gradient = run_unary(name, fmt)
    recorded = RECORDED[fmt.name]["unary"][name]
    assert_same(result.value, read(recorded["value"], fmt))
    known = ~np.isnan(x.value) if name == "abs" else np.ones(x.value.shape, dtype=bool)  # PyTorch's sign of NaN is 0
    assert_same(gradient[known], read(recorded["gradient"], fmt)[known])


@formats
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "sigmoid"])
def test_values_of_transcendental_functions_are_pytorchs(name: str, fmt: Format) -> None:
    """Each library is within 1 to 2 ulp in float32 and float64; rounded to 16 bits they agree."""
    _, result, _, _ = run_unary(name, fmt)
    allowed = 0 if fmt.name in SIXTEEN_BITS else 2
    assert np.max(distance(result.value, read(RECORDED[fmt.name]["unary"][name]["value"], fmt), fmt)) <= allowed


@formats
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "sigmoid"])
def test_derivatives_of_transcendental_functions_are_pytorchs(name: str, fmt: Format) -> None:
    _, result, upstream, gradient = run_unary(name, fmt)
    recorded = read(RECORDED[fmt.name]["unary"][name]["gradient"], fmt)
    if name in ("log", "log1p") or (fmt.name in SIXTEEN_BITS and (fmt.name, name) != ("float16", "sigmoid")):
        assert_same(gradient, recorded)
        return
    np.testing.assert_array_equal(np.isnan(gradient), np.isnan(recorded))
    np.testing.assert_array_equal(np.isinf(gradient), np.isinf(recorded))
    # A result off by 2 ulp ≤ 4u relative enters as g·r, g·(r + 1) or g·(1 − s)·s, and two roundings add 2u.
    # In float16 PyTorch's sigmoid rounds each of three steps, this tape once: 3u·|g·s|.
    scale = 1 + np.abs(result.value) if name == "expm1" else np.abs(result.value)
    bound = 8 * fmt.unit_roundoff * np.abs(upstream) * scale + 2 * fmt.smallest_subnormal
    finite = np.isfinite(recorded) & np.isfinite(bound)
    assert np.all(np.abs(gradient - recorded)[finite] <= bound[finite])


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_sigmoid_rounds_once_where_float16_of_pytorch_rounds_every_step(name: str) -> None:
    fmt = FORMATS[name]
    _, result, upstream, gradient = run_unary("sigmoid", fmt)
    s, wide = result.value.astype(np.float64), upstream.astype(np.float64)
    if name == "float16":
        assert_same(gradient, round_to_format(wide * (1 - s) * s, fmt))
    steps = round_to_format(round_to_format(upstream * round_to_format(1 - result.value, fmt), fmt) * result.value, fmt)
    recorded = read(RECORDED[name]["unary"]["sigmoid"]["gradient"], fmt)
    if name == "float16":
        np.testing.assert_array_equal(steps, recorded)
    else:
        assert_same(gradient, steps)


@formats
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_are_pytorchs_bit_for_bit(name: str, fmt: Format) -> None:
    tape, inputs = Tape(arithmetic=Arithmetic(fmt=fmt)), RECORDED[fmt.name]["binary"]
    a, b = (tape.variable(read(inputs[side], fmt), "x") for side in "ab")
    upstream, recorded = read(inputs["upstream"], fmt), inputs[name]
    result = BINARY[name](a, b)
    assert_same(result.value, read(recorded["value"], fmt))
    is_nan = np.isnan(a.value) | np.isnan(b.value)
    known = ~is_nan if name == "maximum" else np.ones(is_nan.shape, dtype=bool)  # PyTorch passes g to both where one is NaN
    for side, variable in (("gradient_a", a), ("gradient_b", b)):
        assert_same(
            tape.gradient(result, variable, tape.variable(upstream, "x")).value[known], read(recorded[side], fmt)[known]
        )


@formats
@pytest.mark.parametrize("name", ["sum", "amax", "pick", "sub-sum"])
def test_reductions_over_classes_are_pytorchs_bit_for_bit(name: str, fmt: Format) -> None:
    tape, inputs = Tape(arithmetic=Arithmetic(fmt=fmt)), RECORDED[fmt.name]["over_classes"]
    z, recorded = tape.variable(read(inputs["z"], fmt), "x"), inputs[name]
    result = OVER_CLASSES[name](z)
    np.testing.assert_array_equal(result.value, read(recorded["value"], fmt))
    gradient = np.broadcast_to(
        tape.gradient(result, z, tape.variable(read(recorded["upstream"], fmt), "x")).value, z.value.shape
    )
    np.testing.assert_array_equal(gradient, read(recorded["gradient"], fmt))


@formats
def test_softmax_is_pytorchs(fmt: Format) -> None:
    """exp within 2 ulp, a sum of five and a division: 2 + 2 + 3/2 ulp; exact once rounded to 16 bits."""
    tape, inputs = Tape(arithmetic=Arithmetic(fmt=fmt)), RECORDED[fmt.name]["over_classes"]
    z, recorded = tape.variable(read(inputs["z"], fmt), "x"), inputs["softmax"]
    result, upstream = t.softmax(z), read(recorded["upstream"], fmt)
    gradient = tape.gradient(result, z, tape.variable(upstream, "x")).value
    values, gradients = read(recorded["value"], fmt), read(recorded["gradient"], fmt)
    if fmt.name in SIXTEEN_BITS:
        np.testing.assert_array_equal(result.value, values)
        np.testing.assert_array_equal(gradient, gradients)
        return
    assert np.max(distance(result.value, values, fmt)) <= 5
    np.testing.assert_array_equal(np.isnan(gradient), np.isnan(gradients))
    magnitude = np.abs(upstream) + np.sum(np.abs(upstream) * values, axis=0)
    bound = 24 * fmt.unit_roundoff * values * magnitude + fmt.smallest_subnormal  # p off by 10u, twice, and four roundings
    assert np.all((np.abs(gradient - gradients) <= bound)[np.isfinite(gradients)])


def make(values: list[Any], name: str = "float32", summation: Summation = Summation.WIDE) -> Array:
    fmt = FORMATS[name]
    return Tape(arithmetic=Arithmetic(fmt=fmt, summation=summation)).variable(np.array(values, dtype=fmt.storage), "x")


def gradient_of(result: Array, variable: Array, upstream: float = 1.0) -> list[Any]:
    gradient: list[Any] = result.tape.gradient(result, variable, result.tape.constant(upstream)).value.tolist()
    return gradient


def test_clip_passes_its_gradient_strictly_inside_or_on_the_bounds_too() -> None:
    x = make([-1.0, 0.25, 0.5, 0.75, 2.0, np.nan])
    assert gradient_of(t.clip(x, 0.25, 0.75), x, 3.0) == [0, 0, 3, 0, 0, 0]
    assert gradient_of(t.clip(x, 0.25, 0.75, closed=True), x, 3.0) == [0, 3, 3, 3, 0, 0]
    np.testing.assert_array_equal(t.clip(x, 0.25, 0.75).value, [0.25, 0.25, 0.5, 0.75, 0.75, np.nan])


def test_bounds_of_clip_are_numbers_of_the_format() -> None:
    p = make([0.0, 0.5, 1.0], "float16")
    assert t.clip(p, 1e-8, 1 - 1e-8).value.tolist() == [0.0, 0.5, 1.0]
    assert gradient_of(t.clip(p, 1e-8, 1 - 1e-8), p) == [0, 1, 0]


def test_equal_maxima_share_the_gradient() -> None:
    z = make([[2.0, 1.0], [2.0, 3.0], [0.0, 3.0], [2.0, 3.0]])
    peak = t.max_over_classes(z, differentiable=True)
    third = float(np.float32(1) / np.float32(3))
    assert gradient_of(peak, z) == [[third, 0], [third, third], [0, third], [third, third]]
    assert gradient_of(t.maximum(z, 2.0), z, 6.0) == [[3, 0], [3, 6], [0, 6], [3, 6]]


def test_no_gradient_flows_through_a_detached_maximum_a_replaced_entry_or_a_subtracted_target() -> None:
    z = make([[2.0, 1.0], [0.5, 3.0]])
    target = IndexTarget(index=np.array([1, 0]))
    assert gradient_of(t.max_over_classes(z), z) == [[0, 0], [0, 0]]
    replaced = t.with_entry(z, target, 7.0)
    assert replaced.value.tolist() == [[2, 7], [7, 3]]
    assert gradient_of(replaced, z) == [[0, 0], [0, 0]]
    difference = t.subtract_target(z, target)
    assert difference.value.tolist() == [[2, 0], [-0.5, 3]]
    assert gradient_of(difference, z) == [[0, 0], [0, 0]]
    dense = t.subtract_target(z, DenseTarget(weights=np.array([[0.25, 1.0], [0.75, 0.0]], dtype=np.float32)))
    assert dense.value.tolist() == [[1.75, 0], [-0.25, 3]]


def test_pick_of_a_dense_target_forms_every_product() -> None:
    v = make([[-np.inf, -1.0], [-2.0, -np.inf], [-4.0, -3.0]])
    weights = np.array([[0.0, 0.5], [0.5, 0.25], [0.5, 0.25]], dtype=np.float32)
    picked = t.pick(v, DenseTarget(weights=weights))
    np.testing.assert_array_equal(picked.value, [np.nan, -np.inf])
    assert gradient_of(picked, v, 2.0) == (2 * weights).tolist()
    assert t.pick(v, IndexTarget(index=np.array([1, 2]))).value.tolist() == [-2.0, -3.0]


def test_python_numbers_on_either_side_are_rounded_to_the_format() -> None:
    x = make([0.5, 2.0], "float16")
    assert (x + 1e-8).value.tolist() == [0.5, 2.0]
    assert (1.0 - x).value.tolist() == [0.5, -1.0]
    assert (1.0 / x).value.tolist() == [2.0, 0.5]
    assert (0.1 * x).value.tolist() == [float(np.float16(0.1)) / 2, float(np.float16(0.1)) * 2]
    assert gradient_of(1.0 - x, x) == [-1, -1]
    assert gradient_of(1.0 / x, x) == [-4, -0.25]


def test_contributions_to_one_variable_are_added_and_rounded() -> None:
    x = make([1.0], "bfloat16")
    assert gradient_of(x * 256.0 + x + x, x) == [258.0], "(1 + 1) + 256, the last contribution first, as PyTorch 2.13 does"
    assert gradient_of(x + x + x * 256.0, x) == [256.0], "(256 + 1) + 1, each a tie that rounds down"


def test_a_gradient_to_a_broadcast_value_is_summed_in_the_order_of_the_setting() -> None:
    for order, expected in ((Summation.SEQUENTIAL, -256.0), (Summation.WIDE, -300.0)):
        z = make([[0.0]] * 300, "bfloat16", order)
        shift = z.tape.variable(np.zeros(1, dtype=np.float32), "x")
        assert gradient_of(z - shift, shift) == [expected]


def test_a_variable_that_the_loss_does_not_use_has_gradient_zero() -> None:
    x = make([1.0, 2.0])
    other = x.tape.variable(x.value, "x")
    assert gradient_of(t.exp(x), other) == [0, 0]
    assert gradient_of(x, x) == [1, 1]


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e4m3fnuz", "float32"])
def test_an_infinite_bound_of_a_clip_is_none_in_every_format(name: str) -> None:
    x = make([-8.0, 0.5, 8.0], name)
    clipped = t.clip(x, -4.0, np.inf)
    assert clipped.value.tolist() == [-4.0, 0.5, 8.0]
    assert clipped.value.dtype == FORMATS[name].storage
    assert gradient_of(clipped, x) == [0, 1, 1]
    assert t.clip(x, -np.inf, 4.0).value.tolist() == [-8.0, 0.5, 4.0]
