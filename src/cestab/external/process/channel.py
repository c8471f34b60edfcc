"""How messages pass between a worker and its caller: numbered frames of pickles through pipes, their arrays in shared memory.

The two ends do not trust each other's timing: every read and write of the caller has a deadline, and a frame that is no frame,
answers another question or comes from another process (an external loss may fork, or write where it should not) is refused.
"""

import math
import mmap
import os
import pickle
import select
import struct
import tempfile
import time
from dataclasses import dataclass
from typing import Any

BYTES = 2**22  # a block's logits and dense target of 2^16 numbers each are 2^20; what does not fit goes through the pipe
ALIGNMENT = 64
HEADER = struct.Struct("<8sQQQ")  # mark, process, question, bytes that follow
MARK = b"cestab/1"
MOST_FRAME_BYTES = 2**40
LONGEST_WAIT = 3600.0  # of one call of select, in seconds; some systems take no more than weeks


class ForeignFrameError(Exception):
    """What was read is not the answer of the other end to the question."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One end. One message at a time: its arrays are copied out of the memory before the answer's are put there."""

    outgoing: int
    incoming: int
    memory: memoryview

    def send(self, message: Any, question: int, deadline: float = math.inf) -> None:
        """Write a message; raises TimeoutError at the deadline (of time.monotonic), OSError where nobody reads."""
        places: list[tuple[int, int]] = []  # where arrays lie, and their sizes in bytes

        def place(buffer: pickle.PickleBuffer) -> bool:
            """Put an array into the memory; True where it does not fit, so that it is pickled with the rest."""
            raw = buffer.raw()
            start = -(-sum(places[-1]) // ALIGNMENT) * ALIGNMENT if places else 0
            if start + raw.nbytes > BYTES:
                return True
            self.memory[start : start + raw.nbytes] = raw
            places.append((start, raw.nbytes))
            return False

        body = pickle.dumps((pickle.dumps(message, protocol=5, buffer_callback=place), places))
        frame = memoryview(HEADER.pack(MARK, os.getpid(), question, len(body)) + body)
        while frame:
            _wait_for(self.outgoing, select.POLLOUT, deadline)
            frame = frame[os.write(self.outgoing, frame) :]

    def receive(self, deadline: float = math.inf) -> tuple[int, int, Any]:
        """Return sender, question and message; raises EOFError where the other end is gone, TimeoutError at the deadline."""
        mark, sender, question, size = HEADER.unpack(self._read(HEADER.size, deadline))
        if mark != MARK or size > MOST_FRAME_BYTES:
            raise ForeignFrameError("what came is no answer")
        pickled, places = pickle.loads(self._read(size, deadline))  # noqa: S301  # the worker runs the user's code anyway
        buffers = [bytearray(self.memory[start : start + length]) for start, length in places]
        return sender, question, pickle.loads(pickled, buffers=buffers)  # noqa: S301

    def is_ready(self, seconds: float) -> bool:
        """Whether something can be read within so many seconds."""
        return _poll(self.incoming, select.POLLIN, seconds)

    def _read(self, size: int, deadline: float) -> bytes:
        parts, left = [], size
        while left:
            _wait_for(self.incoming, select.POLLIN, deadline)
            part = os.read(self.incoming, min(left, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        os.close(self.outgoing)
        os.close(self.incoming)
        self.memory.release()


def _poll(descriptor: int, event: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, event)
    return bool(poller.poll(1000 * min(max(seconds, 0.0), LONGEST_WAIT)))


def _wait_for(descriptor: int, event: int, deadline: float) -> None:
    while not _poll(descriptor, event, deadline - time.monotonic()):
        if time.monotonic() >= deadline:
            raise TimeoutError


def open_memory() -> int:
    """Return the descriptor of memory that lasts as long as a process has it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("cestab")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, BYTES)
    return descriptor


def map_memory(descriptor: int) -> memoryview:
    """Return the bytes of opened memory, and close the descriptor."""
    mapped = mmap.mmap(descriptor, BYTES)
    os.close(descriptor)
    return memoryview(mapped)
