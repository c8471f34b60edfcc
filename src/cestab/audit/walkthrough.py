"""The numbers of the walk-through: what happens to the gradient as the true class loses by more and more."""

from dataclasses import replace

import numpy as np

from cestab.audit.compute import compute_own
from cestab.audit.conditions import Cases
from cestab.audit.evaluate import find_truth
from cestab.audit.plan import plan_arithmetics
from cestab.audit.request import make_arithmetics
from cestab.formulations import Formulation, find_formulation
from cestab.numerics.tape import Array, softmax, sum_over_classes
from cestab.numerics.target import IndexTarget, Target
from cestab.results.kinds import Objective
from cestab.results.walkthrough import WalkthroughRow

MARGINS = (1.0, 10.0, 17.0, 90.0, 104.0, 1000.0)
TRUE_CLASS = 1


def compute_walkthrough() -> tuple[WalkthroughRow, ...]:
    """Return a row for each margin: two classes, logits (t, 0), the second is the true one, float32."""
    objective = Objective.SOFTMAX_CROSS_ENTROPY
    conditions = replace(next(plan_arithmetics(make_arithmetics(["float32"]), objective)), classes=2)
    logits = np.array([MARGINS, np.zeros(len(MARGINS))], dtype=np.float32)
    target = IndexTarget(np.full(len(MARGINS), TRUE_CLASS))
    cases = Cases(np.arange(len(MARGINS)), logits, target)

    def gradient(formulation: Formulation) -> list[float]:
        return [float(entry) for entry in compute_own(conditions, formulation, cases)[1][TRUE_CLASS]]

    probability = compute_own(conditions, Formulation("softmax", objective, _probability, "", {}), cases)[0]
    with np.errstate(divide="ignore", over="ignore"):
        slope = -1 / probability
    columns = (
        [float(p) for p in probability],
        [float(s) for s in slope],
        gradient(find_formulation("softmax-log")),
        gradient(find_formulation("clipped")),
        gradient(find_formulation("log-softmax")),
        gradient(Formulation("squared-error", objective, _squared_error, "", {})),
        [float(g) for g in find_truth(conditions, cases, precise=False).gradient[TRUE_CLASS]],
    )
    return tuple(WalkthroughRow(*row) for row in zip(MARGINS, *columns, strict=True))


def _probability(z: Array, _target: Target) -> Array:
    p = softmax(z)
    return z.tape.record("{}[true]", p.value[TRUE_CLASS], (p,), lambda g, _: (g,))


def _squared_error(z: Array, _target: Target) -> Array:
    """Σ (p − y)², p = softmax(z), chain rule."""
    one_hot = np.zeros_like(z.value)
    one_hot[TRUE_CLASS] = 1
    difference = softmax(z) - z.tape.variable(one_hot, "y")
    return sum_over_classes(difference * difference)
