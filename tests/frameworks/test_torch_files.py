"""Files of torch.save: tensors of every format are read, nothing in them runs, damaged ones are one sentence."""

from pathlib import Path
from unittest.mock import Mock

import ml_dtypes
import numpy as np
import pytest
from recorded_files import BINARY, LABELS, LOGITS, RNG, ROWS, check, check_damage, refusal

from cestab.cases.files import torch_files


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_torch_writes_what_is_read(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = torch.tensor(LOGITS).to(getattr(torch, name)), torch.tensor(LABELS)
    known = logits.double().numpy()
    torch.save({"logits": logits, "labels": labels, "step": 3, "other": torch.zeros(2, 2)}, tmp_path / "a.pt")
    check(tmp_path / "a.pt", known)
    torch.save({"logits": logits.T, "labels": labels.int()}, tmp_path / "a.pt")  # not contiguous
    check(tmp_path / "a.pt", known, axis=0)
    torch.save(logits, tmp_path / "a.pt")
    torch.save(labels, tmp_path / "b.pt")
    check(tmp_path / "a.pt", known, apart=tmp_path / "b.pt")


def test_a_tensor_with_its_graph_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    logits = torch.tensor(LOGITS, requires_grad=True)
    torch.save({"logits": logits, "labels": torch.tensor(LABELS)}, tmp_path / "a.pt")
    check(tmp_path / "a.pt", LOGITS)


def test_binary_tensors_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    labels = RNG.random(ROWS).astype(ml_dtypes.bfloat16)
    own = torch.tensor(labels.astype(np.float32)).bfloat16()
    torch.save({"logits": torch.tensor(LOGITS[:, :1]), "labels": own}, tmp_path / "a.pt")
    check(tmp_path / "a.pt", LOGITS[:, 0], labels, objective=BINARY)


def test_torch_files_are_mapped_anew_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}, tmp_path / "a.pt")
    loads = Mock(side_effect=torch_files._load)  # noqa: SLF001  # what maps the file
    monkeypatch.setattr(torch_files, "MAPPED_BYTES", 1000)
    monkeypatch.setattr(torch_files, "_load", loads)
    check(tmp_path / "a.pt", LOGITS)
    assert loads.call_count > 5


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"logits": torch.tensor(LOGITS), "labels": Trap()}, tmp_path / "a.pt")
    assert "cannot be read" in refusal(tmp_path / "a.pt")
    assert "more than tensors" in refusal(tmp_path / "a.pt")
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "sprung").exists(), "the trap itself does not work"


def test_torch_files_that_do_not_fit_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, labels = tmp_path / "a.pt", torch.tensor(LABELS)
    assert "no file" in refusal(path)
    for content, word in (
        ({"logits": torch.tensor(LOGITS).to_sparse(), "labels": labels}, "no NumPy array"),
        ({"logits": torch.tensor(LOGITS).int(), "labels": labels}, "int32"),
        ({"logits": torch.tensor(LOGITS).to(torch.complex64), "labels": labels}, "complex64"),
        ({"labels": labels}, "logits"),
        ({"logits": LOGITS.tolist(), "labels": labels}, "logits"),
        ([torch.tensor(LOGITS), labels], "no arrays"),
        ({}, "no arrays"),
        ({"logits": torch.zeros(1, 10).expand(5, 10), "labels": labels}, "more elements than are stored"),
    ):
        torch.save(content, path)
        assert word in refusal(path)
    torch.save({"logits": torch.tensor(LOGITS), "labels": labels}, path, _use_new_zipfile_serialization=False)
    assert refusal(path).endswith(": it is no archive, as torch.save writes since PyTorch 1.6; save it anew")
    torch.save({"logits": torch.tensor(LOGITS), "labels": labels}, path)
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(path).endswith(": it is cut off: the list of members at its end is missing")


def test_damaged_torch_files_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    content = {"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}
    check_damage(tmp_path / "a.pt", lambda: torch.save(content, tmp_path / "a.pt"), damaged=110)
