"""The recorder: what its file holds, that it is bounded and whole in every ending, and what it refuses."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.capture import CODES, Recorder, record
from cestab.cases.recording import open_recording
from cestab.errors import UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.requests import RecordingSource

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)


def batch(rows: int = 4, classes: int = 3, dtype: Any = np.float32) -> tuple[Array, Array]:
    return RNG.normal(size=(rows, classes)).astype(dtype), RNG.integers(0, classes, rows)


def header(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    parsed: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return parsed


def read(path: Path, objective: Objective = SOFTMAX_CROSS_ENTROPY) -> tuple[Array, Array]:
    with open_recording(RecordingSource(file=str(path)), objective) as recording:
        logits, labels = recording.read(slice(0, recording.rows))
    return logits.T, labels


def refuse(logits: Any, labels: Any, tmp_path: Path) -> str:
    with pytest.raises(UsageError) as caught, record(tmp_path / "a.safetensors") as keep:
        keep(logits, labels)
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", CODES)
def test_every_format_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    dtype = np.dtype(getattr(np, name, None) or getattr(ml_dtypes, name))
    batches = [batch(dtype=dtype), batch(7, dtype=dtype), batch(1, dtype=dtype)]
    with record(tmp_path / "a.safetensors") as keep:
        for logits, labels in batches:
            keep(logits, labels)
    assert (keep.rows, keep.batches, keep.is_full) == (12, 3, False)
    logits, labels = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(logits, np.concatenate([z for z, _ in batches]).astype(np.float64))
    np.testing.assert_array_equal(labels, np.concatenate([y for _, y in batches]))
    assert header(tmp_path / "a.safetensors")["logits"]["dtype"] == CODES[name]


def test_the_file_is_what_its_page_says(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with record(path) as keep:
        keep(*batch(5, 3, ml_dtypes.bfloat16))
    head = header(path)
    metadata = {"format": "cestab.capture/1", "objective": "softmax-cross-entropy", "classes_axis": "1", "batches": "1"}
    assert head["__metadata__"] == metadata
    assert head["labels"] == {"dtype": "I64", "shape": [5], "data_offsets": [0, 40]}
    assert head["logits"] == {"dtype": "BF16", "shape": [5, 3], "data_offsets": [40, 70]}
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR
    assert api.audit(path, dtypes="bfloat16", formulations="log-softmax").rows == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float16, bool])
def test_weights_are_recorded_as_weights(dtype: Any, tmp_path: Path) -> None:
    logits, labels = batch(6, 4)
    weights = np.eye(4)[labels].astype(dtype)
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits[:2], weights[:2])
        keep(logits[2:].reshape(2, 2, 4), weights[2:].reshape(2, 2, 4))
    found, own = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found, logits)
    np.testing.assert_array_equal(own, weights)


def test_whole_floats_are_indices(tmp_path: Path) -> None:
    logits, labels = batch()
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits, labels.astype(np.float32))
    assert read(tmp_path / "a.safetensors")[1].tolist() == labels.tolist()
    assert header(tmp_path / "a.safetensors")["labels"]["dtype"] == "I64"


@pytest.mark.parametrize("axis", [1, -3])
def test_classes_may_be_on_another_axis(axis: int, tmp_path: Path) -> None:
    logits, labels = RNG.normal(size=(2, 5, 3, 4)).astype(np.float32), RNG.integers(0, 5, (2, 3, 4))
    with record(tmp_path / "a.safetensors", axis=axis) as keep:
        keep(logits, labels)
        keep(logits, np.moveaxis(np.eye(5)[labels], -1, 1).argmax(axis=1))
    found, own = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found[:24], np.moveaxis(logits, 1, -1).reshape(24, 5))
    np.testing.assert_array_equal(own, np.tile(labels.reshape(24), 2))
    with record(tmp_path / "b.safetensors", axis=axis) as keep:
        keep(logits, np.moveaxis(np.eye(5, dtype=np.float32)[labels], -1, 1))
    np.testing.assert_array_equal(read(tmp_path / "b.safetensors")[1], np.eye(5)[labels.reshape(24)])
    with pytest.raises(UsageError, match="no axis 4"), record(tmp_path / "c.safetensors", axis=4) as keep:
        keep(logits, labels)


def test_a_language_model_has_a_row_per_token(tmp_path: Path) -> None:
    logits, labels = RNG.normal(size=(2, 5, 7)).astype(np.float16), RNG.integers(0, 7, (2, 5))
    labels[1, 3] = -100
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits, labels)
    found, own = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found, logits.reshape(10, 7))
    np.testing.assert_array_equal(own, labels.reshape(10))


@pytest.mark.parametrize("shapes", [((6,), (6,)), ((6, 1), (6,)), ((6, 1), (6, 1)), ((2, 3, 1), (2, 3))])
@pytest.mark.parametrize("dtype", [np.float64, ml_dtypes.bfloat16, np.float32])
def test_one_logit_takes_probabilities(shapes: tuple[tuple[int, ...], ...], dtype: Any, tmp_path: Path) -> None:
    logits, labels = RNG.normal(size=shapes[0]).astype(dtype), RNG.random(shapes[1]).astype(dtype)
    with record(tmp_path / "a.safetensors") as keep:
        keep(logits, labels)
        keep(logits, labels > 0.5)
    found, own = read(tmp_path / "a.safetensors", BINARY_CROSS_ENTROPY)
    np.testing.assert_array_equal(found[:6, 0], logits.reshape(-1).astype(np.float64))
    expected = np.concatenate([labels.reshape(-1), labels.reshape(-1) > 0.5]).astype(np.float32)
    np.testing.assert_array_equal(own, expected)
    head = header(tmp_path / "a.safetensors")
    assert head["__metadata__"]["objective"] == "binary-cross-entropy"
    assert head["logits"]["shape"] == [12, 1]
    assert all(head[name]["data_offsets"][0] % 8 == 0 for name in ("logits", "labels")), "aligned"


def test_only_the_first_batches_are_kept(tmp_path: Path) -> None:
    with record(tmp_path / "a.safetensors", batches=2) as keep:
        for count in range(5):
            keep(np.full((3, 2), count, np.float32), np.zeros(3, np.int32))
            assert keep.is_full is (count > 0)
    assert (keep.rows, keep.batches) == (6, 2)
    np.testing.assert_array_equal(read(tmp_path / "a.safetensors")[0], np.repeat([0.0, 1.0], 6).reshape(6, 2))


@pytest.mark.parametrize("bound", [12, 23, 24, 100, 120, 10**6])
def test_no_more_bytes_are_kept_than_allowed(bound: int, tmp_path: Path) -> None:
    batches = [batch(3, 2, np.float16) for _ in range(4)]  # 12 bytes a row
    with record(tmp_path / "a.safetensors", batches=None, max_bytes=bound) as keep:
        for each in batches:
            keep(*each)
    rows = min(12, bound // 12)
    assert (keep.rows, keep.is_full) == (rows, bound // 12 <= 12)
    np.testing.assert_array_equal(read(tmp_path / "a.safetensors")[0], np.concatenate([z for z, _ in batches])[:rows])
    assert (tmp_path / "a.safetensors").stat().st_size <= bound + 512


def test_what_was_recorded_is_kept_when_the_loop_raises(tmp_path: Path) -> None:
    for error in (RuntimeError, KeyboardInterrupt):
        path = tmp_path / f"{error.__name__}.safetensors"
        with pytest.raises(error), record(path) as keep:  # noqa: PT012  # the loop that raises
            keep(*batch(4))
            raise error
        assert len(read(path)[0]) == 4
        assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []


def test_a_batch_that_was_cut_short_is_no_part_of_the_file(tmp_path: Path) -> None:
    logits, labels = batch(4)
    with pytest.raises(KeyboardInterrupt), record(tmp_path / "a.safetensors") as keep:  # noqa: PT012
        keep(logits, labels)
        keep._parts["labels"].write(b"12345678")  # noqa: SLF001  # between the writing of labels and of logits
        raise KeyboardInterrupt
    found, own = read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found, logits)
    np.testing.assert_array_equal(own, labels)


def test_the_name_stands_for_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    with record(path) as keep:
        keep(*batch())
        assert path.read_bytes() == b"old"
        assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"], "parts have no names"
    assert len(read(path)[0]) == 4


def test_a_recorder_that_is_used_again_begins_anew(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.safetensors", batches=1)
    for rows in (5, 3):
        with recorder as keep:
            keep(*batch(rows))
        assert (keep.rows, len(read(tmp_path / "a.safetensors")[0])) == (rows, rows)


def test_a_loop_without_batches_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was recorded"), record(tmp_path / "a.safetensors"):
        pass
    with pytest.raises(ZeroDivisionError), record(tmp_path / "a.safetensors"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_batches_outside_the_with_statement_are_refused(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="with record"):
        recorder(*batch())
    with recorder as keep:
        keep(*batch())
    with pytest.raises(UsageError, match="with record"):
        keep(*batch())


Z, Y = batch()


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (Z.astype(int), Y, ["int64", "bfloat16"]),
        (Z.astype(np.longdouble), Y, ["float32"]),
        (Z, Y[:3], ["(4, 3)", "(4,)", "(3,)"]),
        (Z, np.eye(2)[[0, 1, 1, 0]], ["(4, 3)", "for weights", "(4, 2)"]),
        (Z.T, Y, ["(3, 4)", "(3,)"]),
        (Z, Y.astype(np.float32) + 0.5, ["not whole numbers"]),
        (Z, Y > 0, ["bool", "whole numbers"]),
        (np.float32(1.0), np.int64(0), ["()", "no classes"]),
        (Z[:, :0], Y, ["(4, 0)", "no classes"]),
        (Z[:, 0], np.array(list("abcd")), ["<U1", "numbers"]),
        (np.zeros((1, 2**28), np.float32), np.zeros(1, int), ["268435456 classes", "1073741824 bytes"]),
    ],
)
def test_what_is_no_batch_is_told(logits: Any, labels: Any, words: list[str], tmp_path: Path) -> None:
    sentence = refuse(logits, labels, tmp_path)
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (batch(4, 5), ["classes of batch 1 is 5", "before it 3"]),
        (batch(4, 3, np.float16), ["dtype of batch 1 is float16", "before it float32"]),
        ((Z[:, 0], Y / 4), ["of batch 1 is 1", "before it 3"]),
    ],
)
def test_a_batch_that_differs_from_those_before_it_is_told_and_they_are_kept(
    second: tuple[Array, Array], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught, record(tmp_path / "a.safetensors") as keep:  # noqa: PT012
        keep(Z, Y)
        keep(*second)
    assert [word for word in words if word not in str(caught.value)] == []
    assert len(read(tmp_path / "a.safetensors")[0]) == 4


def test_wrong_names_and_bounds_are_told_at_once(tmp_path: Path) -> None:
    def make(name: str, **bounds: int) -> Recorder:
        return record(tmp_path / name, **bounds)

    with pytest.raises(UsageError, match=r"\.safetensors"):
        make("a.npz")
    for bounds in ({"batches": 0}, {"max_bytes": 0}):
        with pytest.raises(UsageError, match="0 is not a number from 1 on"):
            make("a.safetensors", **bounds)
    with pytest.raises(UsageError, match="cannot write"), make("missing/a.safetensors"):
        pass


def test_recording_imports_no_framework() -> None:
    program = "import sys, cestab.capture; print([n for n in ('torch', 'jax', 'pyarrow', 'cestab.audit') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
