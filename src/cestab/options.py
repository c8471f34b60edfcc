"""The options that the public Python functions share, each once; None means the default of the command's option."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, TypeVar, cast

Names = str | Sequence[str]  # a single name counts as a list of one


class ArithmeticOptions(TypedDict, total=False):
    """The options of number format and judgement."""

    dtypes: Names | None
    compute: str | None
    summations: Names | None
    loss_scales: float | Sequence[float] | None
    rtol: float | None
    atol: float | None
    fp8_overflow: str
    flush_subnormals: bool


class GuardOptions(TypedDict, total=False):
    """What a call of code that is not ours may use."""

    timeout: float | None
    max_memory: str | int | None


class CaseOptions(TypedDict, total=False):
    """The options of generated cases."""

    logits: str
    patterns: Names | None
    classes: int | Sequence[int] | None
    targets: Names | None
    seed: int
    batch: int
    reduction: str


class AuditOptions(ArithmeticOptions, GuardOptions, total=False):
    """What audit and sweep have in common."""

    objective: str | None


class SweepOptions(AuditOptions, CaseOptions, total=False):
    """The options of a sweep but for what its gate counts."""


Options = TypeVar("Options", ArithmeticOptions, GuardOptions, CaseOptions)


def take_options(kind: type[Options], options: Mapping[str, object]) -> Options:
    """Return the options of a kind."""
    return cast("Options", {name: options[name] for name in kind.__annotations__ if name in options})


def refuse_unknown_options(function: str, options: Mapping[str, object], known: type) -> None:
    """Raise the TypeError of a keyword that a function does not declare."""
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'")
