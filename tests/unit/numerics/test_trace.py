"""The tracing tape: every step is kept, in order, and given results take the place of computed ones."""

from typing import Any

import numpy as np
import pytest

from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.exact_numbers import Exact, ExactArithmetic, MixedArithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.operations import exp, log
from cestab.numerics.rounding import FloatArray
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.trace import TracingTape

FLOAT32 = FORMATS["float32"]


def trace(arithmetic: Arithmetic, replaced: dict[int, FloatArray] | None = None) -> tuple[TracingTape, Array, Array]:
    """Log Σ exp z at z = (1, 2), its gradient by the chain rule."""
    tape = TracingTape(arithmetic=arithmetic, replaced=replaced or {})
    z = tape.variable(np.array([[1.0], [2.0]], dtype=np.float32), "z")
    loss = log(sum_over_classes(exp(z)))
    return tape, loss, tape.gradient(loss, z, tape.constant(1.0))


def test_forward_and_backward_steps_are_kept_in_order() -> None:
    tape, loss, gradient = trace(Arithmetic(fmt=FLOAT32))
    assert [step.operation.template for step in tape.steps] == ["exp({})", "Σ {}", "log({})", "{}", "{} / {}", "{}", "{}·{}"]
    assert (tape.steps[2], tape.steps[-1]) == (loss, gradient)
    assert [value.tolist() for value in tape.results] == [step.value.tolist() for step in tape.steps]


def test_a_given_result_takes_the_place_of_the_computed_one_from_there_on() -> None:
    tape, loss, _ = trace(Arithmetic(fmt=FLOAT32), {1: np.array([1.0], dtype=np.float32)})
    assert loss.value.tolist() == [0.0]  # log 1
    assert tape.steps[1].value.tolist() == [1.0]
    assert tape.results[1][0] == pytest.approx(np.exp(1) + np.exp(2), rel=1e-6)  # what it would have been


def test_an_exact_result_in_a_rounded_run_is_rounded_only_by_what_uses_it() -> None:
    """Σ = e + 2^-40, which no float32 is: log of it is 1 + 2^-40/e, and that rounds to 1."""
    total: Any = np.array([Exact(1.0).exp() + 2.0**-40], dtype=object)
    tape, loss, gradient = trace(MixedArithmetic(fmt=FLOAT32), {1: total})
    assert isinstance(tape.steps[1].value[0], Exact)
    assert MixedArithmetic(fmt=FLOAT32).round(loss.value).tolist() == [1.0]
    rounded = MixedArithmetic(fmt=FLOAT32).round(gradient.value)
    assert rounded[0, 0] == pytest.approx(1.0, rel=2**-23)


def test_every_number_of_an_exact_run_is_exact() -> None:
    tape, _, gradient = trace(ExactArithmetic(fmt=FLOAT32))
    for values in [*(step.value for step in tape.steps), *tape.results, gradient.value]:
        assert all(isinstance(item, Exact) for item in values.reshape(-1))


def test_ancestors_are_what_a_result_depends_on() -> None:
    tape, loss, gradient = trace(Arithmetic(fmt=FLOAT32))
    assert tape.ancestors(loss) == {0, 1, 2}
    assert tape.ancestors(gradient) == {0, 1, 3, 4, 5, 6}  # not the value of the loss
    assert tape.ancestors(loss, gradient) == set(range(7))


def test_sources_are_seen_through_renamed_values() -> None:
    tape, _, _ = trace(Arithmetic(fmt=FLOAT32))
    assert list(tape.sources(0)) == []  # an input is no step
    assert sorted(tape.sources(2)) == [1]
    assert sorted(tape.sources(4)) == [1]  # 1/Σ: the incoming 1 is a constant
    assert sorted(tape.sources(6)) == [0, 4]  # g·exp z, g repeated over the classes
