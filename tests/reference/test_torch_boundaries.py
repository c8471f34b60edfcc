"""Where PyTorch's losses and gradients become inf, NaN or zero, against cestab's, both signs of t: torch_boundaries.json.

Raw outcomes are compared, whatever the truth is. make_torch_boundaries.py made the recording and says how.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab.formulations import find_formulation
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import FloatArray, from_ordinal, hexadecimal, to_ordinal
from cestab.numerics.target import DenseTarget, IndexTarget, Target

RECORDED = json.loads(Path(__file__).with_name("torch_boundaries.json").read_text())
KINDS = ("loss_nan", "loss_inf", "loss_zero", "grad_nan", "grad_inf", "grad_zero_all")


def is_different_recipe(entry: dict[str, Any], kind: str) -> bool:
    """Whether PyTorch computes this outcome by another formula, so that agreement is not expected.

    bce-with-logits: PyTorch's loss is (1 − y)·x − log_sigmoid(x), which cancels to 0 from x = −33.3 in float64 (y = 0).
    """
    return entry["formulation"] == "bce-with-logits" and kind == "loss_zero"


def describe(entry: dict[str, Any]) -> str:
    return f"{entry['formulation']}-{entry['dtype']}-{entry['logits']}-{entry['label']}{entry['sign']:+d}"


def evaluate(entry: dict[str, Any], t: FloatArray, fmt: Format) -> dict[str, npt.NDArray[np.bool_]]:
    """Whether each kind of outcome holds at each t."""
    target: Target
    if entry["logits"] == "t":
        logits = t[np.newaxis].copy()
        target = DenseTarget(weights=np.full(logits.shape, entry["label"], dtype=fmt.storage))
    else:
        logits = np.stack((t, t if entry["logits"] == "t,t" else np.zeros_like(t)))
        target = IndexTarget(index=np.full(len(t), entry["label"], dtype=np.intp))
    with np.errstate(all="ignore"):
        loss, gradient = find_formulation(entry["formulation"]).evaluate(logits, target, Arithmetic(fmt=fmt), 1.0)
    outcomes = (np.isnan(loss), np.isinf(loss), loss == 0)
    whole = (np.isnan(gradient).any(axis=0), np.isinf(gradient).any(axis=0), (gradient == 0).all(axis=0))
    return dict(zip(KINDS, (*outcomes, *whole), strict=True))


def find_runs(failing: npt.NDArray[np.bool_], t: FloatArray) -> list[list[str]]:
    """First and last t of every run of failures."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], failing.astype(np.int8), [0]))))
    return [[hexadecimal(t[i]), hexadecimal(t[j - 1])] for i, j in zip(edges[::2], edges[1::2], strict=True)]


def samples(entry: dict[str, Any], fmt: Format) -> FloatArray:
    """Every float; or 64 to either side of the recorded ones, both ends of the range, and 40,000 seeded ones."""
    top = int(to_ordinal(fmt.max, fmt))
    if entry["exhaustive"]:
        return from_ordinal(np.arange(top + 1) * entry["sign"], fmt)
    rng = np.random.default_rng(41)
    ends = (int(to_ordinal(2.0**-4, fmt)), int(to_ordinal(2.0**11, fmt)))
    ordinals = [np.arange(64), np.arange(top - 64, top + 1), rng.integers(0, top, 10_000), rng.integers(*ends, size=30_000)]
    for edge in recorded_edges(entry):
        centre = abs(int(to_ordinal(edge, fmt)))
        ordinals.append(np.arange(max(centre - 64, 0), min(centre + 64, top) + 1))
    return from_ordinal(np.unique(np.concatenate(ordinals)) * entry["sign"], fmt)


def recorded_edges(entry: dict[str, Any]) -> Iterable[float]:
    for runs in (*entry["runs"].values(), [entry["flickers"][kind] for kind in entry["flickers"]]):
        for first, last in runs:
            yield from (float.fromhex(first), float.fromhex(last))


def test_the_recording_holds_every_ray() -> None:
    assert RECORDED["torch"] == "2.13.0+cpu"
    rays = {describe(entry) for entry in RECORDED["entries"]}
    assert len(rays) == len(RECORDED["entries"]) == 4 * 2 * (7 * 3 + 4 * 2)
    assert sum(len(runs) for entry in RECORDED["entries"] for runs in entry["runs"].values()) > 200


@pytest.mark.parametrize("entry", RECORDED["entries"], ids=describe)
def test_losses_and_gradients_fail_where_pytorchs_do(entry: dict[str, Any]) -> None:
    fmt = FORMATS[entry["dtype"]]
    t = samples(entry, fmt)
    outcomes = evaluate(entry, t, fmt)
    for kind in KINDS:
        if is_different_recipe(entry, kind):
            continue
        runs = find_runs(outcomes[kind], t)
        if kind in entry["flickers"]:  # in 16 bits every float was tried; else the recording knows the last of them
            first, last = entry["flickers"][kind]
            assert runs[-1][1] == last, kind
            assert not entry["exhaustive"] or runs[0][0] == first, kind
        else:
            assert runs == entry["runs"].get(kind, []), kind


def test_pytorchs_bce_with_logits_loses_a_loss_that_cestabs_keeps() -> None:
    """The exclusion above is a difference of formulas: at x = −34, y = 0 the true loss is exp(−34)."""
    entry = next(e for e in RECORDED["entries"] if describe(e) == "bce-with-logits-float64-t-0-1")
    first = float.fromhex(entry["runs"]["loss_zero"][0][0])
    assert -34 < first < -33
    assert not evaluate(entry, np.array([-34.0]), FORMATS["float64"])["loss_zero"].any()
