"""cestab's formulations against PyTorch's own losses and gradients, recorded in torch_eager.json (see torch_eager.md)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab.formulations import Formulation, find_formulation
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.operations import exp, log, pick
from cestab.numerics.rounding import FloatArray, from_ordinal, to_ordinal
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import IndexTarget
from cestab.truth.tiers import evaluate_truth
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

Outcomes = dict[str, npt.NDArray[np.bool_]]

ENTRIES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("torch_eager.json").read_text())
SIXTEEN_BITS = [entry for entry in ENTRIES if FORMATS[entry["dtype"]].bits == 16]
FLOAT32 = [entry for entry in ENTRIES if entry["dtype"] == "float32"]
# In naive, an entry of the gradient is 0 earlier or later as exp(x) is formed once (cestab) or twice (the recording).
ONCE_OR_TWICE = ("naive", "grad_zero_any")
# In float32 the recording refines the first failing t only; the last is a point of its grid, less than 2^-6 below the
# true one. torch_boundaries.json has the exact one.
GRID_OF_LAST = 2.0**-6


def describe(entry: dict[str, Any]) -> str:
    return f"{entry['formulation']}-{entry['dtype']}-{entry['case']}"


def naive_with_two_exponentials(z: Array, target: IndexTarget) -> Array:
    """−pick(log(exp(z)/Σ exp(z))) as written in one expression."""
    return -pick(log(exp(z) / sum_over_classes(exp(z))), target)


def evaluate(formulation: Formulation, entry: dict[str, Any], t: FloatArray, fmt: Format) -> Outcomes:
    """Whether each outcome of the recording holds at each t."""
    zero = np.zeros_like(t)
    logits = np.stack((t, zero) if "[t,0]" in entry["case"] else (zero, t))
    target = IndexTarget(index=np.full(len(t), int(entry["case"][-1]), dtype=np.intp))
    with np.errstate(all="ignore"):
        loss, gradient = formulation.evaluate(logits, target, Arithmetic(fmt=fmt), 1.0)
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


def summarize(failing: npt.NDArray[np.bool_], t: FloatArray) -> dict[str, Any] | None:
    """What the recording says of an outcome that was tried on every t."""
    places = np.flatnonzero(failing)
    if not len(places):
        return None
    first, last = places[0], places[-1]
    return {
        "first": float(t[first]),
        "last": float(t[last]),
        "before_first": float(t[first - 1]),
        "contiguous": len(places) == last - first + 1,
    }


def read(recorded: dict[str, Any] | None) -> dict[str, Any] | None:
    if recorded is None:
        return None
    return {k: float.fromhex(recorded[k]) for k in ("first", "last", "before_first")} | {"contiguous": recorded["contiguous"]}


def every_float(fmt: Format) -> FloatArray:
    return from_ordinal(np.arange(int(to_ordinal(fmt.max, fmt)) + 1), fmt)


def test_the_recording_holds_every_combination() -> None:
    combinations = {(e["formulation"], e["dtype"], e["case"]) for e in ENTRIES}
    assert len(combinations) == len(ENTRIES) == 3 * 3 * 4
    assert sum(read(r) is not None for e in ENTRIES for r in e["failures"].values()) == 110


@pytest.mark.parametrize("entry", SIXTEEN_BITS, ids=describe)
def test_every_16_bit_float_fails_as_in_pytorch(entry: dict[str, Any]) -> None:
    fmt = FORMATS[entry["dtype"]]
    t = every_float(fmt)
    outcomes = evaluate(find_formulation(entry["formulation"]), entry, t, fmt)
    assert outcomes.keys() == entry["failures"].keys()
    for kind, recorded in entry["failures"].items():
        if (entry["formulation"], kind) != ONCE_OR_TWICE:
            assert summarize(outcomes[kind], t) == read(recorded), kind


@pytest.mark.parametrize("entry", [e for e in SIXTEEN_BITS if e["formulation"] == "naive"], ids=describe)
def test_naive_with_exp_formed_twice_loses_the_same_entries_as_in_pytorch(entry: dict[str, Any]) -> None:
    fmt = FORMATS[entry["dtype"]]
    t = every_float(fmt)
    twice = Formulation(name="twice", objective=SOFTMAX_CROSS_ENTROPY, recipe=naive_with_two_exponentials, source="")
    outcomes = evaluate(twice, entry, t, fmt)
    for kind, recorded in entry["failures"].items():
        assert summarize(outcomes[kind], t) == read(recorded), kind


def samples(entry: dict[str, Any], fmt: Format) -> FloatArray:
    """64 floats to either side of every recorded one, both ends of the range, and 200,000 seeded ones."""
    top = int(to_ordinal(fmt.max, fmt))
    rng = np.random.default_rng(40)
    ends = (int(to_ordinal(1.0, fmt)), int(to_ordinal(256.0, fmt)))
    ordinals = [np.arange(64), np.arange(top - 64, top + 1), rng.integers(0, top, 100_000), rng.integers(*ends, size=100_000)]
    for recorded in filter(None, map(read, entry["failures"].values())):
        centres = to_ordinal([recorded[k] for k in ("first", "last", "before_first")], fmt)
        ordinals += [np.arange(max(c - 64, 0), min(c + 64, top) + 1) for c in centres]
    return from_ordinal(np.unique(np.concatenate(ordinals)), fmt)


@pytest.mark.parametrize("entry", FLOAT32, ids=describe)
def test_float32_fails_as_in_pytorch_at_its_boundaries_and_among_200000_others(entry: dict[str, Any]) -> None:
    fmt = FORMATS["float32"]
    t = samples(entry, fmt)
    outcomes = evaluate(find_formulation(entry["formulation"]), entry, t, fmt)
    for kind, recorded in entry["failures"].items():
        if (entry["formulation"], kind) == ONCE_OR_TWICE:
            continue
        found, expected = summarize(outcomes[kind], t), read(recorded)
        if found is None or expected is None:
            assert found is expected, kind
            continue
        assert (found["first"], found["before_first"]) == (expected["first"], expected["before_first"]), kind
        failing = t[outcomes[kind]]
        assert expected["last"] in failing, kind
        assert 0 <= found["last"] - expected["last"] < GRID_OF_LAST, kind
