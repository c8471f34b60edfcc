"""From what a caller names (strings, None for a default) to checked values that several requests share."""

from collections.abc import Sequence

from cestab.commands import values
from cestab.errors import UsageError, unknown_name
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.numerics.formats import find_format
from cestab.vocabulary.external import DEFAULT_TIMEOUT_SECONDS, Guard
from cestab.vocabulary.kinds import FindingKind, Fp8Overflow, Summation
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.objectives import DEFAULT_OBJECTIVE, OBJECTIVES, Objective
from cestab.vocabulary.requests import DEFAULT_DTYPES, Arithmetics


def make_arithmetics(
    dtypes: str | Sequence[str] | None = None,
    compute: str | None = None,
    summations: str | Sequence[str] | None = None,
    loss_scales: float | Sequence[float] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    fp8_overflow: str = Fp8Overflow.NAN,
    *,
    flush_subnormals: bool = False,
) -> Arithmetics:
    """Return the options of format and judgement, checked; here and below one value counts as a list of one."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and not 0 <= values.read_number(name, value) < float("inf"):
            raise UsageError(f"--{name} {value!r} is not a finite number from 0 on")
    formats = [find_format(name) for name in values.select("dtype", values.read_names("dtypes", dtypes), DEFAULT_DTYPES)]
    return Arithmetics(
        dtypes=tuple(fmt.name for fmt in formats),
        compute=None if compute is None else find_format(values.read_name("compute", compute), "compute format").name,
        summations=tuple(
            values.read_word(Summation, "summation", name)
            for name in values.select("summation", values.read_names("summations", summations), (Summation.WIDE,))
        ),
        loss_scales=values.select("loss scale", values.read_numbers("loss_scales", loss_scales), (1.0,)),
        rtol=rtol,
        atol=atol,
        fp8_overflow=values.read_word(Fp8Overflow, "fp8 overflow", fp8_overflow),
        flush_subnormals=values.read_flag("flush_subnormals", flush_subnormals),
        has_infinity=all(fmt.has_infinity for fmt in formats),
    )


def make_guard(timeout: float | None = None, max_memory: str | int | None = None) -> Guard:
    """Return what a call of code that is not ours may use: seconds, and bytes as a number or as 512M, 2G."""
    seconds = DEFAULT_TIMEOUT_SECONDS if timeout is None else values.read_number("timeout", timeout)
    if not 0 < seconds < float("inf"):
        raise UsageError(f"--timeout {timeout!r} is not a finite number of seconds above 0")
    return Guard(
        timeout_seconds=seconds, max_memory_bytes=None if max_memory is None else values.read_bytes("max-memory", max_memory)
    )


def make_batch(batch: int, reduction: str) -> tuple[int, Reduction]:
    """Return the number of rows and how they are reduced, checked."""
    chosen = LossOptions(
        batch=values.read_integer("batch", batch), reduction=values.read_word(Reduction, "reduction", reduction)
    )
    return chosen.batch, chosen.reduction


def find_objective(formulations: Sequence[str] | None, objective: str | None) -> Objective:
    """Return the one objective that is named, or that the formulations compute; softmax cross-entropy by default."""
    named = None if objective is None else values.read_entry(OBJECTIVES, "objective", objective)
    suggested: dict[str, Objective] = {}
    for name in formulations or ():
        formulation = find_any_formulation(name)
        own = formulation.objective
        if own is None:  # a target whose name does not tell
            if isinstance(formulation, ExternalFormulation) and formulation.suggestion is not None:
                suggested[name] = formulation.suggestion
            continue
        if named is not None and own != named:
            raise UsageError(f"formulation '{name}' computes {own}, not {named}; take them apart")
        named = own
    chosen = named or next(iter(suggested.values()), DEFAULT_OBJECTIVE)
    for name, likely in suggested.items():
        if likely.is_binary is not chosen.is_binary:  # a sigmoid is of one logit, a softmax of several
            raise UsageError(f"formulation '{name}' computes {likely}, not {chosen}; take them apart")
    for name in formulations or ():
        _refuse_options(name, chosen)
    return chosen


def _refuse_options(name: str, objective: Objective) -> None:
    """Refuse an option of the loss that the objective does not have: the truth would be that of another loss."""
    formulation = find_any_formulation(name)
    for option in formulation.options.given():
        if option in objective.option_names:
            continue
        others = [other.name for other in OBJECTIVES.values() if option in other.option_names]
        raise UsageError(f"{option} of '{name}' is no option of {objective}, but of {', '.join(others)}")
    if isinstance(formulation, ExternalFormulation) and objective.needed is not None:
        key, example = objective.needed
        if formulation.target.get(key) is None and not getattr(formulation.options, key):
            hint = formulation.target.spell(f"{key}={example}")
            raise UsageError(f"'{name}' does not tell the {key} of {objective}, e.g. {hint}")
    count = len(formulation.options.class_weights)
    if objective.is_binary and count > 1:
        raise UsageError(f"'{name}' has {count} class weights, but {objective} has one logit and so one weight")


def find_gates(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the words of `--fail-on`, checked: finding names, `fail`, `warn`."""
    words = values.read_names("fail_on", given)
    allowed = ["fail", "warn", *(kind.label for kind in FindingKind)]
    if words is None:
        return ()
    for word in words:
        if word not in allowed:
            raise unknown_name("finding", word, allowed)
    return values.select("finding", words, ())
