"""Patterns: how one magnitude t becomes a logit vector."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cestab.errors import UsageError, unknown_name
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, round_to_format
from cestab.vocabulary.requests import PAIRS

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A named map from magnitudes (cases,) to logits (classes, cases), before rounding to the format."""

    name: str
    make: Callable[[Doubles, int, int], Doubles]
    is_masking: bool = False

    @property
    def summary(self) -> str:
        """The docstring of its function."""
        return (self.make.__doc__ or "").strip()


PATTERNS: dict[str, Pattern] = {}

Make = Callable[[Doubles, int, int], Doubles]


def pattern(*, is_masking: bool = False) -> Callable[[Make], Make]:
    """Register the decorated function under its name."""

    def register(make: Make) -> Make:
        name = make.__name__.replace("_", "-")
        PATTERNS[name] = Pattern(name=name, make=make, is_masking=is_masking)
        return make

    return register


@pattern()
def margin(t: Doubles, classes: int, seed: int) -> Doubles:
    """the first logit t, the rest 0"""
    logits = np.zeros((classes, t.size))
    logits[0] = t
    return logits


@pattern()
def offset(t: Doubles, classes: int, seed: int) -> Doubles:
    """t + a fixed spread 0, −1, …, −7, repeated: tests shift invariance and nothing else"""
    return t - np.arange(classes, dtype=np.float64)[:, np.newaxis] % 8


@pattern()
def spread(t: Doubles, classes: int, seed: int) -> Doubles:
    """even from −t to t"""
    return np.linspace(-1.0, 1.0, classes)[:, np.newaxis] * t


@pattern()
def equal(t: Doubles, classes: int, seed: int) -> Doubles:
    """all t"""
    return np.tile(t, (classes, 1))


@pattern()
def gaussian(t: Doubles, classes: int, seed: int) -> Doubles:
    """One seeded standard normal vector × t"""
    return np.random.default_rng(seed).standard_normal(classes)[:, np.newaxis] * t


@pattern(is_masking=True)
def masked(t: Doubles, classes: int, seed: int) -> Doubles:
    """margin, the last max(1, classes // 4) classes at −inf"""
    logits = margin(t, classes, seed)
    logits[-max(1, classes // 4) :] = -np.inf
    return logits


@pattern(is_masking=True)
def masked_first(t: Doubles, classes: int, seed: int) -> Doubles:
    """margin after the first max(1, classes // 4) classes, which are at −inf"""
    return np.roll(masked(t, classes, seed), max(1, classes // 4), axis=0)


@pattern(is_masking=True)
def masked_all_but_one(t: Doubles, classes: int, seed: int) -> Doubles:
    """the first logit t, all others at −inf: p = 1, whatever t"""
    logits = np.full((classes, t.size), -np.inf)
    logits[0] = t
    return logits


def _pair(t: Doubles, classes: int, seed: int) -> Doubles:
    """every pair of numbers of the format, for two classes; |t| is the larger magnitude of the two"""
    raise UsageError(f"'{PAIRS}' has no magnitude t")


ALL_PATTERNS = PATTERNS | {PAIRS: Pattern(name=PAIRS, make=_pair)}  # those of a magnitude t, and pairs (pairs.py)


def find_pattern(name: str) -> Pattern:
    """Return the pattern called `name`."""
    if name not in ALL_PATTERNS:
        raise unknown_name("pattern", name, ALL_PATTERNS)
    return ALL_PATTERNS[name]


def make_logits(chosen: Pattern, t: FloatArray, classes: int, seed: int, fmt: Format) -> FloatArray:
    """Return logits (classes, cases) in the format, for magnitudes t (cases,), numbers of the format.

    Logits may overflow to ±inf, or to NaN in a format without infinity; has_truth finds the cases to drop.
    """
    with np.errstate(over="ignore"):
        return round_to_format(chosen.make(t.astype(np.float64), classes, seed), fmt)


def has_truth(logits: FloatArray, *, masks: bool) -> npt.NDArray[np.bool_]:
    """Return per case of a softmax whether every logit is finite (or, where `masks`, −inf) and at least one is finite."""
    is_finite = np.isfinite(logits)
    allowed = is_finite | np.isneginf(logits) if masks else is_finite
    is_defined: npt.NDArray[np.bool_] = np.logical_and.reduce(allowed, axis=0) & np.logical_or.reduce(is_finite, axis=0)
    return is_defined
