"""NumPy's files, .npy and .npz, read without pickle; an archive is unpacked to a temporary folder."""

import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from cestab.cases.files.stored import MappedArray, StoredArray, refuse_no_archive


def open_npy(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the one array, which has no name."""
    return {"": _map(path, stack)}


def open_npz(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the arrays at the top of the archive."""
    refuse_no_archive(path, "it is no archive of numpy.savez")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cestab-")))
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy") and "/" not in name and ".." not in name]
        return {name.removesuffix(".npy"): _map(Path(archive.extract(name, folder)), stack) for name in members}


def _map(path: Path, stack: ExitStack) -> StoredArray:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "mmap length" not in str(error):
            raise
        raise ValueError(f"it is cut off: its {path.stat().st_size} bytes are fewer than its shape needs") from None
    if not isinstance(mapped, np.memmap):
        raise ValueError("it is an archive; call it .npz")  # noqa: TRY004  # reported like other unreadable files
    stream = stack.enter_context(path.open("rb"))
    return MappedArray(
        stream=stream,
        dtype=mapped.dtype,
        shape=mapped.shape,
        offset=mapped.offset,
        order="C" if mapped.flags.c_contiguous else "F",
    )
