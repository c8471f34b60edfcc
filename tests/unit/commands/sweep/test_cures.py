"""Advice with trials: what cures a failure, what to keep, what was not asked for, and the code of a loss's own library."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cestab
from cestab.reports.troubles import show_short

LOSSES = """
import numpy as np
def loss(z, y):
    m = z.max(axis=1, keepdims=True)
    return (m[:, 0] + np.log(np.exp(z - m).sum(axis=1))) - z[np.arange(len(z)), y]
"""


def why(*names: str, **options: Any) -> str:
    usual: dict[str, Any] = {"patterns": "offset", "classes": 2, "targets": "correct"}
    [advice] = cestab.sweep(names, **(usual | options)).recommendations
    return f"{advice.formulation}: {advice.why}"


def test_wide_sums_or_a_wider_format_cure_what_fails_without() -> None:
    sums = why(
        *("log-softmax",), dtypes="bfloat16", summations="sequential", patterns="equal", classes=512, logits="0:1:3:linear"
    )
    assert sums.endswith("(not asked for: tried along); or log-softmax with --summation wide")
    both = why(
        *("log-softmax",),
        dtypes="float16",
        summations=["sequential", "wide"],
        patterns="margin",
        batch=4096,
        logits="1:1:1",
        targets="wrong",
    )
    assert both.endswith("or log-softmax with --summation wide")  # one of the two orders that were asked for
    wider = why("log-sum-exp", dtypes="bfloat16")
    assert wider.endswith("(not asked for: tried along); or log-sum-exp with --compute float32")
    assert not wider.startswith("log-sum-exp")


def test_what_is_asked_for_alone_and_does_not_fail_is_kept() -> None:
    assert why("compensated", dtypes="float32") == "compensated: keep it: passes in the one setting"
    assert "keep it" not in why("compensated", "naive", dtypes="float32")


def test_what_exists_for_contrast_is_replaced_not_cured() -> None:
    advice = why("naive", dtypes="bfloat16", patterns="margin")
    assert "--compute" not in advice
    assert "tried along" in advice


def test_a_loss_of_ones_own_is_cured_with_its_call(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(LOSSES)
    advice = why(f"{tmp_path}/losses.py:loss", dtypes="float16", logits="0:3000:9")
    assert advice.startswith("log-softmax: which is torch.nn.functional.cross_entropy, passes")
    assert f"; or {tmp_path}/losses.py:loss with --compute float32: loss(logits.astype(np.float32), target)" in advice


def test_an_audit_tries_along(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", logits=np.array([[100.0, 0.0], [0.0, 100.0]]), labels=np.array([1, 1]))
    report = cestab.audit(str(tmp_path / "rows.npz"), formulations="naive", dtypes="float32")
    [advice] = report.recommendations
    assert advice.formulation in ("log-softmax", "compensated")
    assert advice.why.endswith("passes in every row (not asked for: tried along)")
    assert [result.setting.formulation for result in report.settings] == ["naive"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0, "0"), (8.0625, "8.06"), (0.0123, "0.0123"), (371.9, "372"), (4096.0, "4096"), (4194304.0, "4e6"), (5e-38, "5e-38")],
)
def test_numbers_of_a_table_have_six_characters(number: float, shown: str) -> None:
    assert show_short(number) == shown
