"""What the errors of a formulation do to training: the mean loss, and the whole gradient of the rows as one vector."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cestab.evaluation.compute import Results
from cestab.truth.tiers import Truth
from cestab.vocabulary.recorded import Effect

DIGITS = 6
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class EffectTotals:
    """Sums over the rows so far whose true loss is finite: L̂ − L and L, and products of the gradients ĝ and g."""

    rows: int = 0
    loss_gap: float = 0.0
    true_loss: float = 0.0
    square: float = 0.0
    true_square: float = 0.0
    product: float = 0.0
    difference: float = 0.0
    has_gradient: bool = True

    @classmethod
    def of(cls, results: Results, truth: Truth) -> "EffectTotals":
        """Return the sums of a block."""
        loss, gradient = results
        chosen = np.isfinite(truth.loss)
        with np.errstate(all="ignore"):
            totals = cls(
                rows=int(np.count_nonzero(chosen)),
                loss_gap=float(np.sum(loss[chosen].astype(np.float64) - truth.loss[chosen])),
                true_loss=float(np.sum(truth.loss[chosen])),
                has_gradient=gradient is not None,
            )
            if gradient is None:
                return totals
            everything = chosen.all()
            computed = (gradient if everything else gradient[:, chosen]).astype(np.float64, copy=False).ravel()
            true = (truth.gradient if everything else truth.gradient[:, chosen]).ravel()
            gap = computed - true
            return replace(
                totals,
                square=_dot(computed, computed),
                true_square=_dot(true, true),
                product=_dot(computed, true),
                difference=_dot(gap, gap),
            )

    def merge(self, other: "EffectTotals") -> "EffectTotals":
        sums = {name: value + vars(other)[name] for name, value in vars(self).items() if name != "has_gradient"}
        return EffectTotals(**sums, has_gradient=self.has_gradient and other.has_gradient)

    def sum_up(self) -> Effect | None:
        """Return the effect; None without rows."""
        if not self.rows:
            return None
        is_known = self.has_gradient and self.true_square > 0
        size = math.sqrt(self.square) * math.sqrt(self.true_square) if is_known else 0.0
        return Effect(
            mean_loss=_round(self.true_loss / self.rows),
            loss_error=_round(abs(self.loss_gap) / self.true_loss) if self.true_loss else None,
            gradient_error=_round(math.sqrt(self.difference / self.true_square)) if is_known else None,
            cosine=_round(self.product / size) if size else None,
        )


def _dot(a: Doubles, b: Doubles) -> float:
    """Return Σ a·b; BLAS would start threads for it."""
    return float(np.einsum("i,i->", a, b))


def _round(number: float) -> float:
    """Return a number to as many digits as do not depend on the order of the sums."""
    return math.nan if math.isnan(number) else float(f"{number:.{DIGITS}g}")  # one NaN, which equals itself in a report
