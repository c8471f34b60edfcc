"""Files of other libraries: what they write cestab reads, what cestab writes they read; damaged ones are one sentence."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.capture import CODES, record
from cestab.cases.files import arrow_files, torch_files
from cestab.cases.recorded import open_recording
from cestab.errors import UsageError
from cestab.results import Objective

Array = npt.NDArray[Any]
SOFTMAX, BINARY = Objective.SOFTMAX_CROSS_ENTROPY, Objective.BINARY_CROSS_ENTROPY
ROWS = 500
RNG = np.random.default_rng(0)
LOGITS = (RNG.normal(size=(ROWS, 5)) * 10).astype(np.float32)
LABELS = RNG.integers(0, 5, ROWS)
DRAWN = np.array([0, 3, 77, 150, 151, 499])

PEAK = """
import re, sys
from cestab.cli.app import run
run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def check(
    file: Path, logits: Array, labels: Array = LABELS, apart: Path | None = None, axis: int = 1, objective: Objective = SOFTMAX
) -> None:
    """Assert that a file holds these, read whole, in parts, backwards and by numbers of rows."""
    wide = np.asarray(logits, dtype=np.float64).reshape(ROWS, -1)
    with open_recording(str(file), None if apart is None else str(apart), objective, axis, -100) as recording:
        assert recording.rows == ROWS
        for rows in (slice(0, ROWS), slice(120, 340), slice(60, 61), slice(499, 500), DRAWN, DRAWN[3:], slice(0, 2)):
            found, own = recording.read(rows)
            np.testing.assert_array_equal(found, wide[rows].T)
            np.testing.assert_array_equal(own, labels[rows])


def refusal(file: Path) -> str:
    """Return the sentence with which a file is refused, be it opened or read."""
    with pytest.raises(UsageError) as caught, open_recording(str(file), None, SOFTMAX, 1, -100) as recording:
        recording.read(slice(0, recording.rows))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def check_damage(file: Path, writes: Callable[[], object], damaged: int) -> None:
    """Assert that cut and overwritten copies of a file are read or told in one sentence, many of them told."""
    writes()
    content, rng, refused = file.read_bytes(), random.Random(20261125), 0  # noqa: S311  # seeded, no secret
    for count in range(200):
        copy = bytearray(content)
        if count % 2:
            del copy[rng.randrange(len(copy)) :]
        else:
            start = rng.choice(
                [rng.randrange(len(copy)), rng.randrange(min(400, len(copy))), len(copy) - rng.randrange(1, 400)]
            )
            copy[start : start + 8] = rng.randbytes(8)
        file.write_bytes(copy)
        try:
            api.audit(file, formulations="naive", dtypes="float32")
        except UsageError as error:
            assert "\n" not in str(error)  # noqa: PT017  # a copy may be whole where it matters
            refused += 1
    assert refused >= damaged


# safetensors


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


# torch


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
    ):
        torch.save(content, path)
        assert word in refusal(path)
    torch.save({"logits": torch.tensor(LOGITS), "labels": labels}, path, _use_new_zipfile_serialization=False)
    assert "cannot be read" in refusal(path)


def test_damaged_torch_files_are_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    content = {"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}
    check_damage(tmp_path / "a.pt", lambda: torch.save(content, tmp_path / "a.pt"), damaged=110)


# arrow


def make_table(dtype: Any = np.float32, kind: str = "fixed", logits: Array = LOGITS, labels: Array = LABELS) -> Any:
    arrow = pytest.importorskip("pyarrow")
    values = logits.astype(dtype)
    number = arrow.from_numpy_dtype(dtype)
    types = {"fixed": arrow.list_(number, logits.shape[1]), "list": arrow.list_(number), "large": arrow.large_list(number)}
    words = arrow.array(["word"] * len(values))
    columns = {"id": words, "logits": arrow.array(list(values), types[kind]), "labels": labels}
    return arrow.table(columns | {"category": words.dictionary_encode()})


def save_parquet(table: Any, path: Path, **options: Any) -> Path:
    pytest.importorskip("pyarrow.parquet").write_table(table, path, **options)
    return path


def save_ipc(table: Any, path: Path, *, is_stream: bool = False, rows: int = 70, compression: str | None = None) -> Path:
    arrow = pytest.importorskip("pyarrow")
    make = arrow.ipc.new_stream if is_stream else arrow.ipc.new_file
    options = arrow.ipc.IpcWriteOptions(compression=compression)
    with arrow.OSFile(str(path), "wb") as file, make(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrow_writes_what_is_read(dtype: Any, kind: str, tmp_path: Path) -> None:
    table, known = make_table(dtype, kind), LOGITS.astype(dtype)
    for options in ({}, {"row_group_size": 64}, {"row_group_size": 1}, {"compression": "zstd", "data_page_size": 100}):
        check(save_parquet(table, tmp_path / "a.parquet", **options), known)
    for is_stream in (False, True):
        for rows in (1, 70, ROWS):
            check(save_ipc(table, tmp_path / "a.arrow", is_stream=is_stream, rows=rows), known)
        check(save_ipc(table, tmp_path / "a.arrow", is_stream=is_stream, compression="zstd"), known)


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_labels_of_arrow_may_be_any_integers(name: str, tmp_path: Path) -> None:
    table = make_table(labels=LABELS.astype(name))
    check(save_parquet(table, tmp_path / "a.parquet"), LOGITS)
    check(save_ipc(table, tmp_path / "a.arrow"), LOGITS)


def test_one_logit_a_row_may_be_a_number_or_a_list(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    labels = RNG.random(ROWS)
    for table in (arrow.table({"logits": LOGITS[:, 0], "y": labels}), make_table(logits=LOGITS[:, :1], labels=labels)):
        for path in (save_parquet(table, tmp_path / "a.parquet"), save_ipc(table, tmp_path / "a.arrow")):
            check(path, LOGITS[:, 0], labels, objective=BINARY)


def test_a_page_of_parquet_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_parquet(make_table(), tmp_path / "a.parquet")
    monkeypatch.setattr(arrow_files, "NUMBERS_PER_BATCH", 50)
    check(path, LOGITS)
    with open_recording(str(path), None, SOFTMAX, 1, -100) as recording:
        recording.read(slice(17, 20))
        assert recording.logits._held.shape == (10, 5)  # type: ignore[attr-defined]  # noqa: SLF001


def test_groups_without_a_drawn_row_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Mock(side_effect=arrow_files._Parquet.read)  # noqa: SLF001  # what opens row groups

    def read(*arguments: Any) -> Any:
        return reads(*arguments)

    monkeypatch.setattr(arrow_files._Parquet, "read", read)  # noqa: SLF001
    monkeypatch.setattr(arrow_files, "NUMBERS_PER_BATCH", 50)
    path = save_parquet(make_table(), tmp_path / "a.parquet", row_group_size=50)
    with open_recording(str(path), None, SOFTMAX, 1, -100) as recording:
        reads.reset_mock()
        recording.read(np.array([3, 120, 121, 480]))
    assert [chunk for _, name, chunk, _ in (call.args for call in reads.call_args_list) if name == "logits"] == [0, 2, 9]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": [[1.0, 2.0], [1.0], [3.0, 4.0]]}, ["row 1", "'logits'", "not of 2 numbers"]),
        ({"logits": [[1.0, 2.0], None, [3.0, 4.0]]}, ["row 1", "'logits'", "is missing"]),
        ({"logits": [None, [1.0, 2.0], [3.0, 4.0]]}, ["0 class"]),
        ({"logits": [[1.0, 2.0], [1.0, 2.0], [3.0, None]]}, ["row 2", "'logits'", "missing number"]),
        ({"logits": [["a"], ["b"], ["c"]]}, ["'logits'", "list<", "string"]),
        ({"logits": [[[1.0]]] * 3}, ["'logits'", "list<"]),
        ({"logits": [[1, 2]] * 3}, ["int64"]),
        ({"logits": [{"a": 1.0}] * 3}, ["struct"]),
        ({"labels": [0, None, 1]}, ["row 1", "'labels'", "missing"]),
        ({"labels": ["a", "b", "c"]}, ["'labels'", "string"]),
        ({"labels": [True, False, True]}, ["'labels'", "bool"]),
        ({"labels": [0, 1, 2]}, ["row 2 has label 2"]),
        ({"labels": [[0, 1]] * 3}, ["(3, 2)"]),
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_told(change: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"logits": [[1.0, 2.0]] * 3, "labels": [0, 1, 1]} | change)
    for path in (
        save_parquet(table, tmp_path / "a.parquet"),
        save_ipc(table, tmp_path / "a.arrow"),
        save_ipc(table, tmp_path / "a.arrow", is_stream=True),
    ):
        assert [word for word in words if word not in refusal(path)] == []


def test_fixed_lists_with_a_missing_row_are_told(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    logits = arrow.array([[1.0, 2.0], None, [3.0, 4.0]], arrow.list_(arrow.float32(), 2))
    table = arrow.table({"logits": logits, "labels": [0, 1, 1]})
    for path in (save_parquet(table, tmp_path / "a.parquet"), save_ipc(table, tmp_path / "a.arrow")):
        assert "row 1 of column 'logits'" in refusal(path)


def test_tables_without_rows_or_columns_and_other_files_are_told(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    empty, bare = make_table()[:0], arrow.table({})
    for save, name in ((save_parquet, "a.parquet"), (save_ipc, "a.arrow")):
        assert "no rows" in refusal(save(empty, tmp_path / name))
        assert "no arrays" in refusal(save(bare, tmp_path / name))
        for content in (b"", b"ARROW1", b"PAR1PAR1", b"no table at all"):
            (tmp_path / name).write_bytes(content)
            assert "cannot be read" in refusal(tmp_path / name)
        assert "no file" in refusal(tmp_path / "missing" / name)
    twice = arrow.Table.from_arrays([arrow.array([1.0])] * 2, names=["a", "a"])
    assert "one name" in refusal(save_ipc(twice, tmp_path / "a.arrow"))


def test_classes_first_do_not_go_with_tables(tmp_path: Path) -> None:
    path = save_parquet(make_table(), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="--axis 0"), open_recording(str(path), None, SOFTMAX, 0, -100):
        pass


def test_damaged_tables_are_told(tmp_path: Path) -> None:
    table = make_table()
    check_damage(tmp_path / "a.parquet", lambda: save_parquet(table, tmp_path / "a.parquet"), damaged=110)
    check_damage(tmp_path / "a.arrow", lambda: save_ipc(table, tmp_path / "a.arrow"), damaged=110)
    check_damage(tmp_path / "a.arrow", lambda: save_ipc(table, tmp_path / "a.arrow", is_stream=True), damaged=90)


def test_a_report_is_the_same_from_every_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with record(tmp_path / "a.safetensors") as keep:
        keep(LOGITS, LABELS)
    torch.save({"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", logits=LOGITS, labels=LABELS)
    save_parquet(make_table(), tmp_path / "a.parquet")
    save_ipc(make_table(), tmp_path / "a.arrow")
    reports = {api.audit(path, dtypes="float16", sample=200).to_json().replace(path.suffix, "") for path in tmp_path.iterdir()}
    assert len(reports) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted in /proc")
@pytest.mark.parametrize("name", ["a.parquet", "file.arrow", "stream.arrow"])
def test_a_table_is_not_held_in_memory(name: str, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    values = RNG.random(200 * 120_000, dtype=np.float32)  # 96 MB
    logits = arrow.FixedSizeListArray.from_arrays(arrow.array(values), 200)
    table = arrow.table({"logits": logits, "labels": np.zeros(120_000, np.int32)})
    if name == "a.parquet":
        save_parquet(table, tmp_path / name, use_dictionary=False, compression="none")  # one row group
    else:
        save_ipc(table, tmp_path / name, is_stream=name == "stream.arrow", rows=5000)
    command = [sys.executable, "-c", PEAK, "audit", str(tmp_path / name), "-f", "naive", "--dtype", "float32"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 180_000, "KiB; holding the column takes 94,000 more"
