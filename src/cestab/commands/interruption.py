"""Ctrl-C while an answer is written: it is written all the same, without what takes long, and the exit status says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HURRY = threading.Event()  # set from the first Ctrl-C on


@contextmanager
def finishing() -> Iterator[None]:
    """Hold back the first Ctrl-C; a second one ends the work."""
    HURRY.clear()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _hurry)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _hurry(*_: object) -> None:
    if HURRY.is_set():
        raise KeyboardInterrupt
    HURRY.set()
