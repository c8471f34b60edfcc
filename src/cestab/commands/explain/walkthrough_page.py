"""The walk-through as a page of text: what each table of numbers shows, and what to type."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from cestab.commands.explain.walkthrough import Columns, Walkthrough
from cestab.reports.text import new_table, to_text

QUESTION = """Cross-entropy is L = −log p of the true class, and its derivative is −1/p, which is undefined at p = 0. How can
a network learn with it by backpropagation? Three cases, each number computed in {dtype} (--dtype shows another)."""
LOSING = """The network is confidently wrong. Two logits t and 0, p = softmax(z), the second class is the true one:"""
GRADIENTS = """The gradient of the true class's logit, by cross-entropy and by mean squared error, each beside its truth:"""
CHAIN = """The chain rule first forms −1/p: in the table it is infinite from t = {edges.overflow} on, and p itself is 0
from t = {edges.underflow} on. Then softmax's own derivative multiplies by p and subtracts a sum: the right −1 while all are
numbers, after that inf − inf or 0·inf, which is NaN."""
CLIP = """Clipping p at 1e-7 keeps −1/p finite. But where the clip holds p, no gradient passes: from t = 17 on it is 0 where
it should be −1. The network is most wrong there and learns nothing, and no NaN tells."""
SHORT_CLIP = """Clipping p at 1e-7 does not even keep −1/p finite, as 1e7 is beyond {dtype}. And where the clip holds p, no
gradient passes: from t = 17 on it is 0 where it should be −1. The network is most wrong there and learns nothing."""
FUSED = """Fused is the answer: take both derivatives together on paper, −1/p times p·(1−p) for the true class, and p
cancels: p − 1, in general p − y. Nothing is divided by p, and the gradient of a wrong answer tends to −1. That is why
frameworks fuse softmax and cross-entropy and want logits: they compute log p = (z − m) − log Σ exp(z − m), m the largest
logit, where no exp overflows and p = 0 never arises."""
SQUARED = """Squared error, (1/K)·Σ (p − y)² for K classes, is said to have "simply x − y" as its derivative. It has, up to a
factor, by the output x of the network. By the logit, which is what learns, x − y is multiplied by the slope of softmax,
which has no 1/p to cancel it: a wrong answer's gradient tends to 0, in exact arithmetic too. The 1/p that looks like a defect
is what makes cross-entropy learn."""
WINNING = """The network is confidently right. The same logits, the first class is the true one:"""
RIGHT = """Here −1/p is near −1. It is the other class that breaks the chain rule: from t = {edges.underflow} on its p is 0,
and backwards its gradient of 0 is divided by it: 0/0. Fused, p − 1 is 0 from t = {edges.absorption} on, where 1 + exp(−t)
rounds to 1: the true class's small entry is lost. `compensated` keeps it, as minus the other p, until that underflows."""
BINARY = """One logit x, p = sigmoid(x), label y = 1. The network is right again:"""
LABEL = """−(y·log p + (1 − y)·log(1 − p)) has a second pole, at p = 1. As soon as 1 − p is 0, the term whose weight is
1 − y = 0 is 0·log 0, and its derivative 0/0. Fused, it is p − y again."""
TYPE = "What to type: hand logits to a loss that takes logits, with no softmax and no sigmoid before it."
CODE = """  torch.nn.CrossEntropyLoss()(logits, classes)
  torch.nn.BCEWithLogitsLoss()(logits, labels)
  keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  optax.softmax_cross_entropy_with_integer_labels(logits, classes)"""
NEXT = """What still goes wrong on logits (lse − z cancels, half precision overflows), and what avoids it: `cestab sweep`. One
case, operation by operation: `cestab explain softmax-log --logits {edges.underflow},0 --target 1 --dtype {dtype}`."""


def render(page: Walkthrough, stream: TextIO) -> str:
    """Return the page as it is to be written to the stream."""
    return to_text(stream, *_parts(page))


def _parts(page: Walkthrough) -> Iterator[RenderableType]:
    def paragraph(text: str, head: str = "") -> Text:
        return Text.assemble((head, "bold"), " ".join(text.format(dtype=page.dtype, edges=page.edges).split()), "\n")

    yield paragraph(QUESTION)
    yield paragraph(LOSING, "1. ")
    yield from _table(page.losing)
    yield paragraph(GRADIENTS)
    yield from _table(page.losing_gradients)
    clip = SHORT_CLIP if "nan" in page.losing_gradients["clipped"] else CLIP
    for text in (CHAIN, clip, FUSED, SQUARED):
        yield paragraph(text)
    yield paragraph(WINNING, "2. ")
    yield from _table(page.winning)
    yield paragraph(RIGHT)
    yield paragraph(BINARY, "3. ")
    yield from _table(page.binary)
    yield paragraph(LABEL)
    yield paragraph(TYPE)
    yield Text(CODE + "\n")
    yield Text(" ".join(NEXT.format(dtype=page.dtype, edges=page.edges).split()))


def _table(columns: Columns) -> Iterator[RenderableType]:
    table = new_table(tuple(columns))
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    yield table
    yield Text("")
