"""What a target's process is asked for."""

from pathlib import Path

import numpy as np
import pytest

import cestab
from cestab.commands.resolve import make_arithmetics
from cestab.evaluation import compute
from cestab.evaluation.blocks import Cases
from cestab.evaluation.plan import group_by_options, plan_arithmetics
from cestab.external.evaluation import Work
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

MEAN = """
import numpy as np
def mean(z, target):
    rows = np.arange(len(z))
    log_p = z - z.max(axis=1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    gradient = np.exp(log_p)
    gradient[rows, target] -= 1
    return np.float32(-log_p[rows, target].astype(np.float32).mean()).astype(z.dtype), gradient / z.dtype.type(len(z))
"""


@pytest.mark.parametrize(("loss_scale", "is_supported"), [(65504.0, True), (65519.0, True), (65520.0, False), (1e6, False)])
def test_a_loss_scale_beyond_the_format_is_unsupported_though_the_mean_makes_it_small(
    loss_scale: float, tmp_path: Path, *, is_supported: bool
) -> None:
    """The largest float16 is 65504; from 65520 on, halfway to the next power of two, numbers round to inf."""
    (tmp_path / "losses.py").write_text(MEAN, encoding="utf-8")
    report = cestab.sweep(
        [f"{tmp_path}/losses.py:mean", "log-softmax"],
        dtypes="float16",
        batch=1024,
        loss_scales=loss_scale,
        classes=2,
        patterns="margin",
        targets="wrong",
        logits="-8:8:5",
    )
    target, own = report.settings
    assert own.verdict.is_judged
    assert target.verdict.is_judged is is_supported
    if not is_supported:
        assert target.verdict is Verdict.UNSUPPORTED
        assert target.reason == f"it gets the whole loss scale, and {loss_scale!r} is beyond float16"


def test_class_weights_are_numbers_of_the_dtype_as_in_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 in bfloat16 is 205/2048, whatever the target computes in."""
    asked: list[Work] = []

    def answer(_target: object, work: Work, _guard: object) -> tuple[object, None]:
        asked.append(work)
        return np.zeros(1, dtype=np.float32), None

    monkeypatch.setattr(compute, "evaluate_loss", answer)
    monkeypatch.setattr(compute, "refuse_other_objective", lambda *_: None)
    name = "torch:torch.nn.functional.cross_entropy:weight=0.1:2"
    (options,) = group_by_options([name])
    arithmetics = make_arithmetics({"dtypes": "bfloat16", "compute": "float32"})
    conditions = next(plan_arithmetics(arithmetics, SOFTMAX_CROSS_ENTROPY, options))
    formulation = find_any_formulation(name)
    assert isinstance(formulation, ExternalFormulation)
    cases = Cases(
        positions=np.zeros(1, dtype=np.int64),
        logits=np.zeros((2, 1), dtype=np.float32),
        target=IndexTarget(index=np.array([0])),
    )
    compute.compute_external(conditions, formulation, cases)
    assert asked[0].options.class_weights == (205 / 2048, 2.0)
    assert asked[0].fmt.name == "float32"
