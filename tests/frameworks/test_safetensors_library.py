"""safetensors: what its library writes cestab reads, and what cestab records the library reads."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from recorded_files import LABELS, LOGITS, check

from cestab.capture import CODES, record


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_the_library_of_safetensors_writes_what_is_read(name: str, tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    logits = LOGITS.astype(getattr(np, name, None) or getattr(ml_dtypes, name))
    for labels in (LABELS, LABELS.astype(np.uint8)):
        library.save_file({"logits": logits, "labels": labels}, tmp_path / "a.safetensors", {"any": "word"})
        check(tmp_path / "a.safetensors", logits)
    library.save_file({"logits": np.ascontiguousarray(logits.T), "labels": LABELS}, tmp_path / "a.safetensors")
    check(tmp_path / "a.safetensors", logits, axis=0)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "bfloat16"])
def test_tensors_of_8_bits_are_read(name: str, tmp_path: Path) -> None:
    torch, library = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    logits = torch.tensor(LOGITS).to(getattr(torch, name))
    library.save_file({"logits": logits, "labels": torch.tensor(LABELS)}, tmp_path / "a.safetensors")
    check(tmp_path / "a.safetensors", logits.float().numpy())


@pytest.mark.parametrize("name", CODES)
def test_the_library_of_safetensors_reads_what_is_recorded(name: str, tmp_path: Path) -> None:
    torch, library = pytest.importorskip("torch"), pytest.importorskip("safetensors")
    logits = LOGITS.astype(getattr(np, name, None) or getattr(ml_dtypes, name))
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits[:333], LABELS[:333])
        keep(logits[333:], LABELS[333:])
    with library.safe_open(tmp_path / "a.safetensors", "pt") as file:
        found = file.get_tensor("logits")
        assert found.dtype == getattr(torch, name)
        np.testing.assert_array_equal(found.double().numpy(), logits.astype(np.float64))
        np.testing.assert_array_equal(file.get_tensor("labels").numpy(), LABELS)
        assert file.metadata()["format"] == "cestab.capture/1"
