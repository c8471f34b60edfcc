"""Files of recorded arrays: one format per module, one row of the table each. What an array means is in recording.py."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cestab.cases.files.arrow_files import open_ipc, open_parquet
from cestab.cases.files.numpy_files import open_npy, open_npz
from cestab.cases.files.safetensors_files import open_safetensors
from cestab.cases.files.stored import Rows, StoredArray, refuse_changed, refuse_empty, refuse_special, refuse_unreadable
from cestab.cases.files.torch_files import open_pt
from cestab.errors import UsageError

__all__ = ["FILE_FORMATS", "FileFormat", "Rows", "StoredArray", "open_arrays"]


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """What the files of a suffix hold, and how they are opened: arrays by name, closed with the stack."""

    what: str
    open: Callable[[Path, ExitStack], dict[str, StoredArray]]


FILE_FORMATS = {
    ".npy": FileFormat(what="NumPy arrays without pickle", open=open_npy),
    ".npz": FileFormat(what="NumPy arrays without pickle", open=open_npz),
    ".safetensors": FileFormat(what="safetensors", open=open_safetensors),
    ".parquet": FileFormat(what="Parquet", open=open_parquet),
    ".arrow": FileFormat(what="Arrow IPC", open=open_ipc),
    ".pt": FileFormat(what="tensors of torch.save without other objects", open=open_pt),
}


def open_arrays(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the arrays of a file by name, read only as far as their shapes; a single unnamed one is called ''."""
    if path.suffix not in FILE_FORMATS:
        *others, last = FILE_FORMATS
        raise UsageError(f"'{path}' is not a {', '.join(others)} or {last} file")
    file_format = FILE_FORMATS[path.suffix]
    with refuse_unreadable(path, file_format.what):
        refuse_special(path)
        refuse_empty(path)
        stack.enter_context(refuse_changed(path))
        return file_format.open(path, stack)
