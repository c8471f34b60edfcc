"""External losses: what a call of one may use, and what a report says about it."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_TIMEOUT_SECONDS = 120.0  # of one call; importing a framework from a cold disk took up to 40


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What one call of an external loss may use: wall time, and memory of its process (None: no limit)."""

    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    max_memory_bytes: int | None = None


DEFAULT_GUARD = Guard()


class GradientSource(StrEnum):
    """Where an external loss's gradient comes from."""

    AUTOGRAD = "autograd"
    OWN = "own"
    CHAIN_RULE = "chain rule"


@dataclass(frozen=True, kw_only=True)
class ExternalFacts:
    """What the numbers of an external loss depend on.

    `passed`: what each call gets beside logits and target. `flushes_subnormals`: whether its float32 arithmetic gives 0
    where the result is subnormal; None where that was not measured. `gradient` OWN: the function returns it, or returns none,
    which the `reason` of its settings says.
    """

    formulation: str
    adapter: str
    versions: tuple[tuple[str, str], ...]
    device: str
    mode: str
    gradient: GradientSource
    threads: int | None
    flushes_subnormals: bool | None
    passed: tuple[str, ...] = ()
