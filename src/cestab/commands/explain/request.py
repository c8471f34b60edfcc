"""The request of explain: one case, named by its logits, by a magnitude t, or by a row of a file."""

from collections.abc import Mapping, Sequence

from cestab.cases.patterns import find_pattern
from cestab.cases.target_kinds import expand_target
from cestab.commands import values
from cestab.commands.resolve import find_objective, make_batch
from cestab.errors import UsageError
from cestab.vocabulary.external import DEFAULT_GUARD, Guard
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.phrases import show_list
from cestab.vocabulary.requests import DEFAULT_IGNORE_INDEX, Arithmetics, ExplainRequest, GeneratedCase, GivenCase, RecordedCase

Case = GivenCase | GeneratedCase | RecordedCase
_BELONGING = {
    "--logits": ("--target",),
    "--at": ("--pattern", "--classes", "--target", "--seed"),
    "--from": ("--row", "--labels", "--axis", "--ignore-index"),
}


def make_explain_request(
    formulation: str,
    arithmetics: Arithmetics,
    case: Case,
    against: str | None = None,
    batch: int = 1,
    reduction: str = Reduction.MEAN,
    objective: str | None = None,
    guard: Guard = DEFAULT_GUARD,
) -> ExplainRequest:
    """Return the request of explain: one formulation, one case, one number format."""
    names = (formulation,) if against is None else (formulation, values.read_name("against", against))
    chosen = find_objective(names, objective)
    for what, given in (
        ("dtype", arithmetics.dtypes),
        ("summation", arithmetics.summations),
        ("loss scale", arithmetics.loss_scales),
    ):
        if len(given) != 1:
            raise UsageError(f"explain looks at one case: {len(given)} values of {what} are given, one is needed")
    if isinstance(case, GeneratedCase):
        find_pattern(case.pattern)
        targets = list(expand_target(case.target, chosen))
        if len(targets) != 1:
            raise UsageError(f"target '{case.target}' is {len(targets)} targets; one case has one")
    rows, how = make_batch(batch, reduction)
    return ExplainRequest(
        objective=chosen,
        formulation=formulation,
        arithmetics=arithmetics,
        case=case,
        against=against,
        batch=rows,
        reduction=how,
        guard=guard,
    )


def make_case(
    formulation: str,
    *,
    logits: Sequence[float] | None = None,
    target: str | None = None,
    pattern: str | None = None,
    classes: int | None = None,
    at: float | None = None,
    seed: int | None = None,
    file: str | None = None,
    row: int | None = None,
    labels: str | None = None,
    class_axis: int | None = None,
    ignore_index: int | None = None,
    objective: str | None = None,
) -> Case:
    """Return the one case that is named: by its logits, by a magnitude t, or by a row of a file."""
    ways = [name for name, value in (("--logits", logits), ("--at", at), ("--from", file)) if value is not None]
    if len(ways) != 1:
        given = f"{show_list(ways)} were" if ways else "nothing was"
        raise UsageError(f"one case is named by --logits, by --at (a magnitude t) or by --from FILE --row N; {given} given")
    is_binary = find_objective([values.read_name("formulation", formulation)], objective).is_binary
    options = {"--pattern": pattern, "--classes": classes, "--seed": seed, "--target": target}
    recorded = {"--row": row, "--labels": labels, "--axis": class_axis, "--ignore-index": ignore_index}
    _refuse_stray(ways[0], options | recorded)
    if logits is not None:
        return _make_given(logits, target)
    if at is not None:
        default_classes = 1 if is_binary else 2
        return GeneratedCase(
            pattern="margin" if pattern is None else values.read_name("pattern", pattern),
            classes=default_classes if classes is None else values.read_integer("classes", classes),
            target="wrong" if target is None else target,
            at=values.read_number("at", at),
            seed=values.read_seed(0 if seed is None else seed),
        )
    return _make_recorded(values.read_path("file", file), row, labels, class_axis, ignore_index)


def _make_given(logits: Sequence[float], target: str | None) -> GivenCase:
    numbers = values.read_numbers("logits", logits)
    if not numbers:
        raise UsageError("the selection is empty: no logits are named")
    if target is None:
        raise UsageError(
            "--logits Z,… needs a --target: a class, weights with commas, or a label, e.g. --logits 100,0 --target 1"
        )
    return GivenCase(logits=numbers, target=target)


def _make_recorded(
    file: str, row: int | None, labels: str | None, class_axis: int | None, ignore_index: int | None
) -> RecordedCase:
    if row is None:
        raise UsageError("--from FILE needs --row N, the number of the row from 0 on")
    return RecordedCase(
        file=file,
        row=values.read_integer("row", row),
        labels=None if labels is None else values.read_path("labels", labels),
        class_axis=values.read_class_axis(1 if class_axis is None else class_axis),
        ignore_index=DEFAULT_IGNORE_INDEX if ignore_index is None else values.read_integer("ignore_index", ignore_index),
    )


def _refuse_stray(way: str, options: Mapping[str, object]) -> None:
    """Refuse an option that does not go with the way in which the case is named."""
    for option, value in options.items():
        if value is not None and option not in _BELONGING[way]:
            raise UsageError(f"{option} does not go with {way}, which takes {', '.join(_BELONGING[way])}")
