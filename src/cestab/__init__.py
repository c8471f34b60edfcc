"""cestab: a numerical stability auditor for cross-entropy loss and its backpropagation.

The public names are imported when they are first used, so that `cestab --help` need not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cestab.api import Report, audit, sweep

__all__ = ["Report", "audit", "sweep"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("cestab.api"), name)
    raise AttributeError(f"module 'cestab' has no attribute '{name}'")
