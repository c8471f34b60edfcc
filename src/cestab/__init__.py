"""cestab: a numerical stability auditor for cross-entropy loss and its backpropagation.

The public names are imported when they are first used, so that `cestab --help` need not wait for NumPy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cestab.answers import Comparison, Explanation, Report
    from cestab.api import assert_stable, audit, compare, explain, formulation, sweep
    from cestab.errors import UsageError

__all__ = [
    "Comparison",
    "Explanation",
    "Report",
    "UsageError",
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


class _Package(ModuleType):
    """The module `cestab`: its `audit` is the public function, though a package of that name is imported, too."""

    @property
    def audit(self) -> Any:
        return import_module("cestab.api").audit

    @audit.setter
    def audit(self, package: ModuleType) -> None:
        """Keep the function when the import system binds the package, which stays importable from."""


sys.modules[__name__].__class__ = _Package
