"""What a report's numbers may depend on: versions and the machine."""

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from cestab.vocabulary.external import ExternalFacts
from cestab.vocabulary.settings import Environment


def ignore_progress(_done: int, _total: int) -> None:
    """Take a report of progress and do nothing."""


def ignore_sentence(_sentence: str) -> None:
    """Take what is said before long work and do nothing."""


def count_cores() -> int:
    """Return how many processes can compute at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def version() -> str:
    """Return cestab's version."""
    return metadata.version("cestab")


def describe_environment(targets: tuple[ExternalFacts, ...] = ()) -> Environment:
    """Return versions of Python and NumPy, the platform, the processor's name, and what external losses depend on."""
    return Environment(
        python=platform.python_version(),
        numpy=np.__version__,
        platform=platform.platform(),
        cpu=_cpu(),
        simd=_simd(),
        targets=targets,
    )


def _simd() -> tuple[str, ...]:
    """Return the instruction sets that NumPy was built for or has found, in the order of their names."""
    sets = np.show_config(mode="dicts")["SIMD Extensions"]
    return tuple(sorted({*sets.get("baseline", ()), *sets.get("found", ())}))


def _cpu() -> str:
    """Return the processor's model; Linux keeps it in /proc/cpuinfo only."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
