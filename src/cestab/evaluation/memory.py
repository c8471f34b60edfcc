"""Whether a request fits into memory, asked before any of it is taken; and memory that is kept for the next block."""

import ctypes
import sys
from contextlib import suppress

import psutil

from cestab.errors import OptionName, UsageError

BYTES_PER_CLASS = 1000  # of a block of the fewest cases; measured at 1 and 2 million classes: 500 to 1,200
BYTES_PER_MAGNITUDE = 100  # of a sampled range; measured at 2 and 4 million: 90


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_KEPT = 2**26


def keep_freed_memory() -> None:
    """Have glibc keep what a block of cases frees for the next one: else a third of the time goes into page faults."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_THRESHOLD, _KEPT)
            library.mallopt(_TRIM_THRESHOLD, 2 * _KEPT)


def refuse_classes(classes: int) -> None:
    """Refuse more classes than fit."""
    _refuse(f"{classes:,} classes", classes * BYTES_PER_CLASS, OptionName("classes"))


def refuse_magnitudes(count: int) -> None:
    """Refuse more magnitudes of a sampled range than fit."""
    _refuse(f"a range of {count:,} magnitudes", count * BYTES_PER_MAGNITUDE, OptionName("logits"))


def _refuse(what: str, needed: int, option: OptionName) -> None:
    free = psutil.virtual_memory().available
    if needed > free:
        sizes = f"about {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} are free"
        raise UsageError(f"{what} would need {sizes}: ask for fewer with ", option)
