"""Waiting for what happens in other processes, so that no test depends on how fast the machine is."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cestab.external.names import parse_external_name
from cestab.external.process.client import start_loss
from cestab.vocabulary.external import Guard

LOADED = "CESTAB_TEST_LOADED"  # names the file that a module of losses touches as soon as it is loaded
TOUCH = f"\nimport os, pathlib\npathlib.Path(os.environ['{LOADED}']).touch()\n"


def wait_until(has_happened: Callable[[], object], seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not has_happened():
        assert time.monotonic() < until, f"it did not happen within {seconds} s"
        time.sleep(0.01)


def load_first(names: list[str], guard: Guard, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load external losses, whose modules end with TOUCH, before they are asked within the times of a guard.

    A time that a call may take is also that of loading, which on a busy machine takes longer than a test should wait.
    """
    files = [folder / f"loaded-{number}" for number in range(len(names))]
    for name, file in zip(names, files, strict=True):
        monkeypatch.setenv(LOADED, str(file))
        start_loss(parse_external_name(name), guard)
    wait_until(lambda: all(file.exists() for file in files))
    for file in files:
        file.unlink()
