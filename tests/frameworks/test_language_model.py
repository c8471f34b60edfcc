"""A language model's logits, 4 × 128 × 32,000 in bfloat16, in every kind of file: what audit says of them, beside PyTorch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cestab
from cestab.capture import record
from cestab.commands.sweep.answer import Report
from cestab.vocabulary.recorded import Quantity, Safety

SHAPE = (4, 128, 32_000)
IGNORED = -100


def draw(torch: Any) -> tuple[Any, Any]:
    """Return logits that a network is fairly sure of, with an offset per row, and labels, some of which are ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SHAPE, generator=generator) * 3 + 20 * torch.rand(SHAPE[:2], generator=generator)[..., None]
    labels = torch.randint(0, SHAPE[-1], SHAPE[:2], generator=generator)
    logits.scatter_add_(2, labels[..., None], torch.full((*SHAPE[:2], 1), 12.0))
    labels[:, 120:] = IGNORED
    return logits.bfloat16(), labels


def save_safetensors(path: Path, logits: Any, labels: Any) -> Path:
    with record(path.with_suffix(".safetensors")) as keep:
        keep(logits, labels)
    return path.with_suffix(".safetensors")


def save_pt(path: Path, logits: Any, labels: Any) -> Path:
    torch = pytest.importorskip("torch")
    torch.save({"outputs": logits, "y_true": labels}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def save_npz(path: Path, logits: Any, labels: Any) -> Path:
    np.savez(path.with_suffix(".npz"), logits.float().numpy(), labels.numpy())
    return path.with_suffix(".npz")


def save_parquet(path: Path, logits: Any, labels: Any) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = logits.float().numpy().reshape(-1, SHAPE[-1])
    lists = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.reshape(-1)), SHAPE[-1])
    table = arrow.table({"logits": lists, "labels": arrow.array(labels.numpy().reshape(-1))})
    parquet.write_table(table, path.with_suffix(".parquet"), row_group_size=64)
    return path.with_suffix(".parquet")


def audit(file: Path, **options: Any) -> Report:
    return cestab.audit(str(file), formulations="log-softmax", **options)


@pytest.mark.parametrize("save", [save_safetensors, save_pt, save_npz, save_parquet], ids=lambda save: save.__name__)
def test_every_kind_of_file_has_the_same_answer_and_it_is_that_of_torch(save: Callable[..., Path], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = draw(torch)
    report = audit(save(tmp_path / "a", logits, labels), dtypes="bfloat16")
    assert (report.rows, report.ignored_rows) == (512, 32)
    portrait = report.portrait
    assert portrait is not None
    kept = logits.double()[:, :120].reshape(-1, SHAPE[-1])
    assert portrait.rows == 480
    assert portrait.extremes[Quantity.LARGEST_LOGIT] == kept.max()
    assert portrait.extremes[Quantity.SPREAD] == (kept.max(dim=1).values - kept.min(dim=1).values).max()
    (setting,), (conclusion,) = report.settings, report.conclusions
    assert setting.effect is not None
    exact = torch.nn.functional.cross_entropy(logits.double().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    assert setting.effect.mean_loss == pytest.approx(float(exact), rel=1e-5)
    assert setting.effect.loss_error is not None
    assert setting.effect.loss_error < 0.01
    assert conclusion.safety is Safety.SAFE


def test_rows_have_the_index_of_their_token(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = draw(torch)
    logits[2, 7, 5] = float("nan")
    report = audit(save_pt(tmp_path / "a", logits, labels), dtypes="bfloat16")
    (finding,) = report.data[0].findings
    assert (finding.kind.label, str(finding.first)) == ("nan-logits", "row 263 (2, 7)")
    assert report.conclusions[0].safety is Safety.NOT_SAFE
