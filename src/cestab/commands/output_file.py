"""The file of `-o`: opened before the work, replaced when the report is whole, never one that the command reads."""

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from cestab.errors import UsageError

DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|(?:/dev|/proc/self)/fd/(\d+)")
NUMBERS = {"stdout": 1, "stderr": 2}


@contextmanager
def open_file(path: str, inputs: Iterable[str] = ()) -> Iterator[TextIO]:
    """Yield the stream of a file that appears under its name only when all of it is written.

    A file that exists keeps its mode. What is no regular file is written directly. `inputs` are the files that the command
    reads; the output is none of them, by whatever path.
    """
    if not path:
        raise UsageError("-o '' names no file")
    with ExitStack() as stack:
        with _refuse_unwritable(path):
            stream = stack.enter_context(_open(path, inputs))
        yield stream


@contextmanager
def _refuse_unwritable(path: str) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except RuntimeError:
        raise UsageError(f"cannot write '{path}': its symbolic links lead in a circle") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"cannot write '{path}': {getattr(error, 'strerror', None) or error}") from None


def _open(path: str, inputs: Iterable[str]) -> AbstractContextManager[TextIO]:
    descriptor = DESCRIPTOR.fullmatch(path)
    if descriptor:  # opened by its name, a file that it leads to would be cut off
        number = NUMBERS.get(descriptor[1]) or int(descriptor[2])
        return open(number, "w", encoding="utf-8", closefd=False)
    target = Path(path).resolve()  # through a link, to the file it names
    if target.is_dir():
        raise IsADirectoryError("it is a folder")
    same = next((name for name in inputs if _is_same(target, Path(name))), None)
    if same is not None:
        raise UsageError(f"cannot write '{path}': this command reads '{same}', which is the same file")
    if not target.exists():
        return _replace(target, path, None)
    mode = target.stat().st_mode
    return _replace(target, path, stat.S_IMODE(mode)) if stat.S_ISREG(mode) else target.open("w", encoding="utf-8")


def _is_same(target: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also one that is not written yet."""
    return target == Path(os.path.realpath(other)) or (target.exists() and other.exists() and target.samefile(other))


@contextmanager
def _replace(target: Path, path: str, mode: int | None) -> Iterator[TextIO]:
    """Yield the stream of a file beside the target, which takes its name at the end."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".cestab-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            yield stream
            with _refuse_unwritable(path):
                stream.flush()
                os.fsync(handle)
        with _refuse_unwritable(path):
            part.chmod(_default_mode() if mode is None else mode)  # mkstemp's own lets nobody else read a report
            part.replace(target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
