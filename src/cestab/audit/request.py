"""Requests: from what a caller names (strings, None for a default) to checked values with every default filled in."""

from collections.abc import Sequence
from enum import StrEnum
from os import PathLike
from typing import TypeVar

from cestab.audit import values
from cestab.cases.patterns import find_pattern
from cestab.cases.ranges import parse_range
from cestab.cases.targets import expand_target
from cestab.errors import UsageError, unknown_name
from cestab.formulations import families, find_formulation
from cestab.numerics.formats import find_format
from cestab.results import (
    DEFAULT_IGNORE_INDEX,
    Arithmetics,
    AuditRequest,
    FindingKind,
    Fp8Overflow,
    Objective,
    Summation,
    SweepRequest,
)

DEFAULT_DTYPES = ("float16", "bfloat16", "float32", "float64")
Word = TypeVar("Word", bound=StrEnum)


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
    return Arithmetics(
        tuple(find_format(name).name for name in _given("dtype", values.read_names("dtypes", dtypes), DEFAULT_DTYPES)),
        None if compute is None else find_format(values.read_name("compute", compute)).name,
        tuple(
            _find_word(Summation, "summation", name)
            for name in _given("summation", values.read_names("summations", summations), (Summation.WIDE,))
        ),
        _given("loss scale", values.read_numbers("loss_scales", loss_scales), (1.0,)),
        rtol,
        atol,
        _find_word(Fp8Overflow, "fp8 overflow", fp8_overflow),
        values.read_flag("flush_subnormals", flush_subnormals),
    )


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
) -> SweepRequest:
    """Return the request of a sweep: by default the whole family, patterns margin and offset, 2 and 1000 classes."""
    names = values.read_names("formulations", formulations)
    chosen = find_objective(names, objective)
    is_binary = chosen is Objective.BINARY_CROSS_ENTROPY
    default_patterns = ("margin",) if is_binary else ("margin", "offset")
    if values.read_integer("seed", seed) < 0:
        raise UsageError(f"--seed {seed} is negative")
    texts = _given("target", values.read_names("targets", targets), ("correct", "wrong"))
    return SweepRequest(
        chosen,
        _given("formulation", names, families()[chosen]),
        arithmetics,
        parse_range(values.read_name("logits", logits)),
        tuple(find_pattern(name).name for name in _given("pattern", values.read_names("patterns", patterns), default_patterns)),
        _given("classes", values.read_integers("classes", classes), (1,) if is_binary else (2, 1000)),
        tuple(dict.fromkeys(target for text in texts for target in expand_target(text, chosen))),
        seed,
        find_gates(fail_on),
    )


def make_audit_request(
    file: str | PathLike[str],
    labels: str | PathLike[str] | None,
    formulations: str | Sequence[str] | None,
    objective: str | None,
    arithmetics: Arithmetics,
    class_axis: int = 1,
    ignore_index: int = DEFAULT_IGNORE_INDEX,
    fail_on: str | Sequence[str] | None = None,
) -> AuditRequest:
    """Return the request of an audit of recorded logits."""
    given = values.read_names("formulations", formulations)
    chosen = find_objective(given, objective)
    names = _given("formulation", given, families()[chosen])
    if class_axis not in (0, 1):
        raise UsageError(f"--axis {class_axis} is not the axis of the classes: 1 (cases first) or 0 (classes first)")
    return AuditRequest(
        chosen,
        names,
        arithmetics,
        values.read_path("file", file),
        None if labels is None else values.read_path("labels", labels),
        class_axis,
        values.read_integer("ignore_index", ignore_index),
        find_gates(fail_on),
    )


def find_objective(formulations: Sequence[str] | None, objective: str | None) -> Objective:
    """Return the one objective that is named, or that the formulations compute; softmax cross-entropy by default."""
    named = None if objective is None else _find_word(Objective, "objective", objective)
    for name in formulations or ():
        own = find_formulation(name).objective
        if named is not None and own is not named:
            raise UsageError(f"formulation '{name}' computes {own}, not {named}; sweep them apart")
        named = own
    return named or Objective.SOFTMAX_CROSS_ENTROPY


def find_gates(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the words of `--fail-on`, checked: finding names, `fail`, `warn`."""
    words = values.read_names("fail_on", given)
    allowed = ["fail", "warn", *(kind.label for kind in FindingKind)]
    if words is None:
        return ()
    for word in words:
        if word not in allowed:
            raise unknown_name("finding", word, allowed)
    return _given("finding", words, ())


Value = TypeVar("Value")


def _given(what: str, given: Sequence[Value] | None, default: Sequence[Value]) -> tuple[Value, ...]:
    """Return the given values without repetitions, or the default; an empty list selects nothing and is an error."""
    chosen = tuple(dict.fromkeys(default if given is None else given))
    if not chosen:
        raise UsageError(f"the selection is empty: no {what} is named")
    return chosen


def _find_word(words: type[Word], what: str, given: str) -> Word:
    text = values.read_name(what, given)
    if text not in [word.value for word in words]:
        raise unknown_name(what, text, [word.value for word in words])
    return words(text)
