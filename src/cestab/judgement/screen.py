"""The screen of a block: errors of every value in a few passes, and which of them might get a finding."""

from typing import NamedTuple

import numpy as np

from cestab.judgement.rules import Bools, Doubles, Limits, any_class
from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import Truth

# Rounding of the comparisons themselves: a few float64 operations on either side, each 2^-53, and their difference.
COMPARISON_SLACK = 2.0**-50
SCREENED_TENTH = 0.05  # of it, halves: for errors of all entries together, and for the gradient's size


class Screened(NamedTuple):
    """Errors of cases in binades of the truth and relative ones, and which cases might get a finding (None: none does)."""

    binades: Doubles
    relative: Doubles
    suspects: Bools | None


def no_errors(loss: FloatArray) -> Screened:
    """Return the screen of what is not there, or whose errors nobody asks for."""
    unknown = np.full(loss.shape, np.nan)
    return Screened(unknown, unknown, None)


def screen_losses(loss: FloatArray, truth: Truth, limits: Limits) -> Screened:
    """Return the errors of losses (cases,), and which of them might get a finding."""
    scale = None if truth.loss_scale is truth.loss else truth.loss_scale
    s = truth.gradient_scale
    floor = _least_of(limits.loss_floor(s), SCREENED_TENTH * limits.multiplier * s, limits)
    error, binades, suspects = _screen(loss, truth.loss, truth.loss_low, scale, truth, floor, limits)
    if truth.loss_vague is not None:
        binades[truth.loss_vague] = np.nan
    unusual = (loss < 0) | (np.abs(loss) >= limits.largest_loss)
    relative = np.where(np.isfinite(error), error / np.maximum(1.0, np.abs(truth.loss)), np.nan)
    return Screened(binades, relative, _either(suspects, unusual) if unusual.any() else suspects)


def screen_gradients(gradient: FloatArray, truth: Truth, limits: Limits) -> Screened:
    """Return the largest error of each case in binades, and which cases might get a finding.

    Where each error is at most a twentieth of φ/classes and of the entry, all together are at most a tenth of the gradient.
    """
    scale = None if truth.scale is truth.gradient else truth.scale
    s = truth.gradient_scale
    tenth = SCREENED_TENTH / len(gradient) * limits.least_norm * limits.upstream * s
    floor = _least_of(limits.gradient_floor(s), tenth, limits)
    error, binades, suspects = _screen(gradient, truth.gradient, truth.gradient_low, scale, truth, floor, limits)
    if truth.vague is not None:
        binades[truth.vague] = np.nan
    norm, total = truth.norm, add_classes(error)
    is_held = np.isfinite(total) & (norm >= limits.fmt.smallest_normal)
    relative = np.where(is_held, total / norm, np.nan)
    return Screened(np.fmax.reduce(binades, axis=0), relative, None if suspects is None else any_class(suspects))


def _least_of(floor: Doubles, tenth: Doubles, limits: Limits) -> Doubles:
    """Return the smaller one; but for a case of weight 0, whose truth is exactly 0, the smallest error there is."""
    return np.where(tenth > 0, np.minimum(floor, tenth), limits.fmt.smallest_subnormal)


def _screen(
    computed: FloatArray,
    true: Doubles,
    low: Doubles | None,
    scale: Doubles | None,
    truth: Truth,
    floor: Doubles,
    limits: Limits,
) -> tuple[Doubles, Doubles, Bools | None]:
    """Return errors, the same in binades of the truth, and which values might get a finding: a test that spares none that does.

    With |x| ≥ b, the power of two below it, |x̂ − x| ≤ floor + rtol·b, less every error bound, cannot miss. The bound is
    relative to the values themselves where `scale` is None, else to it.
    """
    fmt, bound, rtol = limits.fmt, 2 * truth.relative + COMPARISON_SLACK, min(limits.rtol, SCREENED_TENTH)
    error = find_error(computed, true, low)

    def reach() -> Doubles:
        return np.abs(true) if scale is None else np.abs(true) + 2 * truth.relative * scale

    binade = find_binade(true, fmt)
    binades: Doubles = error / binade
    binade *= rtol * (1 - 2.0**-30) - 2 * bound
    binade += floor * (1 - bound) - (rtol * fmt.smallest_normal + 2 * truth.absolute)
    if scale is not None:
        binade -= 2 * truth.relative * scale
    is_fine = error < binade  # not ≤: an infinite truth has infinite ones
    suspects = None if is_fine.all() else ~is_fine
    if suspects is not None:
        binades[~np.isfinite(error)] = np.nan
    is_zero = computed == 0
    if is_zero.any():
        suspects = _either(suspects, is_zero & (reach() > fmt.smallest_normal * (1 - bound) - truth.absolute))
    if not fmt.has_infinity:
        suspects = _either(suspects, reach() >= float(limits.beyond) * (1 - bound))
    return error, binades, suspects


def _either(a: Bools | None, b: Bools) -> Bools:
    return b if a is None else a | b


def add_classes(x: Doubles) -> Doubles:
    """Return the sum over the classes, in an order that the number of cases does not change."""
    return sum_pairwise(x).astype(np.float64, copy=False)


def find_error(computed: FloatArray, true: Doubles, low: Doubles | None) -> Doubles:
    """Return |computed − (true + low)|."""
    difference: Doubles = computed - true
    if low is not None:
        difference -= low
    return np.abs(difference, out=difference)


def find_binade(true: Doubles, fmt: Format) -> Doubles:
    """Return 2^⌊log2 |x|⌋, at least the smallest normal: ulp(x)·2^(p − 1)."""
    exponents = true.view(np.int64) & 0x7FF0000000000000
    np.maximum(exponents, np.float64(fmt.smallest_normal).view(np.int64), out=exponents)  # faster than of float64
    return exponents.view(np.float64)


def measure_ulps(error: Doubles, true: Doubles, fmt: Format) -> Doubles:
    """Return the largest error / ulp(true) over the classes, (classes, cases) → (cases,); NaN where no pair is finite.

    ulp(x) = 2^(⌊log2 |x|⌋ − p + 1), at least the smallest subnormal.
    """
    ulps = np.where(np.isfinite(error), error / find_binade(true, fmt) * 2.0 ** (fmt.precision - 1), np.nan)
    worst: Doubles = np.fmax.reduce(ulps, axis=0)
    return worst
