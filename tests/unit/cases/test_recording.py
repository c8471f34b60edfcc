"""Files of recorded logits: what is read, and one sentence for whatever cannot be."""

import io
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from cestab.cases.recording import LABEL_NAMES, open_recording
from cestab.errors import UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective

SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
LOGITS = np.array([[1.5, -2.0, 0.0], [0.25, 8.0, -1.0], [3.0, 3.0, 3.0], [-7.0, 0.5, 9.0]])
LABELS = np.array([0, 1, 2, 2])


def read_all(
    file: Path, labels: Path | None = None, objective: Objective = SOFTMAX, axis: int = 1, ignore: int = -100
) -> tuple[np.ndarray, np.ndarray]:
    with open_recording(str(file), None if labels is None else str(labels), objective, axis, ignore) as recording:
        return recording.read(slice(0, recording.rows))


def refusal(file: Path, labels: Path | None = None, objective: Objective = SOFTMAX, axis: int = 1, ignore: int = -100) -> str:
    """Return the sentence that a file is refused with: one line."""
    with pytest.raises(UsageError) as caught:
        read_all(file, labels, objective, axis, ignore)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def save_pair(path: Path, logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> Path:
    np.savez(path, logits=logits, labels=labels)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_npy_and_npz_hold_the_same(dtype: str, tmp_path: Path) -> None:
    logits = LOGITS.astype(dtype)
    files = [save_pair(tmp_path / "a.npz", logits), tmp_path / "b.npz"]
    np.savez_compressed(files[1], logits=logits, labels=LABELS)
    apart = save(tmp_path / "c.npy", logits), save(tmp_path / "d.npy", LABELS)
    for values, labels in (*map(read_all, files), read_all(*apart)):
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, logits.astype(np.float64).T)
        np.testing.assert_array_equal(labels, LABELS)


def test_classes_first_are_turned(tmp_path: Path) -> None:
    values, _ = read_all(save_pair(tmp_path / "a.npz", LOGITS.T), axis=0)
    np.testing.assert_array_equal(values, LOGITS.T)
    fortran, _ = read_all(save_pair(tmp_path / "b.npz", np.asfortranarray(LOGITS)))
    np.testing.assert_array_equal(fortran, LOGITS.T)


def test_a_slice_is_that_of_the_rows(tmp_path: Path) -> None:
    with open_recording(str(save_pair(tmp_path / "a.npz")), None, SOFTMAX, 1, -100) as recording:
        assert (recording.rows, recording.classes) == (4, 3)
        values, labels = recording.read(slice(1, 3))
    np.testing.assert_array_equal(values, LOGITS[1:3].T)
    np.testing.assert_array_equal(labels, LABELS[1:3])


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_labels_have_several_names_and_the_logits_may_have_any(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for member, array in (("whatever", LOGITS), (name, LABELS)):
            with archive.open(f"{member}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)
    values, labels = read_all(tmp_path / "a.npz")
    np.testing.assert_array_equal(values, LOGITS.T)
    np.testing.assert_array_equal(labels, LABELS)


def test_a_file_of_labels_wins_over_those_beside_the_logits(tmp_path: Path) -> None:
    other = np.array([2, 2, 0, 0])
    np.savez(tmp_path / "labels.npz", labels=other, logits=LOGITS + 1)
    for file in (save(tmp_path / "labels.npy", other), tmp_path / "labels.npz"):
        values, labels = read_all(save_pair(tmp_path / "a.npz"), file)
        np.testing.assert_array_equal(labels, other)
        np.testing.assert_array_equal(values, LOGITS.T)


def test_ignored_labels_are_allowed_only_as_told(tmp_path: Path) -> None:
    file = save_pair(tmp_path / "a.npz", labels=np.array([0, -100, 2, 2]))
    np.testing.assert_array_equal(read_all(file)[1], [0, -100, 2, 2])
    assert "row 1 has label -100" in refusal(file, ignore=-1)
    assert "-1 to ignore" in refusal(file, ignore=-1)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 1, 3, -1]), ["row 2 has label 3", "from 0 to 2", "2 such rows"]),
        (np.array([0, 1, 2, -1]), ["row 3 has label -1", "1 such rows"]),
        (np.array([0, 1, 2, 255], dtype=np.uint8), ["row 3 has label 255"]),
        (np.array([0, 1, 2]), ["4 rows", "(3,)", "class_axis=0"]),
        (np.array([0, 1, 2, 2, 0]), ["4 rows", "(5,)"]),
        (np.zeros((4, 3), dtype=int), ["4 rows", "(4, 3)"]),
        (np.array([0.0, 1.0, 2.0, 2.0]), ["float64", "integers"]),
        (np.array(["a", "b", "c", "d"]), ["<U1", "integers"]),
        (np.array([True, False, True, True]), ["bool", "integers"]),
    ],
)
def test_bad_labels_are_told_with_the_first_bad_row(labels: np.ndarray, words: list[str], tmp_path: Path) -> None:
    sentence = refusal(save_pair(tmp_path / "a.npz", labels=labels))
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        (np.zeros(4), ["(4,)", "two axes"]),
        (np.zeros((4, 3, 2)), ["(4, 3, 2)", "two axes"]),
        (np.float64(1.0), ["()", "two axes"]),
        (np.zeros((4, 1)), ["1 class", "at least 2"]),
        (np.zeros((4, 3), dtype=complex), ["complex128", "float32"]),
        (np.zeros((4, 3), dtype=bool), ["bool", "float32"]),
        (np.full((4, 3), "x"), ["<U1", "float32"]),
    ],
)
def test_wrong_shapes_and_types_of_logits_are_told(logits: np.ndarray, words: list[str], tmp_path: Path) -> None:
    sentence = refusal(save_pair(tmp_path / "a.npz", logits=logits))
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_an_array_without_numbers_is_refused(shape: tuple[int, int], tmp_path: Path) -> None:
    assert refusal(save_pair(tmp_path / "a.npz", np.zeros(shape), np.zeros(shape[0], dtype=int)))


def test_the_binary_objective_takes_one_logit_and_a_probability(tmp_path: Path) -> None:
    x, y = np.array([-3.0, 0.0, 2.0]), np.array([0.0, 0.25, 1.0])
    for logits in (x, x[:, np.newaxis]):
        values, labels = read_all(save_pair(tmp_path / "a.npz", logits, y), objective=BINARY)
        np.testing.assert_array_equal(values, [x])
        np.testing.assert_array_equal(labels, y)
    assert "3 classes" in refusal(save_pair(tmp_path / "b.npz"), objective=BINARY)
    for bad in (-0.25, 1.5, np.nan):
        assert "row 1" in refusal(save_pair(tmp_path / "c.npz", x, np.array([0.0, bad, 1.0])), objective=BINARY)


def test_missing_and_surplus_arrays_are_told(tmp_path: Path) -> None:
    assert "give them with labels=FILE" in refusal(save(tmp_path / "a.npy", LOGITS))
    np.savez(tmp_path / "only.npz", labels=LABELS)
    assert "logits" in refusal(tmp_path / "only.npz")
    np.savez(tmp_path / "two.npz", first=LOGITS, second=LOGITS, labels=LABELS)
    sentence = refusal(tmp_path / "two.npz")
    assert "first" in sentence
    assert "second" in sentence
    np.savez(tmp_path / "none.npz")
    assert "no arrays" in refusal(tmp_path / "none.npz")


def test_files_that_are_not_there_or_not_arrays_are_told(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "missing.npz")
    assert "no file" in refusal(tmp_path / "missing.npy")
    assert "missing.npy" in refusal(save(tmp_path / "a.npy", LOGITS), tmp_path / "missing.npy")
    (tmp_path / "a.csv").write_text("1,2", encoding="utf-8")
    assert "is not a .npy, .npz, " in refusal(tmp_path / "a.csv")
    (tmp_path / "folder.npy").mkdir()
    assert "cannot be read" in refusal(tmp_path / "folder.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array at all\n", b"\x93NUMPY\x01\x00\x10\x00{not a header}  "])
def test_corrupt_files_are_told(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    assert f"'{file}' cannot be read" in refusal(file)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_told(share: float, tmp_path: Path) -> None:
    whole = {".npy": save(tmp_path / "a.npy", np.ones((100, 3))), ".npz": save_pair(tmp_path / "a.npz")}
    for suffix, path in whole.items():
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert f"'{cut}' cannot be read" in refusal(cut)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".arrow", ".pt"])
def test_an_empty_file_is_told_alike_of_every_kind(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    file.touch()
    assert refusal(file).startswith(f"'{file}' cannot be read as ")
    assert refusal(file).endswith(": it is empty")


def test_what_is_wrong_with_a_file_is_told_in_words_of_its_own(tmp_path: Path) -> None:
    for path in (save(tmp_path / "a.npy", np.ones((100, 3))), save_pair(tmp_path / "a.npz")):
        path.write_bytes(path.read_bytes()[:-1])
        assert ": it is cut off: " in refusal(path)
    (tmp_path / "b.npz").write_text("no archive", encoding="utf-8")
    assert refusal(tmp_path / "b.npz").endswith(": it is no archive of numpy.savez")
    (tmp_path / "c.npz").mkdir()
    assert refusal(tmp_path / "c.npz").endswith(": Is a directory")
    one_class = refusal(save_pair(tmp_path / "d.npz", logits=np.ones((4, 1))))
    assert "have 1 class; a softmax" in one_class


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    trap = np.array([[Trap(), Trap()]], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", logits=trap, labels=np.array([0]))
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("a.npy", "a.npz", "plain.npy"):
        assert "cannot be read as NumPy arrays without pickle" in refusal(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert (tmp_path / "sprung").exists(), "the trap itself does not work"


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, LOGITS)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("../escaped.npy", content.getvalue())
        archive.writestr("sub/dir.npy", content.getvalue())
    assert "no arrays" in refusal(tmp_path / "a.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_nothing_unpacked_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read_all(save_pair(tmp_path / "a.npz"))
    refusal(save_pair(tmp_path / "b.npz", labels=np.array([9, 9, 9, 9])))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("start", [30, 60, 62, 200, 5000])
def test_a_damaged_archive_is_told(start: int, tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez_compressed(file, logits=np.random.default_rng(0).normal(size=(500, 3)), labels=np.zeros(500, dtype=int))
    content = bytearray(file.read_bytes())
    content[start : start + 60] = b"\xff" * 60
    file.write_bytes(content)
    assert "cannot be read" in refusal(file)


def test_an_archive_called_npy_is_told(tmp_path: Path) -> None:
    shutil.copy(save_pair(tmp_path / "a.npz"), tmp_path / "b.npy")
    labels = save(tmp_path / "labels.npy", LABELS)
    command = [sys.executable, "-m", "cestab", "audit", str(tmp_path / "b.npy"), "--labels", str(labels)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_binary_labels_that_are_text_are_told(tmp_path: Path) -> None:
    assert refusal(save_pair(tmp_path / "a.npz", np.zeros(2), np.array(["a", "b"])), objective=BINARY)


def test_the_void_that_numpy_saves_for_bfloat16_is_told(tmp_path: Path) -> None:
    sentence = refusal(save_pair(tmp_path / "a.npz", LOGITS.astype(ml_dtypes.bfloat16)))
    assert "V2" in sentence
    assert ".safetensors does" in sentence


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("a.parquet", "pyarrow", "arrow"), ("a.arrow", "pyarrow", "arrow"), ("a.pt", "torch", "torch")],
)
def test_a_missing_library_is_told_with_what_installs_it(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [each for each in sys.modules if each.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)  # what makes an import fail
    (tmp_path / name).write_bytes(b"x")
    sentence = f"'{tmp_path / name}' needs {module}, which is not installed: pip install 'cestab[{extra}]'"
    assert refusal(tmp_path / name) == sentence
    assert refusal(save(tmp_path / "b.npy", LOGITS), tmp_path / name) == sentence


def test_plain_files_need_no_extra_library(tmp_path: Path) -> None:
    program = "import sys, cestab; cestab.audit(sys.argv[1], dtypes='float32'); print({'pyarrow', 'torch'} & set(sys.modules))"
    command = [sys.executable, "-c", program, str(save_pair(tmp_path / "a.npz"))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_labels_are_checked_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cestab.cases.recording.LABELS_PER_BLOCK", 3)
    labels = np.array([0, 1, 2, 2, 1, 0, 9, 1, -5, 0])
    assert "row 6 has label 9; from 0 to 2, or -100 to ignore the row is allowed (2 such rows)" in refusal(
        save_pair(tmp_path / "a.npz", np.zeros((10, 3)), labels)
    )
