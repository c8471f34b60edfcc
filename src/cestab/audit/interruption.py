"""Ctrl-C among the formulations of a group: what is finished is kept, and nothing else."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

Value = TypeVar("Value")


def evaluate_each(names: Iterable[str], evaluate: Callable[[str], Value]) -> dict[str, Value]:
    """Return a value by name; after Ctrl-C the rest of the names is missing, which the caller looks for."""
    finished: dict[str, Value] = {}
    with suppress(KeyboardInterrupt):
        for name in names:
            finished[name] = evaluate(name)
    return finished
