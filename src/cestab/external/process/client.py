"""The caller's end of the workers in which external losses run: it starts them, waits within bounds, and ends them."""

import atexit
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError, LostProcessError, Numbers, UnsupportedError
from cestab.external.evaluation import Work
from cestab.external.names import ExternalName
from cestab.external.process.channel import Channel, map_memory, open_memory
from cestab.external.process.protocol import Assignment, Kind, Reply
from cestab.external.process.watchdog import Watchdog
from cestab.vocabulary.external import ExternalFacts, Guard
from cestab.vocabulary.loss_options import LossOptions

# glibc returns freed blocks of this size to the system at once; then every page of the next costs a fault: 0.5 ms a call
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
SECONDS_BETWEEN_LOOKS = 0.02  # at the memory; in that time a process can touch about 100 MB more


@dataclass(kw_only=True)
class _Worker:
    """One running process with the bounds that its calls have."""

    process: "subprocess.Popen[bytes]"
    channel: Channel
    guard: Guard
    question: int = 0

    def ask(self, message: Work | LossOptions | None) -> Any:
        """Send a message and return the answer's payload; raises the error that the answer, or its absence, means."""
        reply = self._exchange(message, "load" if message is None else "return")
        match reply.kind:
            case Kind.USAGE:
                raise UsageError(*reply.payload)
            case Kind.UNSUPPORTED:
                raise UnsupportedError(reply.payload)
            case Kind.ERROR:
                raise ExternalError(reply.payload)
        return reply.payload

    def begin(self, assignment: Assignment) -> None:
        """Say what is to be loaded; a worker that is gone already is reported by the first question."""
        with suppress(OSError):
            self.channel.send(assignment, self.question, self._deadline())

    def _exchange(self, message: Work | LossOptions | None, what: str) -> Reply:
        """Send a message and return its answer; a process that does not give one is ended, and that is what it did."""
        self.question += 1
        try:
            self.channel.send(message, self.question, self._deadline())
            return self._wait()
        except TimeoutError:
            self.end()
            raise LostProcessError(f"it did not {what} within {self.guard.timeout_seconds:g} s") from None
        except (EOFError, OSError):
            self.end()
            raise LostProcessError(f"it ended its process: {_describe_end(self.process.wait())}") from None

    def _wait(self) -> Reply:
        """Wait for the answer; every heartbeat restarts the clock. Raises TimeoutError, and EOFError where none comes."""
        deadline = self._deadline()
        pause = math.inf if self.guard.max_memory_bytes is None else SECONDS_BETWEEN_LOOKS
        while True:
            left = deadline - time.monotonic()
            if self.channel.is_ready(min(left, pause)):
                reply = self._receive(deadline)
                self._look_at_memory()  # short calls are over before the next look
                if reply.kind is not Kind.HEARTBEAT:
                    return reply
                deadline = self._deadline()
            elif left <= 0:
                raise TimeoutError
            else:
                self._look_at_memory()

    def _receive(self, deadline: float) -> Reply:
        """Return what the worker sent; an answer of another process, or what is none, is an error of the loss."""
        try:
            sender, question, reply = self.channel.receive(deadline)
        except (EOFError, OSError):
            raise
        except Exception:  # noqa: BLE001  # bytes that are no pickle raise anything
            sender, question, reply = -1, -1, None
        if sender == self.process.pid and question == self.question and isinstance(reply, Reply):
            return reply
        self.end()
        forked = f"process {sender} answered, a fork of the one that was asked" if sender > 0 else "what came is no answer"
        raise LostProcessError(f"its answer cannot be trusted: {forked}")

    def _deadline(self) -> float:
        return time.monotonic() + self.guard.timeout_seconds

    def _look_at_memory(self) -> None:
        limit = self.guard.max_memory_bytes
        if limit is None:
            return
        try:
            worker = psutil.Process(self.process.pid)
            used = sum(_measure(process) for process in (worker, *worker.children(recursive=True)))
        except psutil.Error:  # it is gone, which the next read reports
            return
        if used > limit:
            self.end()
            size = f"{limit / 2**30:.3g} GiB" if limit >= 2**30 else f"{limit / 2**20:.3g} MiB"
            raise LostProcessError(f"its process needed more than {size} of memory")

    def end(self) -> None:
        """End the process at once, and with it those that it started."""
        if self.process.returncode is not None:
            return
        for child in _find_children(self.process.pid):  # those that left its group, too
            with suppress(psutil.Error):
                child.kill()
        with suppress(ProcessLookupError, PermissionError):  # not yet waited for, so its number is not reused
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if _POOL.watchdog is not None:
            _POOL.watchdog.drop(self.process.pid)
        self.channel.close()


def _find_children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _measure(process: psutil.Process) -> int:
    """Return the bytes of memory that a process holds; none of one that has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


Key = tuple[ExternalName, Guard]


class _Pool(threading.local):
    """The workers of one thread, and why losses could not be loaded, which is not tried again."""

    def __init__(self) -> None:
        self.workers: dict[Key, _Worker] = {}
        self.broken: dict[Key, str] = {}
        self.answers: dict[tuple[object, ...], Any] = {}
        self.watchdog: Watchdog | None = None


_POOL = _Pool()


def _forget() -> None:
    """Leave the workers to the parent of a fork, which uses and ends them."""
    _POOL.workers.clear()
    _POOL.watchdog = None


os.register_at_fork(after_in_child=_forget)


def describe_loss(name: ExternalName, guard: Guard) -> ExternalFacts:
    """Load an external loss and return what its numbers depend on."""
    try:
        return cast("ExternalFacts", _ask(name, guard, None))
    except ExternalError as error:
        _POOL.broken[name, guard] = str(error)
        raise


def evaluate_loss(name: ExternalName, work: Work, guard: Guard) -> tuple[Numbers, Numbers | None]:
    """Return loss (cases,) and upstream·gradient (classes, cases) of a block, or None without a gradient."""
    return cast("tuple[Numbers, Numbers | None]", _ask(name, guard, work))


def calls_by_case(name: ExternalName, options: LossOptions, guard: Guard) -> bool:
    """Whether every case takes a call of an external loss, which is known once it has been called."""
    return cast("bool", _ask(name, guard, options))


def kept_answers() -> dict[tuple[object, ...], Any]:
    """Return what this thread found out about its losses, kept until their processes end."""
    return _POOL.answers


def start_loss(name: ExternalName, guard: Guard) -> None:
    """Start a worker, which loads the loss at once, without waiting for it: several load at the same time."""
    if (name, guard) not in _POOL.workers:
        _POOL.workers[name, guard] = _start(name, guard)


def end_losses() -> None:
    """End every process of this thread."""
    _POOL.broken.clear()
    _POOL.answers.clear()
    while _POOL.workers:
        _POOL.workers.popitem()[1].end()
    if _POOL.watchdog is not None:
        _POOL.watchdog.end()
        _POOL.watchdog = None


atexit.register(end_losses)


def _ask(name: ExternalName, guard: Guard, message: Work | LossOptions | None) -> Any:
    if (name, guard) in _POOL.broken:
        raise ExternalError(_POOL.broken[name, guard])
    start_loss(name, guard)
    worker = _POOL.workers[name, guard]
    try:
        return worker.ask(message)
    except BaseException as error:
        if not isinstance(error, UsageError | UnsupportedError | ExternalError):
            worker.end()  # Ctrl-C between a question and its answer
        if worker.process.poll() is not None:
            _POOL.workers.pop((name, guard), None)  # the next setting gets a new one
        raise


def _start(name: ExternalName, guard: Guard) -> _Worker:
    memory = open_memory()
    process = subprocess.Popen(  # noqa: S603  # a module of cestab
        [sys.executable, "-P", "-m", "cestab.external.process.worker", str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[memory],
        env=KEEP_FREED_MEMORY | os.environ,
        start_new_session=True,  # Ctrl-C reaches the caller alone; and what the worker starts can be ended with it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if _POOL.watchdog is None:
        _POOL.watchdog = Watchdog()
    _POOL.watchdog.add(process.pid)
    outgoing, incoming = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
    process.stdin.close()
    process.stdout.close()
    os.set_blocking(outgoing, False)  # a worker that reads nothing must not hold its caller
    channel = Channel(outgoing=outgoing, incoming=incoming, memory=map_memory(memory))
    worker = _Worker(process=process, channel=channel, guard=guard)
    worker.begin(Assignment(name, [*sys.path, str(Path.cwd())]))
    return worker


def _describe_end(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
