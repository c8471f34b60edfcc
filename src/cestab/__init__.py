"""cestab: a numerical stability auditor for cross-entropy loss and its backpropagation.

The public names are imported when they are first used, so that `cestab --help` need not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cestab.api import advise, assert_stable, audit, compare, explain, formulation, sweep
    from cestab.commands.advise.answer import Advice
    from cestab.commands.compare.answer import Comparison
    from cestab.commands.explain.answer import Explanation
    from cestab.commands.sweep.answer import Report
    from cestab.errors import UsageError

__all__ = [
    "Advice",
    "Comparison",
    "Explanation",
    "Report",
    "UsageError",
    "advise",
    "assert_stable",
    "audit",
    "compare",
    "explain",
    "formulation",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("cestab.api"), name)
    raise AttributeError(f"module 'cestab' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__]
