"""Load what the path of an external loss names: a dotted path, or a function in a file."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from cestab.errors import UsageError

ALIASES = {"tf": "tensorflow"}
EXTRAS = {"optax": "jax"}  # that install a module besides their framework


def load(path: str) -> Any:
    """Return the object at `package.module.name` or `path/to/file.py:name`; a UsageError where there is none."""
    file, separator, name = path.rpartition(":")
    if separator:
        return _walk(_import_file(file), name.split("."), file)
    parts = path.split(".")
    parts[0] = ALIASES.get(parts[0], parts[0])
    module, rest = _import_longest(parts)
    return _walk(module, rest, module.__name__)


def _import_file(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file '{file}'")
    sys.path.insert(0, str(path.resolve().parent))  # its imports are resolved as if it were run
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"'{file}' is not a file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    loader = spec.loader
    try:
        _guarded(file, lambda: loader.exec_module(module))
    except ModuleNotFoundError as error:
        raise UsageError(f"'{file}' cannot be imported: {error}") from None
    return module


def _import_longest(parts: Sequence[str]) -> tuple[ModuleType, Sequence[str]]:
    """Return the module that the most leading parts name, and the parts that are left."""
    module = None
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            module = _guarded(name, lambda name=name: importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise UsageError(f"'{name}' cannot be imported: {error}") from None
            if module is None:
                raise UsageError(f"there is no module '{name}'{_hint(name)}") from None
            return module, parts[count - 1 :]
    raise UsageError(f"'{'.'.join(parts)}' is a module; name a function in it")


def _hint(name: str) -> str:
    if name in EXTRAS:
        return f": pip install 'cestab[{EXTRAS[name]}]'"
    return f"; a file is named {name}.py:function" if Path(f"{name}.py").is_file() else ""


def _guarded(what: str, action: Any) -> Any:
    """Import; what the imported module raises is the caller's mistake."""
    try:
        return action()
    except (ModuleNotFoundError, UsageError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"'{what}' cannot be imported: {type(error).__name__}: {error}") from error


def _walk(value: Any, names: Sequence[str], where: str) -> Any:
    for name in names:
        if not hasattr(value, name):
            public = [attribute for attribute in dir(value) if not attribute.startswith("_")]
            nearest = difflib.get_close_matches(name, public, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise UsageError(f"there is no '{name}' in {where}{hint}")
        value, where = getattr(value, name), f"{where}.{name}"
    return value
