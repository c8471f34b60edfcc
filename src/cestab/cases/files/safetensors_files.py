"""safetensors: the length of a JSON header, the header, and the bytes of its tensors without holes; read and written.

Source: the format's README, github.com/huggingface/safetensors#format. Its library gives NumPy no 8-bit floats, and keeps
all pages that were read mapped.
"""

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from cestab.cases.files.stored import MappedArray, StoredArray

MOST_AXES = 64  # NumPy's own bound
LONGEST_HEADER = 100_000_000  # bytes; the bound of the format's library
STORED_TYPES = {
    code: np.dtype(dtype)
    for code, dtype in {
        "F64": "<f8",
        "F32": "<f4",
        "F16": "<f2",
        "BF16": ml_dtypes.bfloat16,
        "F8_E4M3": ml_dtypes.float8_e4m3fn,
        "F8_E5M2": ml_dtypes.float8_e5m2,
        "I64": "<i8",
        "I32": "<i4",
        "I16": "<i2",
        "I8": "i1",
        "U64": "<u8",
        "U32": "<u4",
        "U16": "<u2",
        "U8": "u1",
        "BOOL": "?",
    }.items()
}


def open_safetensors(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the tensors by name; whatever in the header disagrees with the format or the file is a ValueError."""
    stream = stack.enter_context(path.open("rb"))
    size = path.stat().st_size
    start = 8 + int.from_bytes(stream.read(8), "little")
    if not 8 < start <= min(size, 8 + LONGEST_HEADER):
        raise ValueError(f"its header would be {start - 8} bytes long, the file has {size}")
    spans, arrays = [], {}
    for name, entry in _parse_header(stream.read(start - 8)).items():
        dtype, shape, (begin, end) = _parse_entry(name, entry, size)
        spans.append((begin, end))
        arrays[name] = MappedArray(stream=stream, dtype=dtype, shape=shape, offset=start + begin)
    last = (size - start, size - start)
    if any(before[1] != after[0] for before, after in pairwise([(0, 0), *sorted(spans), last])):
        raise ValueError("its tensors leave holes, overlap, or end elsewhere than the file")
    return dict(arrays)


def _parse_header(text: bytes) -> dict[str, Any]:
    """Return the entries of tensors."""
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_refuse_duplicates)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no object")  # noqa: TRY004  # reported like other unreadable files
    header.pop("__metadata__", None)
    return header


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("its header has a name twice")
    return dict(pairs)


def _parse_entry(name: str, entry: object, size: int) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    """Return type, shape and span of a tensor in a file of so many bytes, which agree."""
    match entry:
        case {"dtype": str(code), "shape": [*shape], "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise ValueError(f"the entry of {name!r} is not a dtype, a shape and data_offsets")
    if code not in STORED_TYPES:
        raise ValueError(f"the type {code[:20]!r} of {name!r} is not one of {', '.join(STORED_TYPES)}")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"the shape of {name!r} is not one of whole numbers from 0 on")
    is_within = len(shape) <= MOST_AXES and all(length <= size for length in shape)  # before they are multiplied
    if begin < 0 or not is_within or end - begin != math.prod(shape) * STORED_TYPES[code].itemsize:
        raise ValueError(f"the bytes of {name!r} are not as many as its shape and type need")
    return STORED_TYPES[code], tuple(shape), (begin, end)


def write_header(stream: BinaryIO, tensors: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str]) -> None:
    """Write the header of tensors (type, shape) that will follow in this order, padded so that they begin at 8 bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, (code, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * STORED_TYPES[code].itemsize
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
