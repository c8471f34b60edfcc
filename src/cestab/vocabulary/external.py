"""Code that is not ours: what a call of it may use, and what a report tells about it."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_TIMEOUT_SECONDS = 120.0  # of one call; importing a framework on a cold disk has been seen to take 40


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What one call of a target may use: wall time, and memory of its process (None: no limit)."""

    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    max_memory_bytes: int | None = None


DEFAULT_GUARD = Guard()


class GradientSource(StrEnum):
    """Where a target's gradient comes from."""

    AUTOGRAD = "autograd"
    OWN = "own"
    CHAIN_RULE = "chain rule"


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """What the numbers of a target depend on.

    `flushes_subnormals`: whether its float32 arithmetic gives 0 where the result is subnormal; None where that was not found
    out. `gradient` OWN: the function returns it, or none at all, which its settings tell.
    """

    formulation: str
    adapter: str
    versions: tuple[tuple[str, str], ...]
    device: str
    mode: str
    gradient: GradientSource
    threads: int | None
    flushes_subnormals: bool | None
