"""What recorded logits are like, and what a formulation does to them: the parts of an audit's answer."""

from dataclasses import dataclass
from enum import StrEnum

QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)


class Quantity(StrEnum):
    """What the first failure of a formulation depends on; its recorded extreme is the largest of all rows."""

    LARGEST_LOGIT = "largest logit"
    SPREAD = "spread"  # of the logits of a row: largest minus smallest
    OFFSET = "offset"  # of a row: the size of its largest logit


def drop_axis(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """Return a shape without an axis; all of it for None."""
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """The recorded logits that have a truth: where they were found, quantiles, extremes.

    `logits` and `margins` are quantiles at QUANTILES, the inner ones within 2 %; a margin is the logit of the true class
    minus the best other one (of one logit: towards its label). Extremes are None where no row has a truth. `rows` were
    looked at; in `probability_rows` no logit is negative and their sum is 1.
    """

    logits_key: str
    labels_key: str
    dtype: str
    shape: tuple[int, ...]
    class_axis: int | None
    rows: int
    logits: tuple[float, ...]
    margins: tuple[float, ...]
    extremes: dict[Quantity, float]
    probability_rows: int

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of the rows: that of the logits without the axis of the classes."""
        return drop_axis(self.shape, self.class_axis)

    @property
    def classes(self) -> int:
        return 1 if self.class_axis is None else self.shape[self.class_axis]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What errors do to training on the judged rows, taken together: mean loss, and the gradient as one vector.

    `mean_loss` is the true one; errors are relative. None where there is no gradient, or the truth is 0; NaN where a
    computed value is NaN.
    """

    mean_loss: float
    loss_error: float | None
    gradient_error: float | None
    cosine: float | None


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """How far recorded logits are from a formulation's first failure: a quantity, its extreme in the file, where it breaks.

    `is_at_most`: magnitudes below `breaks_at` were not all tried, and some of them may break it.
    """

    quantity: Quantity
    recorded: float
    breaks_at: float | None
    is_at_most: bool
    finding: str | None


class Safety(StrEnum):
    """Whether the recorded run is safe in a format."""

    SAFE = "safe"
    SAFE_WITH = "safe-with"
    NOT_SAFE = "not-safe"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The answer for a format: a sentence, and a command that shows the worst case that it speaks of."""

    dtype: str
    safety: Safety
    sentence: str
    reproduce: str | None
