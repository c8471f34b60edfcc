"""A root cause in a few words, for a line under a table: the operation in a textbook's symbols, and what went wrong in it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.commands.explain.answer import Cause
from cestab.commands.explain.case import take_single
from cestab.commands.explain.replay import Replay, find_precision
from cestab.commands.explain.root_cause import find_root
from cestab.commands.explain.steps import Steps
from cestab.evaluation.evaluate import case_weights
from cestab.evaluation.recognition import recognize_gradient
from cestab.external.engines.base import ExternalError, UnsupportedError
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.numerics.exact_numbers import Exact
from cestab.truth.balls import precision
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import ExplainRequest

_VERBS = {
    Cause.INFINITY_MINUS_INFINITY: "is inf − inf",
    Cause.ZERO_TIMES_INFINITY: "is 0·inf",
    Cause.DIVISION_BY_ZERO: "divides by 0",
    Cause.OVERFLOW: "overflows",
    Cause.UNDERFLOW: "underflows",
    Cause.ABSORPTION: "loses what is small in it",
    Cause.CANCELLATION: "cancels",
    Cause.ROUNDING: "is rounded",
}
Values = npt.NDArray[Any]
_SYMBOL = re.compile(r"\b[vg]\d+\b")


def describe_cause(request: ExplainRequest, kind: FindingKind) -> str | None:
    """Return the cause of a case's worst finding, of this kind, e.g. `−y / p overflows`; None where no operation is to blame.

    Of an external loss, whose operations are not seen, it is what a wrong gradient is at benign cases.
    """
    formulation = find_any_formulation(request.formulation)
    single = take_single(request)
    if isinstance(formulation, ExternalFormulation):
        with suppress(ExternalError, UnsupportedError):
            return None if kind.is_loss else recognize_gradient(single.conditions, formulation, len(single.cases.logits))
        return None
    replay = Replay(conditions=single.conditions, formulation=formulation, cases=single.cases)
    with precision(find_precision(single.conditions, single.cases)):
        steps = Steps(replay=replay)
        root = find_root(replay, steps)
        if root is None:
            return None
        meanings = find_meanings(replay, steps)
    expression = root.cause.operation.partition(" = ")[2]
    named = _SYMBOL.sub(lambda match: meanings.get(match[0], match[0]), expression)
    if root.cause.cause is not Cause.CLIPPED:
        return f"{named} {_VERBS[root.cause.cause]}"
    if "eps(" in expression:
        return f"eps takes the place of {named.partition(' + ')[0]}"
    return (
        "the clip lets no gradient pass"
        if "not clipped" in expression
        else f"the clip holds {named.partition(',')[0].removeprefix('clip(')}"
    )


def find_meanings(replay: Replay, steps: Steps) -> dict[str, str]:
    """Return what each step that has a symbol is called, where its exact values are those of a quantity with a name."""
    quantities = _name_quantities(replay)
    meanings = {}
    for index in replay.steps():
        symbol = steps.formula(index)[0]
        value = _to_floats(replay.exact.tape.steps[index].value)
        name = next((name for name, known in quantities.items() if _is_same(value, known)), None)
        if name is not None:
            meanings[symbol] = name
    return meanings


def _name_quantities(replay: Replay) -> Mapping[str, Values]:
    z = replay.cases.logits.astype(np.float64)
    y = np.array(case_weights(replay.cases.target, 0, len(z)))[:, np.newaxis]
    with np.errstate(all="ignore"):
        if len(z) == 1:
            p = 1 / (1 + np.exp(-z))
            q = 1 / (1 + np.exp(z))
            return {"(−y / p)": -y / p, "p": p, "(1 − p)": q, "log p": np.log(p), "log(1 − p)": np.log(q), "−y": -y, "y": y}
        m = np.max(z, axis=0, keepdims=True)
        total = np.sum(np.exp(z - m), axis=0, keepdims=True)
        p = np.exp(z - m) / total
        return {
            "(−y / p)": -y / p,
            "p": p,
            "log p": (z - m) - np.log(total),
            "lse": m + np.log(total),
            "m": m,
            "Σ exp(z − m)": total,
            "Σ exp(z)": np.exp(m) * total,
            "log Σ exp(z − m)": np.log(total),
            "exp(z)": np.exp(z),
            "exp(z − m)": np.exp(z - m),
            "(z − m)": z - m,
            "−y": -y,
            "y": y,
            "(p − y)": p - y,
        }


def _to_floats(value: Values) -> Values:
    numbers = [float(x.ball) if isinstance(x, Exact) and x.ball is not None else np.nan for x in value.reshape(-1)]
    return np.array(numbers).reshape(value.shape)


def _is_same(value: Values, known: Values) -> bool:
    if value.size != known.size or not np.all(np.isfinite(known)):
        return False
    return bool(np.allclose(value.reshape(-1), known.reshape(-1), rtol=1e-9, atol=0.0))
