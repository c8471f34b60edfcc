"""Judgement of blocks: from computed and true values to kinds of findings. Pure; no formulation is run here.

A screen of a few passes finds the suspects; only they are compared in detail. Every comparison there is made twice: what
holds for certain, whatever the truth is within its bound, and what may hold. Where the two decide differently the case is
doubtful and decided in ball arithmetic (doubtful.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cestab.judgement.facts import find_gradient_facts, find_loss_facts, measure
from cestab.judgement.rules import CODES, Bools, Codes, Doubles, Facts, Limits, any_class, decide, every_class
from cestab.judgement.screen import Screened, add_classes, no_errors, screen_gradients, screen_losses
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.truth.tiers import Truth
from cestab.vocabulary.kinds import FindingKind

Indices = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Per case: codes of the loss's and the gradient's kind (0 for none) and of their hard outcome, errors, whether in doubt.

    Ulps are NaN where a computed or true value is not finite; of a gradient, the largest over its finite entries. Relative
    errors are |L̂ − L|/max(1, |L|) and ‖ĝ − g‖₁/‖g‖₁: NaN where a value is not finite, or the format holds no gradient so small.
    """

    loss_codes: Codes
    gradient_codes: Codes
    loss_outcomes: Codes
    gradient_outcomes: Codes
    loss_ulps: Doubles
    gradient_ulps: Doubles
    loss_relative: Doubles
    gradient_relative: Doubles
    doubtful: Bools

    def adopt(self, better: "Judgement", cases: Bools) -> None:
        """Take over the codes of some cases."""
        for name in ("loss_codes", "gradient_codes", "loss_outcomes", "gradient_outcomes"):
            getattr(self, name)[cases] = getattr(better, name)

    def select(self, cases: Bools) -> "Judgement":
        """Return the judgement of a subset of the cases."""
        return Judgement(**{name: values[cases] for name, values in vars(self).items()})


def judge_block(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block: loss (cases,), gradient (classes, cases) if there is one, numbers of the format, against their truth."""
    with np.errstate(all="ignore"):
        of_loss = screen_losses(loss, truth, limits)
        of_gradient = no_errors(loss) if gradient is None else screen_gradients(gradient, truth, limits)
        judgement = _blank_judgement(of_loss, of_gradient, limits.fmt)
        if of_loss.suspects is not None:
            _judge_losses(loss, truth, limits, of_loss.suspects, judgement, hard_only=False)
        if gradient is not None and of_gradient.suspects is not None:
            _judge_gradients(gradient, truth, limits, of_gradient.suspects, judgement, hard_only=False)
    return judgement


def judge_hard_outcomes(loss: FloatArray, gradient: FloatArray | None, truth: Truth, limits: Limits) -> Judgement:
    """Judge a block for its hard outcomes alone: codes of other cases may be missing; no ulps."""
    with np.errstate(all="ignore"):
        judgement = _blank_judgement(no_errors(loss), no_errors(loss), limits.fmt)
        loss_suspects = ~np.isfinite(loss) | _is_largest(loss, limits.fmt) | (np.abs(loss) >= limits.largest_loss)
        _judge_losses(loss, truth, limits, loss_suspects, judgement, hard_only=True)
        if gradient is not None:
            suspects = ~every_class(np.isfinite(gradient)) | every_class(gradient == 0)
            suspects |= any_class(_is_largest(gradient, limits.fmt))
            _judge_gradients(gradient, truth, limits, suspects, judgement, hard_only=True)
    return judgement


def _is_largest(values: FloatArray, fmt: Format) -> Bools:
    """Whether values may be an overflow that became ±max, which it does without infinity."""
    largest: Bools = (np.abs(values) == fmt.max) & (not fmt.has_infinity)
    return largest


def _blank_judgement(of_loss: Screened, of_gradient: Screened, fmt: Format) -> Judgement:
    """Return a judgement without findings."""
    digits = 2.0 ** (fmt.precision - 1)
    codes = np.zeros((4, *of_loss.binades.shape), dtype=np.int8)
    return Judgement(
        loss_codes=codes[0],
        gradient_codes=codes[1],
        loss_outcomes=codes[2],
        gradient_outcomes=codes[3],
        loss_ulps=of_loss.binades * digits,
        gradient_ulps=of_gradient.binades * digits,
        loss_relative=of_loss.relative,
        gradient_relative=of_gradient.relative,
        doubtful=np.zeros(of_loss.binades.shape, dtype=np.bool_),
    )


def _judge_losses(
    loss: FloatArray, truth: Truth, limits: Limits, is_suspect: Bools, judgement: Judgement, *, hard_only: bool
) -> None:
    """Fill in the kinds of the suspected losses; NaN in a format with infinity needs no comparison."""
    codes = judgement.loss_codes, judgement.loss_outcomes
    suspects = _settle_nan(np.isnan(loss), is_suspect, codes, FindingKind.NAN_LOSS, limits)
    if not suspects.size:
        return
    values = measure(
        loss[suspects],
        truth.loss[suspects],
        None if truth.loss_low is None else truth.loss_low[suspects],
        truth.relative * truth.loss_scale[suspects] + truth.absolute,
        limits.loss_floor(truth.gradient_scale[suspects]),
        limits,
    )
    size = np.maximum(limits.multiplier * truth.gradient_scale[suspects], values.magnitude)
    masked = None if truth.masked is None else truth.masked[suspects]
    certain, possible = find_loss_facts(values, size, masked, limits)
    unknown = np.isinf(values.magnitude) if masked is None else values.is_unknown & ~masked
    _fill_in(certain, possible, unknown, suspects, codes, judgement.doubtful, hard_only=hard_only)


def _judge_gradients(
    gradient: FloatArray, truth: Truth, limits: Limits, is_suspect: Bools, judgement: Judgement, *, hard_only: bool
) -> None:
    """Fill in the kinds of the suspected gradients; NaN in a format with infinity needs no comparison."""
    codes = judgement.gradient_codes, judgement.gradient_outcomes
    has_nan = any_class(np.isnan(gradient))
    suspects = _settle_nan(has_nan, is_suspect, codes, FindingKind.NAN_GRADIENT, limits)
    if not suspects.size:
        return
    values = measure(
        gradient.take(suspects, axis=1),  # not [:, suspects], whose rows are not contiguous
        truth.gradient.take(suspects, axis=1),
        None if truth.gradient_low is None else truth.gradient_low.take(suspects, axis=1),
        truth.relative * np.abs(truth.scale.take(suspects, axis=1)) + truth.absolute,
        limits.gradient_floor(truth.gradient_scale[suspects]),
        limits,
    )
    certain, possible = find_gradient_facts(values, truth.gradient_scale[suspects], limits)
    is_unknown = any_class(values.is_unknown) | np.isinf(add_classes(values.magnitude))
    _fill_in(certain, possible, is_unknown, suspects, codes, judgement.doubtful, hard_only=hard_only)


def _settle_nan(is_nan: Bools, is_suspect: Bools, codes: tuple[Codes, Codes], kind: FindingKind, limits: Limits) -> Indices:
    """Give NaN its kind where the format has infinity; return the suspects that are left."""
    if not limits.fmt.has_infinity:
        return np.flatnonzero(is_suspect)
    for of_kind in codes:
        of_kind[is_nan] = CODES[kind]
    return np.flatnonzero(is_suspect & ~is_nan)


def _fill_in(
    certain: Facts,
    possible: Facts,
    unknown: Bools,
    suspects: Indices,
    codes: tuple[Codes, Codes],
    doubtful: Bools,
    *,
    hard_only: bool,
) -> None:
    """Fill in what is certain, and mark as doubtful where what is possible decides otherwise."""
    decision, other = decide(certain), decide(possible)
    codes[0][suspects], codes[1][suspects] = decision
    differs = decision.outcomes != other.outcomes
    if not hard_only:
        differs |= decision.codes != other.codes
    doubtful[suspects] |= differs | unknown
