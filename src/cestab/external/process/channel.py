"""How messages pass between a worker and its caller: pickled through pipes, their arrays in shared memory."""

import mmap
import os
import pickle
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

BYTES = 2**22  # a block's logits and dense target of 2^16 numbers each are 2^20; what does not fit goes through the pipe
ALIGNMENT = 64


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One end. One message at a time: its arrays are copied out of the memory before the answer's are put there."""

    outgoing: Connection
    incoming: Connection
    memory: memoryview

    def send(self, message: Any) -> None:
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

        self.outgoing.send((pickle.dumps(message, protocol=5, buffer_callback=place), places))

    def receive(self) -> Any:
        """Return the next message; raises EOFError where the other end is gone."""
        pickled, places = self.incoming.recv()
        return pickle.loads(pickled, buffers=[bytearray(self.memory[start : start + size]) for start, size in places])  # noqa: S301

    def close(self) -> None:
        self.outgoing.close()
        self.incoming.close()
        self.memory.release()


def open_memory() -> int:
    """Return the descriptor of memory that lasts as long as a process has it open."""
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
