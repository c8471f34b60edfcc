"""Parquet and Arrow IPC: what pyarrow writes is read, a page or a batch at a time; what does not fit is one sentence."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from recorded_files import BINARY, LABELS, LOGITS, RNG, ROWS, SOFTMAX, Array, check, check_damage, refusal

from cestab import api
from cestab.capture import record
from cestab.cases.files import arrow_files
from cestab.cases.recording import open_recording
from cestab.errors import UsageError
from cestab.vocabulary.requests import RecordingSource

PEAK = """
import re, sys
from cestab.commands.app import run
run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


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
    with open_recording(RecordingSource(file=str(path)), SOFTMAX) as recording:
        recording.read(slice(17, 20))
        assert recording.logits._held.shape == (10, 5)  # type: ignore[attr-defined]  # noqa: SLF001


def test_groups_without_a_drawn_row_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Mock(side_effect=arrow_files._Parquet.read)  # noqa: SLF001  # what opens row groups

    def read(*arguments: Any) -> Any:
        return reads(*arguments)

    monkeypatch.setattr(arrow_files._Parquet, "read", read)  # noqa: SLF001
    monkeypatch.setattr(arrow_files, "NUMBERS_PER_BATCH", 50)
    path = save_parquet(make_table(), tmp_path / "a.parquet", row_group_size=50)
    with open_recording(RecordingSource(file=str(path)), SOFTMAX) as recording:
        reads.reset_mock()
        recording.read(np.array([3, 120, 121, 480]))
    assert [chunk for _, name, chunk, _ in (call.args for call in reads.call_args_list) if name == "logits"] == [0, 2, 9]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": [[1.0, 2.0], [1.0], [3.0, 4.0]]}, ["row 1", "'logits'", "not of 2 numbers"]),
        ({"logits": [[1.0, 2.0], None, [3.0, 4.0]]}, ["row 1", "'logits'", "is missing"]),
        ({"logits": [None, [1.0, 2.0], [3.0, 4.0]]}, ["row 0", "'logits'", "is missing"]),
        ({"logits": [[1.0, 2.0], [1.0, 2.0], [3.0, None]]}, ["row 2", "'logits'", "missing number"]),
        ({"logits": [["a"], ["b"], ["c"]]}, ["'logits'", "list<", "string"]),
        ({"logits": [[[1.0]]] * 3}, ["'logits'", "list<"]),
        ({"logits": [[1, 2]] * 3}, ["int64"]),
        ({"logits": [{"a": 1.0}] * 3}, ["struct"]),
        ({"labels": [0, None, 1]}, ["row 1", "'labels'", "missing"]),
        ({"labels": ["a", "b", "c"]}, ["'labels'", "string"]),
        ({"labels": [True, False, True]}, ["'labels'", "bool"]),
        ({"labels": [0, 1, 2]}, ["row 2 has label 2"]),
        ({"labels": [[0, 1, 0]] * 3}, ["(3, 3)"]),
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
        path = save(make_table(), tmp_path / name)
        path.write_bytes(path.read_bytes()[:-1])
        assert ": it is cut off: " in refusal(path)
    twice = arrow.Table.from_arrays([arrow.array([1.0])] * 2, names=["a", "a"])
    assert "one name" in refusal(save_ipc(twice, tmp_path / "a.arrow"))


def test_classes_first_do_not_go_with_tables(tmp_path: Path) -> None:
    path = save_parquet(make_table(), tmp_path / "a.parquet")
    with (
        pytest.raises(UsageError, match="class_axis=0"),
        open_recording(RecordingSource(file=str(path), class_axis=0), SOFTMAX),
    ):
        pass


def test_damaged_tables_are_told(tmp_path: Path) -> None:
    table = make_table()
    check_damage(tmp_path / "a.parquet", lambda: save_parquet(table, tmp_path / "a.parquet"), damaged=110)
    check_damage(tmp_path / "a.arrow", lambda: save_ipc(table, tmp_path / "a.arrow"), damaged=110)
    check_damage(tmp_path / "a.arrow", lambda: save_ipc(table, tmp_path / "a.arrow", is_stream=True), damaged=90)


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


def test_reports_and_explanations_are_the_same_from_every_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with record(tmp_path / "a.safetensors") as keep:
        keep(LOGITS, LABELS)
    torch.save({"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", logits=LOGITS, labels=LABELS)
    save_parquet(make_table(), tmp_path / "a.parquet")
    save_ipc(make_table(), tmp_path / "a.arrow")
    reports = {api.audit(path, dtypes="float16", sample=200).to_json().replace(path.suffix, "") for path in tmp_path.iterdir()}
    assert len(reports) == 1
    explanations = {
        api.explain("naive", file=str(path), row=421, dtype="float16").to_json().replace(path.suffix, "")
        for path in tmp_path.iterdir()
    }
    assert len(explanations) == 1
