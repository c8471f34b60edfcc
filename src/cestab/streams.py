"""The standard streams and the environment as a program finds them: closed, ended, full, or with nonsense in COLUMNS."""

import io
import os
import select
import signal
import sys

WIDEST = 10_000  # columns that are believed; a terminal has hundreds
ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # which end the program as Ctrl-C does: what is unpacked or begun is cleaned up


def prepare() -> None:
    """Make the process one that can be relied on; to be called before anything is read, written or imported."""
    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)  # SIGHUP is not on every system
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it
            signal.signal(number, signal.default_int_handler)
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        _open_closed(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # UTF-8 is what JSON is; the tables' signs are in no narrower encoding
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns[:9]) > WIDEST:
        os.environ["COLUMNS"] = str(WIDEST)
    if "_CESTAB_COMPLETE" in os.environ:  # a shell's question without its words is one about no words
        os.environ.setdefault("COMP_WORDS", "")
        os.environ.setdefault("COMP_CWORD", "0")


def _open_closed(descriptor: int) -> None:
    """Open a descriptor on nothing if it is closed: else the next file that is opened would take its place."""
    try:
        os.fstat(descriptor)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != descriptor:
            os.dup2(nothing, descriptor)
            os.close(nothing)


def is_abandoned(descriptor: int) -> bool:
    """Whether nobody reads any more what is written there: a pipe whose other end is closed."""
    poller = select.poll()
    poller.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))
