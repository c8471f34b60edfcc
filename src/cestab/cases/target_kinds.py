"""Target kinds: which class is the true one, or how the target is spread over the classes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cestab.errors import UsageError, name_options, unknown_name
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target, first_maximum
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, Objective

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TargetKind:
    """A kind of target: its name, summary, and whether it takes a number (`smooth:0.1`)."""

    name: str
    summary: str
    is_dense: bool = True
    has_number: bool = False


TARGET_KINDS = {
    kind.name: kind
    for kind in (
        TargetKind(
            name="correct",
            summary="index of the largest logit, the first of equal ones (binary: the label that x favours)",
            is_dense=False,
        ),
        TargetKind(
            name="wrong",
            summary="index of the smallest unmasked logit, the last of equal ones (binary: the other label)",
            is_dense=False,
        ),
        TargetKind(name="one-hot-correct", summary="`correct` as a dense target"),
        TargetKind(name="one-hot-wrong", summary="`wrong` as a dense target"),
        TargetKind(
            name="smooth", summary="smooth:A: 1 − A on `correct`, and A spread over all unmasked classes", has_number=True
        ),
        TargetKind(
            name="soft",
            summary="soft:P: P on `correct`, the rest spread over the others (binary: y = P, or soft:LO:HI:N)",
            has_number=True,
        ),
        TargetKind(name="uniform", summary="spread evenly over the unmasked classes"),
    )
}
MOST_DIGITS = 6  # of a number of labels, each of which is a row of the report
BINARY_KINDS = ("correct", "wrong", "soft")


def expand_target(text: str, objective: Objective) -> Iterator[str]:
    """Check a target kind as written and yield it; a binary `soft:LO:HI:N` yields N labels `soft:Y`."""
    name, *numbers = text.split(":")
    if name not in TARGET_KINDS:
        raise unknown_name("target", name, TARGET_KINDS)
    is_binary = objective.is_binary
    if is_binary and name not in BINARY_KINDS:
        raise UsageError(f"target '{text}' is not one of {objective}: it takes {', '.join(BINARY_KINDS)}")
    expected = "LO:HI:N or P" if is_binary and name == "soft" else "a number from 0 to 1"
    if not TARGET_KINDS[name].has_number:
        if numbers:
            raise UsageError(f"target '{text}': '{name}' takes no number")
        yield text
    elif len(numbers) == 1 and _is_share(numbers[0]):
        yield text
    elif is_binary and len(numbers) == 3 and all(map(_is_share, numbers[:2])) and _is_count(numbers[2]):
        for label in np.linspace(float(numbers[0]), float(numbers[1]), max(1, int(numbers[2]))):
            yield f"soft:{float(f'{label:.15g}')!r}"
    else:
        example = f"{name}:{'0.9' if name == 'soft' else '0.1'}"
        hint = f" (a range of labels needs {{objective={BINARY_CROSS_ENTROPY}}})" if len(numbers) == 3 else ""
        raise UsageError(f"target '{text}' needs {expected}, e.g. {example}", *name_options(hint))


def _is_count(text: str) -> bool:
    return text.isdecimal() and len(text) <= MOST_DIGITS


def _is_share(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and 0 <= value <= 1


def make_target(text: str, logits: FloatArray, fmt: Format, objective: Objective) -> Target:
    """Return the target of logits (classes, cases) in the format, dense weights rounded to it."""
    name, _, number = text.partition(":")
    if objective.is_binary:
        return DenseTarget(weights=round_to_format(_binary_label(name, number, logits), fmt))
    correct = name not in ("wrong", "one-hot-wrong")
    index = first_maximum(logits) if correct else _last_minimum(logits)
    if not TARGET_KINDS[name].is_dense:
        return index
    is_unmasked = ~np.isneginf(logits)
    weights = _spread(name, float(number) if number else 0.0, index, is_unmasked)
    return DenseTarget(weights=round_to_format(weights, fmt))


def _last_minimum(logits: FloatArray) -> IndexTarget:
    unmasked = np.where(np.isneginf(logits), np.inf, logits)
    return IndexTarget(index=len(logits) - 1 - first_maximum(-unmasked[::-1]).index)


def _binary_label(name: str, number: str, x: FloatArray) -> Doubles:
    """y of shape (1, cases); x = 0 counts as 1 for `correct`."""
    if name == "soft":
        return np.full(x.shape, float(number))
    return np.where((x >= 0) == (name == "correct"), 1.0, 0.0)


def _spread(name: str, number: float, index: IndexTarget, is_unmasked: npt.NDArray[np.bool_]) -> Doubles:
    """Weights of shape (classes, cases) over the unmasked classes, in float64."""
    one_hot = index.with_entry(np.zeros(is_unmasked.shape), 1.0)
    unmasked = np.count_nonzero(is_unmasked, axis=0)
    match name:
        case "smooth":
            return (1.0 - number) * one_hot + np.where(is_unmasked, number / unmasked, 0.0)
        case "soft":
            others = np.where(is_unmasked, (1.0 - number) / np.maximum(unmasked - 1, 1), 0.0)
            return index.with_entry(others, np.where(unmasked > 1, number, 1.0))
        case "uniform":
            return np.where(is_unmasked, 1.0 / unmasked, 0.0)
        case _:
            return one_hot
