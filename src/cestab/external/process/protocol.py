"""The messages between a worker (worker.py) and its caller (client.py)."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from cestab.external.names import ExternalName


class Kind(Enum):
    """What a reply holds."""

    RESULT = auto()
    HEARTBEAT = auto()
    USAGE = auto()
    UNSUPPORTED = auto()
    ERROR = auto()


class Reply(NamedTuple):
    """An answer to the caller: a result, a heartbeat, or a sentence (of USAGE in parts)."""

    kind: Kind
    payload: Any = None


class Assignment(NamedTuple):
    """The first message: the name of the loss, and the caller's module search path."""

    name: ExternalName
    paths: Sequence[str]
