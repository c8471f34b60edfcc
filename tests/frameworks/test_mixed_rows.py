"""Defects planted into PyTorch's cross-entropy that mix rows up: found, and named where a gradient has a name."""

from pathlib import Path

import pytest

import cestab

torch = pytest.importorskip("torch")
LOSSES = """
import torch
from torch.nn.functional import cross_entropy

def logits_gradient(z, y):
    return torch.softmax(z, 1) - torch.nn.functional.one_hot(y, z.shape[1])

class Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, y, backward, reduction):
        ctx.save_for_backward(z, y)
        ctx.planted, ctx.rows = backward, len(y) if reduction == "mean" else 1
        return cross_entropy(z, y, reduction=reduction)

    @staticmethod
    def backward(ctx, upstream):
        z, y = ctx.saved_tensors
        return ctx.planted(logits_gradient(z, y) / ctx.rows, upstream), None, None, None

def spread(upstream):
    return upstream[:, None] if upstream.ndim else upstream

def right(z, y, reduction="mean"):
    return Loss.apply(z, y, lambda g, u: g * spread(u), reduction)

def ignores_upstream(z, y, reduction="mean"):
    return Loss.apply(z, y, lambda g, u: g, reduction)

def rolls_upstream(z, y, reduction="mean"):
    return Loss.apply(z, y, lambda g, u: g * spread(u.roll(1) if u.ndim else u), reduction)

def first_row(z, y, reduction="mean"):
    return Loss.apply(z, y, lambda g, u: g * u if u.ndim == 0 and len(g) == 1 else g[:1].expand_as(g) * spread(u), reduction)

def rolls_rows(z, y, reduction="mean"):
    return Loss.apply(z, y, lambda g, u: (g * spread(u)).roll(1, 0), reduction)

def half_the_rows(z, y, reduction="mean"):
    def backward(g, u):
        g = (g * spread(u)).clone()
        g[len(g) // 2 + 1 :] = 0
        return g
    return Loss.apply(z, y, backward if reduction == "mean" else lambda g, u: g * spread(u), reduction)

def one_maximum(z, y, reduction="mean"):
    m = z.max() if reduction == "mean" else z.max(1, keepdim=True).values
    loss = torch.log(torch.exp(z - m).sum(1)) - (z - m).gather(1, y[:, None])[:, 0]
    return loss.mean() if reduction == "mean" else loss
"""


@pytest.mark.parametrize(
    ("function", "batch", "kind", "cause"),
    [
        ("right", 1, None, None),
        ("right", 4, None, None),
        ("ignores_upstream", 1, "wrong-gradient", "the upstream gradient is ignored"),
        ("rolls_upstream", 1, "wrong-gradient", "the upstream gradient of another row is taken"),
        ("rolls_rows", 4, "wrong-gradient", "the gradient is that of other classes, or of another row"),
        ("first_row", 4, "wrong-gradient", "the gradient is that of other classes, or of another row"),
        ("half_the_rows", 4, "vanishing-gradient", "not every row of a batch has a gradient"),
        ("one_maximum", 4, "nan-gradient", None),
    ],
)
def test_rows_that_are_mixed_up_are_found(
    tmp_path: Path, function: str, batch: int, kind: str | None, cause: str | None
) -> None:
    (tmp_path / "losses.py").write_text(LOSSES)
    report = cestab.sweep(
        f"torch:{tmp_path}/losses.py:{function}",
        dtypes="float32",
        logits="-200:200",
        patterns="margin",
        classes=3,
        targets="wrong",
        batch=batch,
    )
    (result,) = report.settings
    fails = [finding.kind.label for finding in result.findings if finding.kind.severity.value == "fail"]
    assert fails[:1] == ([] if kind is None else [kind])
    assert cause is None or [found.operation for found in report.causes] == [cause]
