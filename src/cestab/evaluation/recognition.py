"""Is an external loss the objective at all? Asked at benign cases before anything is judged.

A loss that is another function is not judged as a rounding defect: its settings get the verdict `other-objective`, with what
fits it exactly, if anything does.
"""

from dataclasses import replace

import numpy as np

from cestab.cases.target_kinds import TARGET_KINDS
from cestab.errors import UsageError
from cestab.evaluation.blocks import Cases, Conditions
from cestab.external.conventions import Input
from cestab.external.engines.base import ExternalError, LostProcessError, OtherObjectiveError, UnsupportedError
from cestab.external.evaluation import Work
from cestab.external.formulation import ExternalFormulation
from cestab.external.names import ExternalName, parse_external_name
from cestab.external.process.client import evaluate_loss, kept_answers
from cestab.judgement.fits import Fit, Observed, find_fit, find_gradient_fit
from cestab.judgement.rules import Doubles
from cestab.numerics.formats import FORMATS, Format
from cestab.numerics.rounding import round_to_format
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.truth.tiers import Truth, evaluate_truth
from cestab.vocabulary.loss_options import NO_OPTIONS, Reduction
from cestab.vocabulary.objectives import OBJECTIVES, Objective

ROWS = 24
LARGEST = 3.0
SEED = 20261
ROUNDINGS = 64  # u: so much an exact fit may be off
INPUT_NAMES = {Input.SIGMOID: "probabilities", Input.SOFTMAX: "probabilities", Input.LOG_SOFTMAX: "log-probabilities"}
LEAST_DIFFERENCE = 2.0**-10  # of a loss, from which on it is another one


def refuse_other_objective(conditions: Conditions, formulation: ExternalFormulation, classes: int) -> None:
    """Raise an OtherObjectiveError where an external loss is not the conditions' objective; the answer is kept.

    Raises what the loss raises: an ExternalError, or an UnsupportedError where it computes in no format.
    """
    plain = _make_plain(conditions, classes)
    label = plain.target if plain.objective.is_binary else _is_dense(plain)
    key = ("recognition", formulation.name, plain.objective, plain.options, plain.classes, label, plain.compute.name)
    answers = kept_answers()
    if key not in answers:
        try:
            answers[key] = _recognize(plain, formulation)
        except LostProcessError as error:
            answers[key] = error
    if isinstance(answers[key], LostProcessError):
        raise LostProcessError(*answers[key].args)
    if answers[key] is not None:
        raise OtherObjectiveError(answers[key])


def _make_plain(conditions: Conditions, classes: int) -> Conditions:
    """Return the conditions of single rows, without a loss scale."""
    options = replace(conditions.options, batch=1, reduction=Reduction.MEAN)
    return replace(conditions, loss_scale=1.0, options=options, classes=classes)


def _is_dense(conditions: Conditions) -> bool:
    return conditions.objective.is_binary or (
        conditions.target != "" and TARGET_KINDS[conditions.target.partition(":")[0]].is_dense
    )


def _recognize(conditions: Conditions, formulation: ExternalFormulation) -> str | None:
    """Return why it is another objective; None where it is not, or where its losses there are not finite."""
    name = formulation.parsed
    try:
        fmt, cases, (loss, _) = _evaluate(conditions, name)
    except LostProcessError:
        raise
    except ExternalError:  # as with its arguments in the other order
        if (fit := _find_variant(conditions, name, ("order=target-first",))) is None:
            raise
        return _describe(fit, name, conditions.objective)
    if not np.all(np.isfinite(loss)):
        fit = _find_variant(conditions, name)
        return None if fit is None else _describe(fit, name, conditions.objective)
    return _compare(conditions, name, fmt, cases, loss)


def _compare(conditions: Conditions, name: ExternalName, fmt: Format, cases: Cases, loss: Doubles) -> str | None:
    """Return why losses at benign cases are another objective's; None where they are not."""
    truth = _evaluate_truth(conditions, conditions.objective, cases, fmt)
    scale = np.maximum(truth.gradient_scale, np.abs(truth.loss))
    tolerance = ROUNDINGS * fmt.unit_roundoff
    error = np.abs(loss - truth.loss)
    if np.all(error <= tolerance * np.maximum(1.0, scale)):
        return None
    fit = _find_fit(conditions, fmt, cases, loss)
    excess = error / scale
    is_near = float(np.median(excess)) <= max(LEAST_DIFFERENCE, tolerance)
    if fit is None and is_near:  # as with a clip, which few cases reach
        return None
    fit = fit or _find_variant(conditions, name)
    if fit is not None:
        return _describe(fit, name, conditions.objective)
    worst = int(np.argmax(excess))
    example = f"at benign logits it is {loss[worst]:.6g} where {conditions.objective} is {truth.loss[worst]:.6g}"
    return f"it is another objective: {example}, and nothing that cestab knows fits; for that it has no truth"


def _describe(fit: Fit, name: ExternalName, objective: Objective) -> str:
    """Return the sentence of a fit: what it is, and what to write."""
    if fit.is_call:
        return f"{fit.sentence}; write {name.with_parameter(fit.parameter or '')}"
    what = f"it is another objective than {objective}: {fit.sentence}, exactly"
    option = f"--objective {fit.objective}" if fit.objective not in (None, objective.name) else ""
    if fit.parameter is not None:
        return f"{what}; write {name.with_parameter(fit.parameter)}{' with ' if option else ''}{option}"
    return f"{what}; add {option}" if option else f"{what}; cestab has no truth for that"


def recognize_gradient(conditions: Conditions, formulation: ExternalFormulation, classes: int) -> str | None:
    """Return what the wrong gradient of an external loss is at benign cases; None where it is right, or nothing fits.

    Raises what the loss raises.
    """
    fmt, cases, (_, gradient) = _evaluate(replace(conditions, classes=classes, loss_scale=1.0), formulation.parsed)
    _, _, (_, larger) = _evaluate(replace(conditions, classes=classes, loss_scale=4.0), formulation.parsed)
    if gradient is None or larger is None:
        return None
    options = conditions.rounded_options
    true = evaluate_truth(
        conditions.objective, cases.logits, cases.target, 1 / options.divisor, precise=fmt.bits > 32, options=options
    ).gradient
    return find_gradient_fit(gradient, larger, true, ROUNDINGS * fmt.unit_roundoff)


def _evaluate(conditions: Conditions, name: ExternalName) -> tuple[Format, Cases, tuple[Doubles, Doubles | None]]:
    """Return the widest format in which a loss computes, benign cases in it, and its losses and gradients."""
    formats = dict.fromkeys((FORMATS["float64"], FORMATS["float32"], conditions.compute))
    for fmt in formats:
        cases = _make_cases(conditions, fmt)
        work = Work(
            arithmetic=conditions.arithmetic(fmt),
            logits=cases.logits,
            target=cases.target,
            upstream=conditions.loss_scale,
            options=conditions.rounded_options,
        )
        try:
            loss, gradient = evaluate_loss(name, work, conditions.guard)
        except LostProcessError:
            raise
        except (UnsupportedError, ExternalError):
            if fmt is conditions.compute:
                raise
        else:
            doubles = None if gradient is None else gradient.astype(np.float64)
            return fmt, cases, (loss.astype(np.float64), doubles)
    raise AssertionError("the compute format is the last")


def _make_cases(conditions: Conditions, fmt: Format) -> Cases:
    """Return seeded logits up to 3 with every label, of a binary loss both labels or the soft one."""
    rng = np.random.default_rng(SEED)
    spread = np.clip(rng.standard_normal((conditions.classes, ROWS)) * rng.uniform(0.25, 2.0, ROWS), -LARGEST, LARGEST)
    return Cases(positions=np.arange(ROWS), logits=round_to_format(spread, fmt), target=_make_target(conditions, fmt, rng))


def _make_target(conditions: Conditions, fmt: Format, rng: np.random.Generator) -> Target:
    if conditions.objective.is_binary:
        _, _, number = conditions.target.partition(":")  # of soft:P, the only label that the loss may be for
        labels = np.full(ROWS, float(number)) if number else np.arange(ROWS) % 2 * 1.0
        return DenseTarget(weights=round_to_format(labels[np.newaxis], fmt))
    if not _is_dense(conditions):
        index = (np.arange(ROWS) * 7 + rng.integers(conditions.classes)) % conditions.classes
        return IndexTarget(index=index)
    weights = rng.dirichlet(np.ones(conditions.classes), ROWS).T
    return DenseTarget(weights=round_to_format(weights, fmt))


def _evaluate_truth(conditions: Conditions, objective: Objective, cases: Cases, fmt: Format) -> Truth:
    options = conditions.rounded_options if objective == conditions.objective else NO_OPTIONS
    return evaluate_truth(objective, cases.logits, cases.target, 1.0, precise=fmt.bits > 32, options=options)


def _find_fit(conditions: Conditions, fmt: Format, cases: Cases, loss: Doubles) -> Fit | None:
    """Return what fits: another objective, or another function of the logits."""
    truth = _evaluate_truth(conditions, conditions.objective, cases, fmt)
    weights = (
        cases.target.weights.astype(np.float64)
        if isinstance(cases.target, DenseTarget)
        else cases.target.with_entry(np.zeros(cases.logits.shape), 1.0)
    )
    observed = Observed(
        logits=cases.logits.astype(np.float64),
        weights=weights,
        computed=loss,
        true=truth.loss,
        tolerance=ROUNDINGS * fmt.unit_roundoff,
    )
    for objective in OBJECTIVES.values():
        others = objective.is_binary == conditions.objective.is_binary and objective.needed is None
        if others and objective != conditions.objective:
            other = _evaluate_truth(conditions, objective, cases, fmt)
            if observed.is_exact(other.loss):
                return Fit(sentence=f"it is {objective}", objective=objective.name)
    return find_fit(observed)


def _find_variant(conditions: Conditions, name: ExternalName, only: tuple[str, ...] = ()) -> Fit | None:
    """Return what must be written for the function to be called as it expects; `only` some parameters are tried."""
    inputs = (Input.SIGMOID,) if conditions.objective.is_binary else (Input.SOFTMAX, Input.LOG_SOFTMAX)
    variants = {f"input={word}": f"it takes {INPUT_NAMES[word]} instead of logits" for word in inputs}
    variants |= {f"order={word}": "it takes its arguments in the other order" for word in ("target-first", "logits-first")}
    for parameter, sentence in variants.items():
        if only and parameter not in only:
            continue
        if name.get(parameter.partition("=")[0]) is not None:
            continue
        changed = parse_external_name(name.with_parameter(parameter))
        try:
            fmt, cases, (loss, _) = _evaluate(conditions, changed)
        except (UnsupportedError, ExternalError, UsageError):
            continue
        true = _evaluate_truth(conditions, conditions.objective, cases, fmt).loss
        if np.all(np.abs(loss - true) <= LEAST_DIFFERENCE * np.maximum(1.0, true)):
            return Fit(sentence=sentence, parameter=parameter, is_call=True)
    return None
