"""A NumPy target loaded in this process, what it is given, and the truth of small logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cestab.external.engines.base import Numbers
from cestab.external.engines.numpy import NumpyEngine
from cestab.external.evaluation import LoadedLoss, Work
from cestab.external.names import parse_external_name
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import IndexTarget, Target
from cestab.vocabulary.loss_options import NO_OPTIONS, LossOptions

FORMAT_NAMES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
DATA = Path(__file__).parents[2] / "data" / "targets.py"
LOGITS = np.array([[1.0, -2.0, 0.5, 4.0, 3.0], [0.0, 3.0, 0.5, -4.0, 3.0], [2.0, 1.0, 0.25, 0.0, -8.0]])
INDEX = np.array([0, 1, 2, 1, 0])
Calls = list[tuple[Numbers, Numbers]]
Function = Callable[..., Any]


def target_of(function: Any, parameters: str = "", path: str = "python:m.f") -> LoadedLoss:
    name = parse_external_name(f"{path}{':' if parameters else ''}{parameters}")
    return LoadedLoss(name=name, loaded=function, engine=NumpyEngine(NumpyEngine.read_site(name)))


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
    return Work(
        arithmetic=Arithmetic(fmt=fmt, **arithmetic),
        logits=rounded,
        target=target or IndexTarget(index=INDEX),
        upstream=upstream,
        options=options,
    )


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
