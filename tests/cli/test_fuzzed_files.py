"""Recorded files that are damaged at random: a status of the contract and one sentence, never a trace, never a long wait."""

import io
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from cestab.capture import record
from cestab.commands.app import run
from cestab.errors import ExitStatus
from fuzz import examples

EXAMPLES = 30  # of each kind of file
LONGEST_SECONDS = 10
ALLOWED = {ExitStatus.DONE, ExitStatus.GATE_FAILED, ExitStatus.USAGE}  # what is left may overflow
LOGITS = np.random.default_rng(5).normal(size=(12, 3)).astype(np.float32)
LABELS = np.arange(12) % 3
HOSTILE = [b"9" * 40, b"-1", b"1e999", b"True", b"\x00" * 8, b"\xff" * 8, b"(" * 300, b"{" * 300, b"<f9999", b"|O", b"\x1b[2J"]


def write_safetensors(path: Path) -> None:
    with record(str(path), batches=1) as keep:
        keep(LOGITS, LABELS)


WRITERS: dict[str, Callable[[Path], None]] = {
    "npy": lambda path: np.save(path, LOGITS),
    "npz": lambda path: np.savez(path, logits=LOGITS, labels=LABELS),
    "compressed.npz": lambda path: np.savez_compressed(path, logits=LOGITS, labels=LABELS),
    "safetensors": write_safetensors,
}


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut, flip, zero or repeat a region, or put a hostile number into it; more often in the header than behind it."""
    length = len(content)
    at = draw(st.integers(0, min(200, length - 1)) | st.integers(0, length - 1))
    end = min(length, at + draw(st.integers(1, 64)))
    match draw(st.sampled_from(["cut", "flip", "zero", "repeat", "hostile", "remove"])):
        case "cut":
            return content[:at]
        case "flip":
            return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
        case "zero":
            return content[:at] + bytes(end - at) + content[end:]
        case "repeat":
            return content[:end] + content[at:end] * draw(st.integers(1, 9)) + content[end:]
        case "hostile":
            new = draw(st.sampled_from(HOSTILE))
            return content[:at] + new + content[at + (len(new) if draw(st.booleans()) else 0) :]
        case _:
            return content[:at] + content[end:]


def audit(path: Path, labels: Path) -> int:
    """Audit a file; what comes out is checked but for its status."""
    extra = ["--labels", str(labels)] if path.suffix == ".npy" else []
    start = time.process_time()
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = run(["audit", str(path), *extra, "-f", "naive", "--dtype", "float32", "--fail-on", "nan-loss"])
    assert time.process_time() - start < LONGEST_SECONDS
    if status == ExitStatus.USAGE:
        assert out.getvalue() == ""
        (line,) = err.getvalue().splitlines()
        assert line.startswith("cestab: ")
        assert len(line) <= len("cestab: ") + 500
    return status


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_file_is_a_sentence(kind: str, tmp_path: Path) -> None:
    sound, path, labels = tmp_path / f"sound.{kind}", tmp_path / f"damaged.{kind}", tmp_path / "labels.npy"
    np.save(labels, LABELS)
    WRITERS[kind](sound)
    shutil.copy(sound, path)
    assert audit(path, labels) == ExitStatus.DONE
    statuses: Counter[int] = Counter()

    @seed(len(kind))
    @examples(EXAMPLES)
    @given(damaged(sound.read_bytes()))
    def audit_each(content: bytes) -> None:
        path.write_bytes(content)
        status = audit(path, labels)
        assert status in ALLOWED
        statuses[status] += 1

    audit_each()
    assert statuses[ExitStatus.USAGE] > EXAMPLES // 4
