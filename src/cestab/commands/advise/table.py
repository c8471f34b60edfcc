"""The advice for people: per format, a paragraph per topic, and a command that shows it."""

from collections.abc import Iterator
from itertools import groupby
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from cestab.commands.advise.answer import Advice, Topic
from cestab.reports.text import Hanging, find_width, fold_command, to_text
from cestab.vocabulary.phrases import show_classes, show_count

TITLES = {
    Topic.FORMULATION: "Formulation",
    Topic.EPSILON: "Epsilon",
    Topic.LOSS_SCALE: "Loss scale",
    Topic.ACCUMULATOR: "Accumulator",
}
INDENT = "  "


def render(advice: Advice, stream: TextIO) -> str:
    """Return the advice as it is to be written to the stream."""
    return to_text(stream, *_parts(advice, find_width(stream)))


def headline(advice: Advice) -> str:
    """Return the line over advice: what was asked."""
    request = advice.request
    rows = [f"{request.reduction} of {show_count(request.batch, 'row')}"] if request.batch > 1 else []
    classes = [] if request.objective.is_binary else [show_classes(request.classes)]
    compute = [] if request.arithmetics.compute is None else [f"computed in {request.arithmetics.compute}"]
    interrupted = ["interrupted"] if advice.is_interrupted else []
    parts = [f"cestab {advice.version}", "advice", str(request.objective), *classes, f"logits {request.logits}"]
    return " · ".join([*parts, *rows, *compute, *interrupted])


def _parts(advice: Advice, width: int) -> Iterator[RenderableType]:
    yield Text(headline(advice))
    for dtype, statements in groupby(advice.statements, key=lambda statement: statement.dtype):
        yield Text(dtype, style="bold cyan")
        for statement in statements:
            yield Hanging(text=f"{INDENT}{TITLES[statement.topic]}: {statement.sentence}", indent=4)
            shown = statement.proofs[0].reproduce if statement.proofs else statement.reproduce
            yield Text(fold_command(shown, width, INDENT * 2), style="dim")
