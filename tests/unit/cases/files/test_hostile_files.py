"""Files of strangers: headers that lie, archives that are bombs or locked, files without an end, files that change."""

import io
import os
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cestab.cases.files.stored import refuse_changed
from cestab.cases.recording import Recording, open_recording
from cestab.errors import UsageError
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import RecordingSource

LABELS = np.zeros(5, dtype=np.int64)


def refusal(path: Path, labels: Path | None = None) -> str:
    with (
        pytest.raises(UsageError) as caught,
        open_recording(
            RecordingSource(file=str(path), labels=None if labels is None else str(labels)), SOFTMAX_CROSS_ENTROPY
        ) as recording,
    ):
        recording.read(slice(0, recording.rows))
    return str(caught.value)


def write_npy(path: Path, header: str, data: bytes = bytes(80), version: bytes = b"\x01\x00") -> Path:
    text = header.encode("latin1")
    path.write_bytes(b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + data)
    return path


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (5, -2)}", "whole numbers from 0 on"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 5)}", "whole numbers from 0 on"),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**64}, 2)}}", "whole numbers from 0 on"),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, 2)}}", "it is cut off"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 3)}", "it is cut off"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (5, 2)}", "Object arrays"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 2)", "its header is damaged"),
        ("{'descr': '<f8',\n\t'fortran_order'\n: False", "its header is damaged"),
        ("(" * 9000, "its header is damaged"),
        ("-" * 9000 + "1", "its header is damaged"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 1e99)}", "its header is damaged"),
    ],
)
def test_a_header_of_numpy_that_lies_is_a_sentence(header: str, words: str, tmp_path: Path) -> None:
    sentence = refusal(write_npy(tmp_path / "a.npy", header))
    assert sentence.startswith(f"'{tmp_path}/a.npy' cannot be read as NumPy arrays without pickle: ")
    assert words in sentence


def test_a_version_that_numpy_has_not_is_a_sentence(tmp_path: Path) -> None:
    assert "version 9.9" in refusal(write_npy(tmp_path / "a.npy", "{}", version=b"\x09\x09"))


def test_lengths_are_bounded_before_they_are_multiplied(tmp_path: Path) -> None:
    """3 MB of lengths of 4,300 digits: their product alone takes a minute."""
    shape = ",".join(["9" * 4300] * 700)
    header = f'{{"logits": {{"dtype": "F32", "shape": [{shape}], "data_offsets": [0, 8]}}}}'.encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    start = time.process_time()
    assert "not as many as its shape and type need" in refusal(tmp_path / "a.safetensors")
    assert time.process_time() - start < 10


def test_a_locked_member_of_an_archive_is_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", logits=np.zeros((5, 2)), labels=LABELS)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            content[start + place] |= 1  # the flag of encryption
    (tmp_path / "b.npz").write_bytes(content)
    assert "encrypted" in refusal(tmp_path / "b.npz")


def test_what_is_not_read_of_an_archive_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    np.savez_compressed(tmp_path / "a.npz", logits=np.ones((5, 2)), labels=LABELS, other=np.zeros(2**20))
    with open_recording(RecordingSource(file=str(tmp_path / "a.npz")), SOFTMAX_CROSS_ENTROPY) as recording:
        recording.read(slice(0, 5))
        assert sorted(path.name for path in scratch.rglob("*.npy")) == ["labels.npy", "logits.npy"]
    assert list(scratch.iterdir()) == []


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", logits=np.ones((5, 2)), labels=LABELS)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    assert "bytes unpacked, and 100 are free in" in refusal(tmp_path / "a.npz")


def test_two_members_of_one_name_are_a_sentence(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.ones((5, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("logits.npy", content.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("logits.npy", content.getvalue())
    assert "two of its arrays have one name" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".arrow", ".pt"])
def test_what_has_no_end_is_no_file(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zeros{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    for name in ("pipe", "zeros"):
        assert refusal(tmp_path / f"{name}{suffix}").endswith(": it is no regular file")
    assert "symbolic links" in refusal(tmp_path / f"loop{suffix}")


@pytest.mark.parametrize("change", ["longer", "shorter", "touched", "replaced"])
def test_a_file_that_changes_while_it_is_read_is_reported(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"x" * 100)
    with pytest.raises(UsageError, match="changed while it was read"), refuse_changed(path):
        alter(path, change)


def alter(path: Path, change: str) -> None:
    """Change a file in one way alone."""
    written = path.stat().st_mtime_ns
    match change:
        case "replaced":
            path.with_name("other").write_bytes(path.read_bytes())
            path.with_name("other").replace(path)
        case "touched":
            written += 1
        case _:
            path.write_bytes(b"x" * (101 if change == "longer" else 99))
    os.utime(path, ns=(0, written))


def test_a_file_that_is_cut_while_it_is_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((1000, 2)))
    np.save(tmp_path / "l.npy", np.zeros(1000, dtype=np.int64))
    with (
        pytest.raises(UsageError, match="changed while it was read"),
        open_recording(RecordingSource(file=str(path), labels=str(tmp_path / "l.npy")), SOFTMAX_CROSS_ENTROPY) as recording,
    ):
        read_cut(recording, path)


def read_cut(recording: Recording, path: Path) -> None:
    os.truncate(path, 200)
    with pytest.raises(UsageError, match="became shorter while it was read"):
        recording.read(slice(0, 1000))
