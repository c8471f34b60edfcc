"""Packages that only some forms of a report need, and the sentence where they are not installed."""

from importlib.util import find_spec

from cestab.errors import UsageError

PAGE = ("jinja2", "matplotlib")


def require_extras(what: str, packages: tuple[str, ...]) -> None:
    """Refuse a form before the work begins whose packages are not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}, not installed here: pip install 'cestab[plot]'")
