"""The walk-through: the question that started cestab, answered with numbers that are computed when it is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TextIO

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cestab.evaluation.blocks import Cases
from cestab.evaluation.compute import compute_formulation
from cestab.evaluation.evaluate import find_truth
from cestab.evaluation.plan import plan_arithmetics
from cestab.formulations import Formulation, find_formulation
from cestab.numerics.operations import softmax
from cestab.numerics.tape import Array, sum_over_classes
from cestab.numerics.target import IndexTarget, Target
from cestab.reports.text import new_table, to_text
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import Arithmetics

MARGINS = (1.0, 10.0, 17.0, 90.0, 104.0, 1000.0)
TRUE_CLASS = 1
QUESTION = """Cross-entropy is −log p of the true class, and its derivative is −1/p. The network computes p = softmax(z), so
when it is confidently wrong p goes to 0. Two logits t and 0, the second one is the true class, everything in float32:"""
CHAIN = """1. The derivative −1/p grows without bound: it has overflowed at t = 90, and at t = 104 p itself underflows to 0. The
chain rule multiplies it by the softmax's own derivative, p·(…): very large times very small gives the right −1
while both are numbers, then NaN."""
CLIP = """2. Clipping p at 1e-7 keeps −1/p finite. But where the clip holds p, no gradient passes: 0 where it should be −1.
The network is most wrong there, and learns nothing; no NaN tells."""
FUSED = """3. Take both derivatives together on paper: −1/p · ∂p/∂z = p − y. Nothing is divided, nothing overflows, and the
gradient of a wrong answer tends to −1 as t grows and stays there. This is why frameworks fuse softmax and
cross-entropy and want logits, not probabilities: log p = z − lse is computed from z, where p = 0 never arises."""
SQUARED = """4. Squared error on the same softmax, Σ (p − y)², has no −1/p to cancel the softmax's flat tails: its gradient
vanishes, in exact arithmetic too. The −1/p that looks like a defect is what makes cross-entropy learn."""
NEXT = """What still goes wrong on logits (cancellation in lse − z, p − 1 rounding to 0, half precision) and which
formulation avoids it: `cestab sweep`. Any single case: `cestab explain -f softmax-log --logits 104,0 --target 1`."""


@dataclass(frozen=True, kw_only=True)
class WalkthroughRow:
    """At a margin t, in float32: the probability p of the true class, −1/p, and ∂loss/∂z of the true class, five ways."""

    margin: float
    probability: float
    slope: float
    chain_rule: float
    clipped: float
    fused: float
    squared_error: float
    truth: float


def compute_walkthrough() -> tuple[WalkthroughRow, ...]:
    """Return a row for each margin: two classes, logits (t, 0), the second is the true one, float32."""
    objective = SOFTMAX_CROSS_ENTROPY
    conditions = replace(next(plan_arithmetics(Arithmetics(dtypes=("float32",)), objective)), classes=2)
    logits = np.array([MARGINS, np.zeros(len(MARGINS))], dtype=np.float32)
    target = IndexTarget(index=np.full(len(MARGINS), TRUE_CLASS))
    cases = Cases(positions=np.arange(len(MARGINS)), logits=logits, target=target)

    def gradient(formulation: Formulation) -> list[float]:
        return [float(entry) for entry in compute_formulation(conditions, formulation, cases)[1][TRUE_CLASS]]

    probability = compute_formulation(
        conditions, Formulation(name="softmax", objective=objective, recipe=_probability, source=""), cases
    )[0]
    with np.errstate(divide="ignore", over="ignore"):
        slope = -1 / probability
    columns = {
        "margin": MARGINS,
        "probability": [float(p) for p in probability],
        "slope": [float(s) for s in slope],
        "chain_rule": gradient(find_formulation("softmax-log")),
        "clipped": gradient(find_formulation("clipped")),
        "fused": gradient(find_formulation("log-softmax")),
        "squared_error": gradient(Formulation(name="squared-error", objective=objective, recipe=_squared_error, source="")),
        "truth": [float(g) for g in find_truth(conditions, cases, precise=False).gradient[TRUE_CLASS]],
    }
    return tuple(WalkthroughRow(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))


def _probability(z: Array, _target: Target) -> Array:
    p = softmax(z)
    return z.tape.record("{}[true]", p.value[TRUE_CLASS], (p,), lambda g, _: (g,))


def _squared_error(z: Array, _target: Target) -> Array:
    """Σ (p − y)², p = softmax(z), chain rule."""
    one_hot = np.zeros_like(z.value)
    one_hot[TRUE_CLASS] = 1
    difference = softmax(z) - z.tape.variable(one_hot, "y")
    return sum_over_classes(difference * difference)


def render(rows: Iterable[WalkthroughRow], stream: TextIO) -> str:
    """Return the page as it is to be written to the stream."""
    return to_text(stream, *_parts(tuple(rows)))


def _parts(rows: tuple[WalkthroughRow, ...]) -> Iterator[RenderableType]:
    yield _paragraph(QUESTION)
    yield _table(("t", "p", "−1/p"), ([row.margin, row.probability, row.slope] for row in rows))
    yield Text("\nGradient of the logit of the true class:\n")
    gradients = ([r.margin, r.chain_rule, r.clipped, r.fused, r.squared_error, r.truth] for r in rows)
    yield _table(("t", "chain rule", "clipped", "fused", "squared error", "truth"), gradients)
    for text in (CHAIN, CLIP, FUSED, SQUARED, NEXT):
        yield Text("")
        yield _paragraph(text)


def _paragraph(text: str) -> Text:
    return Text(" ".join(text.split()))


def _table(columns: tuple[str, ...], rows: Iterable[Iterable[float]]) -> Table:
    table = new_table(columns)
    for row in rows:
        table.add_row(*(Text(f"{number:.7g}") for number in row))
    return table
