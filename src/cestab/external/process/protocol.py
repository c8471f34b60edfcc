"""What is said between a target's process (worker.py) and its caller (client.py)."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from cestab.external.names import TargetName


class Kind(Enum):
    """What a reply is."""

    RESULT = auto()
    TICK = auto()
    USAGE = auto()
    UNSUPPORTED = auto()
    ERROR = auto()


class Reply(NamedTuple):
    """An answer to the other end: a result, a sign of life, or a sentence (of USAGE in parts)."""

    kind: Kind
    payload: Any = None


class Assignment(NamedTuple):
    """The first message: which target, and where the caller's modules are found."""

    name: TargetName
    paths: Sequence[str]
