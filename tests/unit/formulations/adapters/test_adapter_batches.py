"""Evaluating a NumPy target on batches: every case is a batch of equal rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cestab.formulations.adapters.callable import NumpyEngine
from cestab.formulations.adapters.engine import Numbers, TargetError
from cestab.formulations.adapters.evaluation import LoadedTarget, Work
from cestab.formulations.adapters.names import parse_target_name
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import IndexTarget, Target
from cestab.results import NO_OPTIONS, LossOptions, Reduction

FORMAT_NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
DATA = Path(__file__).parents[3] / "data" / "targets.py"
LOGITS = np.array([[1.0, -2.0, 0.5, 4.0, 3.0], [0.0, 3.0, 0.5, -4.0, 3.0], [2.0, 1.0, 0.25, 0.0, -8.0]])
INDEX = np.array([0, 1, 2, 1, 0])
Calls = list[tuple[Numbers, Numbers]]
Function = Callable[..., Any]


def target_of(function: Any, parameters: str = "") -> LoadedTarget:
    name = parse_target_name(f"python:m.f{':' if parameters else ''}{parameters}")
    return LoadedTarget(name, function, NumpyEngine(NumpyEngine.read_site(name)))


def work_of(
    target: Target | None = None,
    *,
    logits: Numbers = LOGITS,
    dtype: str = "float32",
    upstream: float = 1.0,
    options: LossOptions = NO_OPTIONS,
    **arithmetic: Any,
) -> Work:
    fmt = FORMATS[dtype]
    rounded = round_to_format(logits, fmt).astype(fmt.storage)
    return Work(Arithmetic(fmt, **arithmetic), rounded, target or IndexTarget(INDEX), upstream, options)


def evaluate(function: Any, work: Work | None = None, parameters: str = "") -> tuple[Numbers, Numbers | None]:
    return target_of(function, parameters).evaluate(work or work_of(), lambda: None)


def exact_loss(logits: Numbers = LOGITS, index: Numbers = INDEX) -> tuple[Numbers, Numbers]:
    """Loss and gradient, classes first, by the textbook in float64, which these small logits do no harm to."""
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    rows = np.arange(logits.shape[1])
    y = np.zeros_like(p)
    y[index, rows] = 1.0
    return -np.log(p[index, rows]), p - y


def recorded(calls: Calls, result: Function | None = None) -> Function:
    """A function that records what it is given; the loss is the row's first logit, without a gradient, unless told."""

    def function(z: Numbers, target: Numbers) -> Any:
        calls.append((z, target))
        return z[:, 0] if result is None else result(z, target)

    return function


BATCH = LossOptions(batch=4)


def test_every_case_is_a_batch_of_equal_rows_that_the_function_reduces() -> None:
    calls: Calls = []

    def reduce(z: Numbers, target: Numbers) -> Any:
        loss, gradient = exact_loss(z.T, target)
        return loss.mean(), gradient.T / len(z)

    loss, gradient = evaluate(recorded(calls, reduce), work_of(dtype="float64", options=BATCH))
    assert [z.shape for z, _ in calls] == [(4, 3)] * 5
    assert all((z == z[0]).all() and (y == y[0]).all() for z, y in calls)
    exact = exact_loss()
    assert np.allclose(loss, exact[0], rtol=1e-15)
    assert gradient is not None
    assert np.allclose(gradient, exact[1] / 4, rtol=0, atol=1e-15), "of one row"


@pytest.mark.parametrize("reduction", list(Reduction))
def test_losses_of_the_rows_of_a_batch_are_reduced_or_the_function_is_told_to(reduction: Reduction) -> None:
    options = LossOptions(batch=4, reduction=reduction)
    factor = 4 if reduction is Reduction.SUM else 1
    loss, _ = evaluate(lambda z, _: z[:, 0], work_of(options=options))
    assert loss.tolist() == (factor * LOGITS[0]).tolist()
    told: list[str] = []

    def own(z: Numbers, _: Numbers, *, reduction: str = "mean") -> Any:
        told.append(reduction)
        return z[:, 0] if reduction == "none" else getattr(z[:, 0], reduction)()

    assert evaluate(own, work_of(options=options))[0].tolist() == (factor * LOGITS[0]).tolist()
    assert set(told) == {reduction.value}
    assert evaluate(own)[0].tolist() == LOGITS[0].tolist()
    assert told[-1] == "none"


def test_every_second_row_of_a_batch_carries_the_ignore_index() -> None:
    calls: Calls = []
    options = LossOptions(batch=5, ignore_index=-1)
    evaluate(recorded(calls, lambda z, _: z[0, 0]), work_of(options=options), "order=logits-first")
    assert [y.tolist() for _, y in calls] == [[label, -1, label, -1, label] for label in INDEX.tolist()]


def test_a_batch_has_one_loss() -> None:
    with pytest.raises(TargetError, match=r"it returned a loss of shape \(4,\) for a batch; one number is needed"):
        evaluate(lambda z, _: (z[:, 0], z), work_of(options=BATCH))
