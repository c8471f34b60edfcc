"""From what a caller names to the checked request of a sweep, with every default filled in."""

from collections.abc import Sequence

from cestab.cases.patterns import find_pattern
from cestab.cases.ranges import parse_range
from cestab.cases.target_kinds import expand_target
from cestab.commands import values
from cestab.commands.resolve import find_gates, find_objective, make_batch
from cestab.formulations import families
from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.requests import Arithmetics, SweepRequest


def make_sweep_request(
    formulations: str | Sequence[str] | None,
    objective: str | None,
    arithmetics: Arithmetics,
    logits: str = "all",
    patterns: str | Sequence[str] | None = None,
    classes: int | Sequence[int] | None = None,
    targets: str | Sequence[str] | None = None,
    seed: int = 0,
    fail_on: str | Sequence[str] | None = None,
    batch: int = 1,
    reduction: str = Reduction.MEAN,
    guard: Guard = DEFAULT_GUARD,
) -> SweepRequest:
    """Return the request of a sweep: by default the whole family, patterns margin and offset, 2 and 1000 classes."""
    names = values.read_names("formulations", formulations)
    chosen = find_objective(names, objective)
    is_binary = chosen.is_binary
    default_patterns = ("margin",) if is_binary else ("margin", "offset")
    texts = values.select("target", values.read_names("targets", targets), ("correct", "wrong"))
    rows, how = make_batch(batch, reduction)
    return SweepRequest(
        objective=chosen,
        formulations=values.select("formulation", names, families()[chosen]),
        arithmetics=arithmetics,
        logits=parse_range(values.read_name("logits", logits)),
        patterns=tuple(
            find_pattern(name).name
            for name in values.select("pattern", values.read_names("patterns", patterns), default_patterns)
        ),
        classes=values.select("classes", values.read_integers("classes", classes), (1,) if is_binary else (2, 1000)),
        targets=tuple(dict.fromkeys(target for text in texts for target in expand_target(text, chosen))),
        seed=values.read_seed(seed),
        fail_on=find_gates(fail_on),
        batch=rows,
        reduction=how,
        guard=guard,
    )
