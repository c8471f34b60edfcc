"""What changes an objective: smoothing, weights, exponents, and how the rows of a batch are reduced to one loss."""

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from cestab.errors import UsageError

DEFAULT_IGNORE_INDEX = -100  # of recorded labels: torch.nn.functional.cross_entropy's
MOST_ROWS = 2**24  # of a batch: as many as float32 counts exactly
MOST_GAMMA = 8.0  # of a focal loss: the error bounds of its truth are proven up to there


class Reduction(StrEnum):
    """How the losses of a batch become one; a batch of one row is that row's loss, as it is."""

    MEAN = "mean"
    SUM = "sum"


def _number(default: Any, low: float, high: float) -> Any:
    """Return a field whose numbers are from `low` to `high`, here and in the JSON of reports."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Options of an objective; other options mean another truth. The numbers are the doubles as given.

    `class_weights` are cycled over the classes and rounded to the format. A batch is `batch` rows of the same loss; where
    there is an `ignore_index`, every second of them carries it.
    """

    label_smoothing: float = _number(0.0, 0.0, 1.0)
    class_weights: tuple[float, ...] = _number((), 0.0, math.inf)
    ignore_index: int | None = None
    gamma: float = _number(0.0, 0.0, MOST_GAMMA)
    z_weight: float = _number(0.0, 0.0, 1.0)
    batch: int = 1
    reduction: Reduction = Reduction.MEAN

    def __post_init__(self) -> None:
        """Refuse numbers with which there is no loss."""
        for option in fields(self):
            if "range" in option.metadata:
                _refuse_outside(option.name, getattr(self, option.name), *option.metadata["range"])
        if not 1 <= self.batch <= MOST_ROWS:
            raise UsageError(f"a batch of {self.batch} rows is not one of 1 to {MOST_ROWS}")

    @property
    def kept_rows(self) -> int:
        """Rows of the batch that count: of every two the first, where the others are ignored."""
        return self.batch if self.ignore_index is None else (self.batch + 1) // 2

    @property
    def divisor(self) -> int:
        """What the loss scale is divided by to be the upstream factor of one row."""
        return self.kept_rows if self.reduction is Reduction.MEAN else 1

    @property
    def multiplier(self) -> int:
        """What the loss of one row is multiplied by to be the reduced loss."""
        return self.kept_rows if self.reduction is Reduction.SUM else 1

    def given(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, without those of the batch."""
        return {name: value for name, value in vars(self).items() if name not in ROWS and value != _DEFAULTS[name]}


def _refuse_outside(name: str, value: float | tuple[float, ...], low: float, high: float) -> None:
    """Refuse a number, or one of several, that is outside a range."""
    for number in value if isinstance(value, tuple) else (value,):
        if not (low <= number <= high and math.isfinite(number)):
            allowed = f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a finite number from {low:g} on"
            shown = f"{name.removesuffix('s').replace('_', ' ')} {number!r}" if isinstance(value, tuple) else f"{name}={number}"
            raise UsageError(f"{shown} is not {allowed}")


ROWS = ("batch", "reduction")  # the options that every objective has
_DEFAULTS = {option.name: option.default for option in fields(LossOptions)}
OPTION_NAMES = tuple(name for name in _DEFAULTS if name not in ROWS)
NUMBERS = {name: default for name, default in _DEFAULTS.items() if isinstance(default, float)}  # with their defaults
NO_OPTIONS = LossOptions()
