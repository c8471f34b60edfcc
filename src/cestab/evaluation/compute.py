"""Compute cases with a formulation: in this process, or an external loss in a worker; results are rounded to the format."""

import math

import numpy as np

from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.recognition import refuse_other_objective
from cestab.external.engines.base import UnsupportedError
from cestab.external.evaluation import Work
from cestab.external.formulation import AnyFormulation, ExternalFormulation
from cestab.external.process.client import evaluate_loss
from cestab.formulations import Formulation
from cestab.numerics.arithmetic import reduce_rows
from cestab.numerics.rounding import FloatArray, round_number
from cestab.numerics.target import DenseTarget, Target
from cestab.truth.tiers import Truth

# loss (cases,) and upstream·gradient (classes, cases); None where an external loss returns no gradient
Results = tuple[FloatArray, FloatArray | None]


def compute(conditions: Conditions, formulation: AnyFormulation, cases: Cases, truth: Truth) -> Results:
    """Return loss and upstream·gradient as the formulation computes them, rounded back to the format.

    Of a batch, whose rows should have the case's gradient, that is the row's that is farther from the truth.
    """
    loss, gradient = compute_rows(conditions, formulation, cases)
    return loss, gradient if gradient is None else _take_farther(gradient, truth.gradient)


def compute_rows(conditions: Conditions, formulation: AnyFormulation, cases: Cases) -> Results:
    """Return the same, but of a batch the gradients of two rows: (2·classes, cases)."""
    if isinstance(formulation, ExternalFormulation):
        return compute_external(conditions, formulation, cases)
    return compute_formulation(conditions, formulation, cases)


def compute_formulation(conditions: Conditions, formulation: Formulation, cases: Cases) -> tuple[FloatArray, FloatArray]:
    """Return loss and upstream·gradient of a formulation that runs in this process."""
    fmt, wide = conditions.fmt, conditions.compute
    with np.errstate(all="ignore"):
        arithmetic = conditions.arithmetic(wide)
        weighted = formulation.with_weights(conditions.rounded_options)
        loss, gradient = weighted.evaluate(*widen(conditions, cases), arithmetic, conditions.upstream)
        loss = reduce_rows(conditions.options, loss, arithmetic)
        if wide == fmt:
            return loss, gradient
        back = conditions.arithmetic(fmt)
        return back.round(loss), back.round(gradient)


def compute_external(conditions: Conditions, formulation: ExternalFormulation, cases: Cases) -> Results:
    """Return loss and, if there is one, upstream·gradient of an external loss; wider results are rounded to the format."""
    if not cases.positions.size:  # no call without cases
        return cases.logits[0], cases.logits
    refuse_other_objective(conditions, formulation, len(cases.logits))
    arithmetic, back = conditions.arithmetic(conditions.compute), conditions.arithmetic(conditions.fmt)
    scale = round_number(conditions.loss_scale, conditions.compute)  # the external loss divides it where it takes the mean
    if not math.isfinite(scale):
        raise UnsupportedError(
            f"it gets the whole loss scale, and {conditions.loss_scale!r} is beyond {conditions.compute.name}"
        )
    logits, target = widen(conditions, cases)
    work = Work(
        arithmetic=arithmetic,
        logits=logits,
        target=target,
        upstream=scale,
        options=conditions.rounded_options,
        row_upstream=conditions.upstream,
    )
    loss, gradient = evaluate_loss(formulation.parsed, work, conditions.guard)
    with np.errstate(all="ignore"):
        return back.round(loss), None if gradient is None else back.round(gradient)


def _take_farther(gradient: FloatArray, true: FloatArray) -> FloatArray:
    """Return the gradient (classes, cases): of two of each case, (2·classes, cases), the one farther from the truth."""
    classes = len(true)
    if len(gradient) == classes:
        return gradient
    first, other = gradient[:classes], gradient[classes:]
    with np.errstate(all="ignore"):
        distances = [np.nan_to_num(np.sum(np.abs(each - true), axis=0), nan=np.inf) for each in (first, other)]
    return np.where(distances[1] > distances[0], other, first)


def widen(conditions: Conditions, cases: Cases) -> tuple[FloatArray, Target]:
    """Return logits and target in the storage type of the compute format."""
    logits, target, storage = cases.logits, cases.target, conditions.compute.storage
    if storage != conditions.fmt.storage:
        logits = logits.astype(storage)
        target = DenseTarget(weights=target.weights.astype(storage)) if isinstance(target, DenseTarget) else target
    return logits, target
