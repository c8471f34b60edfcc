"""Files of recorded logits: what is read, and one sentence for whatever cannot be."""

import io
import pickle
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import ml_dtypes
import numpy as np
import pytest

from cestab.cases.recording import LABELS_NAMES, open_recording
from cestab.errors import UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.requests import RecordingSource

SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
LOGITS = np.array([[1.5, -2.0, 0.0], [0.25, 8.0, -1.0], [3.0, 3.0, 3.0], [-7.0, 0.5, 9.0]])
LABELS = np.array([0, 1, 2, 2])


def read_all(
    file: Path, labels: Path | None = None, objective: Objective = SOFTMAX, axis: int = -1, ignore: int = -100
) -> tuple[np.ndarray, np.ndarray]:
    apart = None if labels is None else str(labels)
    source = RecordingSource(file=str(file), labels=apart, class_axis=axis, ignore_index=ignore)
    with open_recording(source, objective) as recording:
        return recording.read(slice(0, recording.rows))


def refusal(file: Path, labels: Path | None = None, objective: Objective = SOFTMAX, axis: int = -1, ignore: int = -100) -> str:
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
    with open_recording(RecordingSource(file=str(save_pair(tmp_path / "a.npz"))), SOFTMAX) as recording:
        assert (recording.rows, recording.classes) == (4, 3)
        values, labels = recording.read(slice(1, 3))
    np.testing.assert_array_equal(values, LOGITS[1:3].T)
    np.testing.assert_array_equal(labels, LABELS[1:3])


@pytest.mark.parametrize("name", LABELS_NAMES)
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
        (np.zeros((4, 2), dtype=int), ["4 rows", "(4, 2)"]),
        (np.array([0.0, 1.0, 1.5, 2.0]), ["row 2 has label 1.5", "whole numbers from 0 to 2", "1 such rows"]),
        (np.array([0.0, np.nan, np.inf, 2.0]), ["row 1 has label nan", "2 such rows"]),
        (np.array(["a", "b", "c", "d"]), ["<U1", "whole numbers"]),
        (np.array([True, False, True, True]), ["bool", "whole numbers"]),
        (np.array([[0.5, -0.5, 1.0]] * 4), ["row 0 has label -0.5", "weights from 0 on", "4 such rows"]),
        (np.array([[0.5, np.nan, np.inf]] * 4), ["row 0 has label nan", "4 such rows"]),
    ],
)
def test_bad_labels_are_told_with_the_first_bad_row(labels: np.ndarray, words: list[str], tmp_path: Path) -> None:
    sentence = refusal(save_pair(tmp_path / "a.npz", labels=labels))
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        (np.zeros(4), ["(4,)", "two axes", "objective=binary-cross-entropy"]),
        (np.zeros((4, 3, 2)), ["12 rows of logits, of shape (4, 3), but labels of shape (4,)"]),
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
    assert "there are 12 rows of logits, of shape (4, 3)," in refusal(save_pair(tmp_path / "b.npz"), objective=BINARY)
    for bad in (-0.25, 1.5, np.nan):
        assert "row 1" in refusal(save_pair(tmp_path / "c.npz", x, np.array([0.0, bad, 1.0])), objective=BINARY)


CUBE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -4])
def test_rows_of_any_rank_are_in_c_order(axis: int, order: Literal["C", "F"], tmp_path: Path) -> None:
    rows = np.moveaxis(CUBE, axis, -1)
    labels = np.arange(rows[..., 0].size).reshape(rows.shape[:-1]) % rows.shape[-1]
    for shape in (labels.shape, (labels.size,), (*labels.shape, 1)):
        file = save_pair(tmp_path / "a.npz", np.array(CUBE, order=order), labels.reshape(shape))
        values, read = read_all(file, axis=axis)
        np.testing.assert_array_equal(values, rows.reshape(-1, rows.shape[-1]).T)
        np.testing.assert_array_equal(read, labels.reshape(-1))
        with open_recording(RecordingSource(file=str(file), class_axis=axis), SOFTMAX) as recording:
            assert recording.row_shape == labels.shape
            chosen = np.array([0, 5, labels.size - 1])
            np.testing.assert_array_equal(recording.read(chosen)[0], values[:, chosen])
            np.testing.assert_array_equal(recording.read(slice(3, 5))[0], values[:, 3:5])


@pytest.mark.parametrize("axis", [-1, 1])
def test_weights_per_class_have_the_shape_of_the_logits(axis: int, tmp_path: Path) -> None:
    weights = np.moveaxis(np.eye(CUBE.shape[axis])[np.zeros(CUBE.size // CUBE.shape[axis], dtype=int)], -1, -1)
    shape = np.moveaxis(CUBE, axis, -1).shape
    file = save_pair(tmp_path / "a.npz", CUBE, np.moveaxis(weights.reshape(shape), -1, axis))
    np.testing.assert_array_equal(read_all(file, axis=axis)[1], weights)


def test_every_number_may_be_a_logit_of_its_own(tmp_path: Path) -> None:
    labels = (CUBE > 60).astype(np.uint8)
    values, read = read_all(save_pair(tmp_path / "a.npz", CUBE, labels), objective=BINARY)
    np.testing.assert_array_equal(values, CUBE.reshape(1, -1))
    np.testing.assert_array_equal(read, labels.reshape(-1))


def test_labels_may_be_whole_floats(tmp_path: Path) -> None:
    labels = np.array([0.0, -100.0, 2.0, 2.0], dtype=np.float32)
    np.testing.assert_array_equal(read_all(save_pair(tmp_path / "a.npz", labels=labels))[1], labels)


@pytest.mark.parametrize("names", [("outputs", "y_true"), ("scores", "y"), ("y_pred", "targets"), ("arr_0", "arr_1")])
def test_common_names_are_found(names: tuple[str, str], tmp_path: Path) -> None:
    arrays: dict[str, Any] = dict(zip(names, (LOGITS, LABELS), strict=True))
    np.savez(tmp_path / "a.npz", **arrays)
    with open_recording(RecordingSource(file=str(tmp_path / "a.npz")), SOFTMAX) as recording:
        assert (recording.logits_key, recording.labels_key) == names
        np.testing.assert_array_equal(recording.read(slice(0, 4))[0], LOGITS.T)


def test_arrays_are_found_by_the_names_that_are_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", logits=LOGITS, labels=LABELS, student=LOGITS + 1, teacher_says=LABELS[::-1])
    source = RecordingSource(file=str(tmp_path / "a.npz"), logits_key="student", labels_key="teacher_says")
    with open_recording(source, SOFTMAX) as recording:
        values, labels = recording.read(slice(0, 4))
    np.testing.assert_array_equal(values, LOGITS.T + 1)
    np.testing.assert_array_equal(labels, LABELS[::-1])
    wrong = [(replace(source, logits_key="studnet"), "student"), (replace(source, labels_key="teacher_say"), "teacher_says")]
    for given, meant in wrong:
        with pytest.raises(UsageError, match=f"did you mean {meant}"), open_recording(given, SOFTMAX):
            pass


def test_an_axis_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "have 2 axes, and class_axis=2 is none of them" in refusal(save_pair(tmp_path / "a.npz"), axis=2)


def test_missing_and_surplus_arrays_are_told(tmp_path: Path) -> None:
    assert "give them with labels=FILE or labels_key=NAME" in refusal(save(tmp_path / "a.npy", LOGITS))
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
    monkeypatch.setattr("cestab.cases.recorded_labels.NUMBERS_PER_BLOCK", 3)
    labels = np.array([0, 1, 2, 2, 1, 0, 9, 1, -5, 0])
    assert "row 6 has label 9; whole numbers from 0 to 2, or -100 to ignore the row, are allowed (2 such rows)" in refusal(
        save_pair(tmp_path / "a.npz", np.zeros((10, 3)), labels)
    )
