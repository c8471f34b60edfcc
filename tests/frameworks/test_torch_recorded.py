"""The torch adapter against PyTorch's behaviour as recorded without cestab (torch_eager.json): every 16-bit float."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab.external.evaluation import Work
from cestab.external.names import parse_external_name
from cestab.external.process.client import evaluate_loss
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import from_ordinal, to_ordinal
from cestab.numerics.target import IndexTarget
from cestab.truth.tiers import evaluate_truth
from cestab.vocabulary.external import DEFAULT_GUARD
from cestab.vocabulary.loss_options import NO_OPTIONS
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

pytest.importorskip("torch", reason="PyTorch is not installed")

TESTS = Path(__file__).parents[1]
LOSSES = TESTS / "data" / "torch_losses.py"
ENTRIES: list[dict[str, Any]] = json.loads((TESTS / "reference" / "torch_eager.json").read_text())
SIXTEEN_BITS = [entry for entry in ENTRIES if FORMATS[entry["dtype"]].bits == 16]


def describe(entry: dict[str, Any]) -> str:
    return f"{entry['formulation']}-{entry['dtype']}-{entry['case']}"


def find_outcomes(entry: dict[str, Any], t: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.bool_]]:
    fmt, zero = FORMATS[entry["dtype"]], np.zeros_like(t)
    logits = np.stack((t, zero) if "[t,0]" in entry["case"] else (zero, t))
    target = IndexTarget(index=np.full(len(t), int(entry["case"][-1]), dtype=np.intp))
    name = parse_external_name(f"torch:{LOSSES}:{entry['formulation'].split(':')[0].replace('-', '_')}")
    loss, gradient = evaluate_loss(
        name,
        Work(arithmetic=Arithmetic(fmt=fmt), logits=logits, target=target, upstream=1.0, options=NO_OPTIONS),
        DEFAULT_GUARD,
    )
    assert gradient is not None
    truth = evaluate_truth(SOFTMAX_CROSS_ENTROPY, logits, target, 1.0, precise=False)
    is_representable = np.abs(truth.gradient) >= fmt.smallest_subnormal
    return {
        "loss_inf": np.isinf(loss),
        "loss_nan": np.isnan(loss),
        "loss_zero": (loss == 0) & (truth.loss >= fmt.smallest_subnormal),
        "grad_nan": np.isnan(gradient).any(axis=0),
        "grad_inf": np.isinf(gradient).any(axis=0),
        "grad_zero_all": (gradient == 0).all(axis=0) & is_representable.any(axis=0),
        "grad_zero_any": ((gradient == 0) & is_representable).any(axis=0),
    }


def summarize(failing: npt.NDArray[np.bool_], t: npt.NDArray[Any]) -> tuple[float, float, float] | None:
    places = np.flatnonzero(failing)
    return (float(t[places[0]]), float(t[places[-1]]), float(t[places[0] - 1])) if len(places) else None


def read(recorded: dict[str, Any] | None) -> tuple[float, float, float] | None:
    return None if recorded is None else tuple(float.fromhex(recorded[k]) for k in ("first", "last", "before_first"))  # type: ignore[return-value]


@pytest.mark.parametrize("entry", SIXTEEN_BITS, ids=describe)
def test_every_16_bit_float_fails_as_recorded(entry: dict[str, Any]) -> None:
    fmt = FORMATS[entry["dtype"]]
    t = from_ordinal(np.arange(int(to_ordinal(fmt.max, fmt)) + 1), fmt)
    outcomes = find_outcomes(entry, t)
    assert {kind: summarize(outcomes[kind], t) for kind in entry["failures"]} == {
        kind: read(recorded) for kind, recorded in entry["failures"].items()
    }
