"""`cestab list`: the registries, one line an entry."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cestab.commands.output import write_text
from cestab.errors import unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Parameter

    from cestab.numerics.formats import Format
    from cestab.vocabulary.objectives import Objective


class Registry(StrEnum):
    """What can be listed."""

    FORMULATIONS = "formulations"
    DTYPES = "dtypes"
    PATTERNS = "patterns"
    TARGETS = "targets"
    FINDINGS = "findings"
    ADAPTERS = "adapters"
    OBJECTIVES = "objectives"


def list_registry(
    registry: Annotated[str, typer.Argument(metavar="REGISTRY", help=f"One of {', '.join(Registry)}.")] = "",
) -> None:
    """List the names that options take, with one line about each; without a registry, what can be listed.

    Example: cestab list formulations
    """
    if not registry:
        write_text("".join(f"cestab list {each}\n" for each in Registry), sys.stdout)
        return
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
    from cestab.cases.patterns import ALL_PATTERNS
    from cestab.cases.target_kinds import TARGET_KINDS
    from cestab.external import ADAPTERS
    from cestab.formulations import FORMULATIONS, families
    from cestab.vocabulary.kinds import FindingKind
    from cestab.vocabulary.objectives import OBJECTIVES

    entries: dict[Registry, Callable[[], list[tuple[str, str]]]] = {
        Registry.FORMULATIONS: lambda: [
            (_signature(f.name, f.defaults()), f"{f.objective}: {f.summary}")
            for family in families().values()
            for f in (FORMULATIONS[name] for name in family)
        ],
        Registry.DTYPES: _dtypes,
        Registry.PATTERNS: lambda: [(pattern.name, pattern.summary) for pattern in ALL_PATTERNS.values()],
        Registry.TARGETS: lambda: [(kind.name, kind.summary) for kind in TARGET_KINDS.values()],
        Registry.FINDINGS: lambda: [(kind.label, f"{kind.severity}: {kind.summary}") for kind in FindingKind],
        Registry.ADAPTERS: lambda: list(ADAPTERS.items()),
        Registry.OBJECTIVES: lambda: [(objective.name, _describe_objective(objective)) for objective in OBJECTIVES.values()],
    }
    return entries[registry]()


def _signature(name: str, parameters: "dict[str, Parameter]") -> str:
    defaults = ",".join(f"{key}={parameter.default}" for key, parameter in parameters.items())
    return f"{name}:{defaults}" if defaults else name


def _describe_objective(objective: "Objective") -> str:
    """Return what an objective is of, and its options."""
    of = "one logit and a label from 0 to 1" if objective.is_binary else "classes"
    return f"of {of}" + (f"; options {', '.join(objective.option_names)}" if objective.option_names else "")


def _dtypes() -> list[tuple[str, str]]:
    from cestab.numerics.formats import FORMATS, REFUSED_FORMATS

    swept = [(fmt.name, _describe(fmt)) for fmt in FORMATS.values()]
    return swept + [(fmt.name, f"cannot be swept: it has no {fmt.missing}") for fmt in REFUSED_FORMATS.values()]


def _describe(fmt: "Format") -> str:
    """Return a format's derived numbers in one line."""
    numbers = f"p = {fmt.precision}, u = {fmt.unit_roundoff:.3g}, max {fmt.max:.5g}"
    small = f"smallest normal {fmt.smallest_normal:.4g}, subnormal {fmt.smallest_subnormal:.4g}"
    return f"{numbers}, {small}" + ("" if fmt.has_infinity else ", no infinity")
