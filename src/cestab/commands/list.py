"""`cestab list`: the registries, one line an entry."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cestab.commands.output import write_text
from cestab.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from inspect import Parameter

    from cestab.numerics.formats import Format


class Registry(StrEnum):
    """What can be listed."""

    FORMULATIONS = "formulations"
    DTYPES = "dtypes"
    PATTERNS = "patterns"
    TARGETS = "targets"
    FINDINGS = "findings"
    ADAPTERS = "adapters"


def list_registry(
    registry: Annotated[str, typer.Argument(metavar="REGISTRY", help=f"One of {', '.join(Registry)}.")] = "",
) -> None:
    """List the names that options take, with one line about each.

    Example: cestab list formulations
    """
    if not registry:
        raise UsageError(f"list needs a registry: {', '.join(Registry)}")
    if registry not in list(Registry):
        raise unknown_name("registry", registry, Registry)
    from rich.table import Table
    from rich.text import Text

    from cestab.reports.text import to_text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for name, about in _entries(Registry(registry)):
        table.add_row(Text(name, no_wrap=True), Text(about))
    write_text(to_text(sys.stdout, table), sys.stdout)


def _entries(registry: Registry) -> list[tuple[str, str]]:
    from cestab.cases.patterns import PATTERNS
    from cestab.cases.target_kinds import TARGET_KINDS
    from cestab.external import ADAPTERS
    from cestab.formulations import FORMULATIONS, families
    from cestab.vocabulary.kinds import FindingKind

    match registry:
        case Registry.FORMULATIONS:
            found = [FORMULATIONS[name] for family in families().values() for name in family]
            return [(_signature(f.name, f.defaults()), f"{f.objective}: {f.summary}") for f in found]
        case Registry.DTYPES:
            return _dtypes()
        case Registry.PATTERNS:
            return [(pattern.name, pattern.summary) for pattern in PATTERNS.values()]
        case Registry.TARGETS:
            return [(kind.name, kind.summary) for kind in TARGET_KINDS.values()]
        case Registry.FINDINGS:
            return [(kind.label, f"{kind.severity}: {kind.summary}") for kind in FindingKind]
        case Registry.ADAPTERS:
            return list(ADAPTERS.items())


def _signature(name: str, parameters: "dict[str, Parameter]") -> str:
    defaults = ",".join(f"{key}={parameter.default}" for key, parameter in parameters.items())
    return f"{name}:{defaults}" if defaults else name


def _dtypes() -> list[tuple[str, str]]:
    from cestab.numerics.formats import FORMATS, REFUSED_FORMATS

    swept = [(fmt.name, _describe(fmt)) for fmt in FORMATS.values()]
    return swept + [(fmt.name, f"cannot be swept: it has no {fmt.missing}") for fmt in REFUSED_FORMATS.values()]


def _describe(fmt: "Format") -> str:
    """Return a format's derived numbers in one line."""
    numbers = f"p = {fmt.precision}, u = {fmt.unit_roundoff:.3g}, max {fmt.max:.5g}"
    small = f"smallest normal {fmt.smallest_normal:.4g}, subnormal {fmt.smallest_subnormal:.4g}"
    return f"{numbers}, {small}" + ("" if fmt.has_infinity else ", no infinity")
