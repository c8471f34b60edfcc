"""Real releases against what was found in them before (findings.json): verdicts, kinds, where hard ones begin."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from findings import BINARY, SOFTMAX, sweep, versions

for module in ("torch", "jax", "optax", "keras", "tensorflow"):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed", allow_module_level=True)

KEPT: dict[str, Any] = json.loads(Path(__file__).with_name("findings.json").read_text())


def test_the_releases_are_those_of_the_findings() -> None:
    assert versions() == KEPT["versions"]


def test_every_loss_has_findings_in_every_dtype() -> None:
    assert {row["formulation"] for row in KEPT["settings"]} == {*SOFTMAX, *BINARY}
    assert {(row["dtype"]) for row in KEPT["settings"]} == {"float16", "bfloat16", "float32", "float64"}


@pytest.mark.parametrize("name", [*SOFTMAX, *BINARY])
def test_a_release_behaves_as_before(name: str) -> None:
    kept = [row for row in KEPT["settings"] if row["formulation"] == name]
    found = sweep(name)
    for before, now in zip(kept, found, strict=True):
        where = (now["dtype"], now["pattern"], now["target"])
        assert (before["dtype"], before["pattern"], before["target"]) == where
        assert (before["verdict"], before["reason"]) == (now["verdict"], now["reason"]), where
        assert before["hard"] == now["hard"], where
        assert before["graded"].keys() == now["graded"].keys(), where
