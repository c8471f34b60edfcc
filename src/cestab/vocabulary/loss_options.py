"""What changes an objective: smoothing, weights, exponents, and how the rows of a batch are reduced to one loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
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


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Options of an objective, each of which has its own truth; the numbers are the doubles as given.

    `class_weights` are cycled over the classes and rounded to the format. A batch is `batch` equal rows; where there is an
    `ignore_index`, every second of them carries it.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    ignore_index: int | None = None
    gamma: float = 0.0
    z_weight: float = 0.0
    batch: int = 1
    reduction: Reduction = Reduction.MEAN

    def __post_init__(self) -> None:
        """Refuse numbers that make no loss."""
        for name, value, top in (
            ("label_smoothing", self.label_smoothing, 1.0),
            ("gamma", self.gamma, MOST_GAMMA),
            ("z_weight", self.z_weight, 1.0),
        ):
            if not 0 <= value <= top:
                raise UsageError(f"{name}={value} is not a number from 0 to {top:g}")
        for weight in self.class_weights:
            if not 0 <= weight < math.inf:
                raise UsageError(f"class weight {weight!r} is not a finite number from 0 on")
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

    def show(self) -> dict[str, Any]:
        """Return the fields of a setting in a report: the batch, its reduction, and the options that are not as by default."""
        return {"batch": self.batch, "reduction": self.reduction, "options": self.given()}

    def given(self) -> dict[str, Any]:
        """Return the options that are not as by default, those of the batch apart."""
        return {name: value for name, value in vars(self).items() if name not in ROWS and value != _DEFAULTS[name]}

    @classmethod
    def read(cls, shown: Mapping[str, Any]) -> "LossOptions":
        """Return the options from the fields of a setting in a report; reports of older versions have none."""
        options = dict(shown.get("options", {}))
        if "class_weights" in options:
            options["class_weights"] = tuple(options["class_weights"])
        return cls(**options, batch=shown.get("batch", 1), reduction=Reduction(shown.get("reduction", Reduction.MEAN)))


ROWS = ("batch", "reduction")  # the options that every objective has
_DEFAULTS = {field.name: field.default for field in fields(LossOptions)}
OPTION_NAMES = tuple(name for name in _DEFAULTS if name not in ROWS)
NO_OPTIONS = LossOptions()
