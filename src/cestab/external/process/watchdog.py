"""The watchdog: a process that kills the workers of external losses once their caller is gone, whatever ended it.

Neither a loss that hangs in compiled code nor what a loss started stays behind. The process runs this file alone, without
cestab's other modules; its standard input has a line per worker, `+` or `-` and the worker's process group.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress


class Watchdog:
    """The caller's end of the process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # this file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C reaches the caller alone
        )

    def add(self, group: int) -> None:
        """Kill a process group at the caller's end."""
        self._write(f"+{group}\n")

    def drop(self, group: int) -> None:
        """Leave a process group that has ended; its number may be another's soon."""
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # killed by hand: the workers are still ended by their caller
            self.process.stdin.write(line)

    def end(self) -> None:
        """End the process; all workers have to be ended before."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()


def main() -> None:
    """Read until the caller closes the pipe, or dies, and kill what it left."""
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
