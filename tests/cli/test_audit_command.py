"""What `cestab audit` says of the rows that it read, and what `cestab capture` prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Command = Callable[..., Any]


def test_an_audit_of_drawn_rows_says_so(cestab: Command) -> None:
    digits = str(Path(__file__).parents[1] / "data" / "digits_logits.npz")
    sample = ("audit", digits, "-f", "naive", "--dtype", "float16", "--sample", "50")
    headline = " ".join(cestab(*sample, "--seed", "7").out.split())
    assert "50 rows · sample of 50, seed 7" in headline
    report = json.loads(cestab(*sample, "--json").out)
    assert (report["request"]["sample"], report["request"]["seed"], report["summary"]["rows"]) == (50, 0, 50)
    assert json.loads(cestab(*sample[:-2], "--json").out)["request"]["sample"] is None


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_capture_prints_python_that_names_the_recorder(framework: str, cestab: Command) -> None:
    status, out, err = cestab("capture", framework)
    assert (status, err) == (0, "")
    compile(out, "snippet", "exec")
    assert "from cestab.capture import record" in out
    assert cestab("capture").out == cestab("capture", "torch").out


def test_an_audit_says_how_many_rows_no_formulation_was_judged_by(cestab: Command, tmp_path: Path) -> None:
    file = tmp_path / "logits.npz"
    logits = np.array([[1.0, 2.0], [np.nan, 1.0], [1e6, 0.0], [3.0, 1.0]])  # 1e6 is beyond float16, not beyond float32
    np.savez(file, logits=logits, labels=np.array([0, 1, 0, -100]))
    headline = " ".join(cestab("audit", str(file), "-f", "naive", "--dtype", "float16,float32").out.split())
    assert "4 rows, 1 ignored, up to 2 not judged" in headline
