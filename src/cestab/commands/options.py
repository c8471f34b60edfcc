"""Every option that commands share, once: its name, help, parser and completion."""

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from cestab.errors import UsageError

CASES, ARITHMETIC, JUDGEMENT, OUTPUT, TARGETS = "Cases", "Arithmetic", "Judgement", "Output", "Code that is not ours"


class OutputFormat(StrEnum):
    """Forms of a report."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


def choose_format(
    given: OutputFormat | None, *, json: bool, detail: bool, allowed: Collection[OutputFormat] = tuple(OutputFormat)
) -> OutputFormat:
    """Return the form that `--output-format`, `--json` and `--detail` ask for together, of those that the command has."""
    if json and given not in (None, OutputFormat.JSON):
        raise UsageError(f"--json asks for json, --output-format for {given}; give one of them")
    chosen = OutputFormat.JSON if json else given or OutputFormat.TABLE
    if chosen not in allowed:
        raise UsageError(f"this command has no form {chosen}; it has {', '.join(allowed)}")
    if detail and chosen is not OutputFormat.TABLE:
        raise UsageError(f"--detail is a form of the table, not of {chosen}")
    return chosen


def split_list(values: list[str] | None) -> list[str] | None:
    """Return the items of a repeatable option whose values may be comma lists."""
    if values is None:
        return None
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def split_integers(values: list[str] | None, option: str) -> list[int] | None:
    """The same, as whole numbers."""
    return _convert(split_list(values), option, int, "whole numbers")


def split_floats(values: list[str] | None, option: str) -> list[float] | None:
    """The same, as numbers."""
    return _convert(split_list(values), option, float, "numbers")


Number = TypeVar("Number", int, float)


def _convert(items: list[str] | None, option: str, number: Callable[[str], Number], kind: str) -> list[Number] | None:
    if items is None:
        return None
    try:
        return [number(item) for item in items]
    except ValueError:
        raise UsageError(f"{option} takes {kind}, not '{','.join(items)}'") from None


def _complete(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return typer's completion from a function of the registered names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _formulations() -> Iterable[str]:
    from cestab.formulations import FORMULATIONS

    return FORMULATIONS


def _formats() -> Iterable[str]:
    from cestab.numerics.formats import FORMATS

    return FORMATS


def _patterns() -> Iterable[str]:
    from cestab.cases.patterns import PATTERNS

    return PATTERNS


def _targets() -> Iterable[str]:
    from cestab.cases.target_kinds import TARGET_KINDS

    return TARGET_KINDS


def _gates() -> Iterable[str]:
    from cestab.vocabulary.kinds import FindingKind

    return ["fail", "warn", *(kind.label for kind in FindingKind)]


Formulations = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--formulation",
        metavar="NAME[:KEY=VALUE,…]",
        autocompletion=_complete(_formulations),
        help="Formulation, e.g. clipped:eps=1e-8, or a loss of yours, e.g. losses.py:my_loss or torch:pkg.my_loss; "
        "repeatable. Default: the whole family.",
        rich_help_panel=CASES,
    ),
]
ObjectiveName = Annotated[
    str | None,
    typer.Option("--objective", metavar="NAME", help="Loss, e.g. focal-loss. Default: that of -f.", rich_help_panel=CASES),
]
Dtypes = Annotated[
    list[str] | None,
    typer.Option(
        "--dtype",
        metavar="FORMAT,…",
        autocompletion=_complete(_formats),
        rich_help_panel=ARITHMETIC,
        help="Number formats. Default: float16,bfloat16,float32,float64.",
    ),
]
Compute = Annotated[
    str | None,
    typer.Option(
        "--compute",
        metavar="FORMAT",
        autocompletion=_complete(_formats),
        rich_help_panel=ARITHMETIC,
        help="Compute in this wider format and round back once. Default: the dtype, op by op.",
    ),
]
Summations = Annotated[
    list[str] | None,
    typer.Option(
        "--summation", metavar="ORDER,…", help="sequential, pairwise or wide. Default: wide.", rich_help_panel=ARITHMETIC
    ),
]
LossScales = Annotated[
    list[str] | None,
    typer.Option("--loss-scale", metavar="S,…", help="Factor on the gradient. Default: 1.", rich_help_panel=ARITHMETIC),
]
Fp8Overflow = Annotated[
    str,
    typer.Option(
        "--fp8-overflow", metavar="nan|saturate", help="Overflow in formats without infinity.", rich_help_panel=ARITHMETIC
    ),
]
FlushSubnormals = Annotated[
    bool, typer.Option("--flush-subnormals", help="Flush subnormal results to zero.", rich_help_panel=ARITHMETIC)
]
Batch = Annotated[int, typer.Option("--batch", metavar="N", help="Rows that are reduced to one loss.", rich_help_panel=CASES)]
Reduction = Annotated[
    str, typer.Option("--reduction", metavar="mean|sum", help="How the rows of a batch are reduced.", rich_help_panel=CASES)
]
Logits = Annotated[
    str,
    typer.Option(
        "--logits",
        metavar="LO:HI[:N][:log|linear]",
        rich_help_panel=CASES,
        help="Range of the magnitude t, e.g. -100:100 or 0:20:1001:linear; all is the format's whole finite range.",
    ),
]
Patterns = Annotated[
    list[str] | None,
    typer.Option(
        "--pattern",
        metavar="NAME,…",
        autocompletion=_complete(_patterns),
        rich_help_panel=CASES,
        help="How t becomes a logit vector. Default: margin,offset.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--classes", metavar="N,…", help="Number of classes. Default: 2,1000.", rich_help_panel=CASES),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="KIND,…",
        autocompletion=_complete(_targets),
        rich_help_panel=CASES,
        help="Which class is true, e.g. correct, wrong, smooth:0.1. Default: correct,wrong.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the gaussian pattern.", rich_help_panel=CASES)]
Rtol = Annotated[
    float | None, typer.Option("--rtol", help="Relative tolerance. Default: the dtype's.", rich_help_panel=JUDGEMENT)
]
Atol = Annotated[
    float | None, typer.Option("--atol", help="Absolute tolerance. Default: the dtype's.", rich_help_panel=JUDGEMENT)
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="FINDING,…",
        autocompletion=_complete(_gates),
        rich_help_panel=JUDGEMENT,
        help="Exit 1 on these findings; fail and warn name all of that severity or worse.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", help="Longest call of a loss, or loading of it. Default: 120.", rich_help_panel=TARGETS
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory", metavar="SIZE", help="Most memory of its process, e.g. 2G. Default: no limit.", rich_help_panel=TARGETS
    ),
]
Format = Annotated[
    OutputFormat | None,
    typer.Option("--output-format", help="Form of the report. Default: table.", rich_help_panel=OUTPUT),
]
CompareForm = Annotated[
    OutputFormat | None,
    typer.Option(
        "--output-format",
        metavar="[table|json|markdown|csv]",
        help="Form of the report. Default: table.",
        rich_help_panel=OUTPUT,
    ),
]
ExplainForm = Annotated[
    OutputFormat | None,
    typer.Option("--output-format", metavar="[table|json]", help="Form of the report. Default: table.", rich_help_panel=OUTPUT),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --output-format json.", rich_help_panel=OUTPUT)]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="FILE", help="Write the report to FILE.", rich_help_panel=OUTPUT)
]
Detail = Annotated[bool, typer.Option("--detail", help="One row per setting.", rich_help_panel=OUTPUT)]
Labels = Annotated[
    str | None, typer.Option("--labels", metavar="FILE", help="Labels in a file of their own.", rich_help_panel=CASES)
]
