"""Evaluate blocks of cases: logits and targets through formulations, judged against their truth, summed up."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cestab.audit.exact import decide_exactly
from cestab.audit.interruption import evaluate_each
from cestab.audit.judge import Judgement, judge_block, judge_hard_outcomes
from cestab.audit.rules import Limits
from cestab.audit.summary import Summary, summarize
from cestab.cases.patterns import find_pattern, has_truth, make_logits
from cestab.cases.targets import make_target
from cestab.formulations import AnyFormulation, ExternalFormulation, Formulation, find_any_formulation
from cestab.formulations.adapters.client import evaluate_target
from cestab.formulations.adapters.engine import TargetError, UnsupportedError
from cestab.formulations.adapters.evaluation import Work
from cestab.numerics.arithmetic import Arithmetic, reduce_rows
from cestab.numerics.ball import ExactCase
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray, IntArray, from_ordinal, round_number, round_quotient
from cestab.numerics.target import DenseTarget, IndexTarget, Target
from cestab.numerics.truth import Truth, evaluate_truth
from cestab.results import DEFAULT_GUARD, NO_OPTIONS, Fp8Overflow, Guard, LossOptions, Objective, Reduction, Summation, Verdict

# loss (cases,) and upstream·gradient (classes, cases); None where a target returns no gradient
Results = tuple[FloatArray, FloatArray | None]


@dataclass(frozen=True)
class Conditions:
    """All that is fixed while t moves, but for the formulation: plain and picklable.

    `fmt` is the dtype of logits, loss and gradient, `compute` the format of the arithmetic between.
    """

    objective: Objective
    fmt: Format
    compute: Format
    summation: Summation
    classes: int
    loss_scale: float
    rtol: float
    atol: float
    fp8_overflow: Fp8Overflow
    flush: bool
    pattern: str = ""
    target: str = ""
    seed: int = 0
    guard: Guard = DEFAULT_GUARD
    options: LossOptions = NO_OPTIONS

    @property
    def upstream(self) -> float:
        """The loss scale, for a mean divided by the number of rows, rounded once to the format."""
        return round_quotient(self.loss_scale, self.options.divisor, self.fmt)

    @property
    def rounded_options(self) -> LossOptions:
        """The options with the class weights as numbers of the format."""
        weights = tuple(round_number(weight, self.fmt) for weight in self.options.class_weights)
        return replace(self.options, class_weights=weights) if weights else self.options

    def arithmetic(self, fmt: Format) -> Arithmetic:
        """Return the arithmetic of these conditions in a format."""
        return Arithmetic(fmt, self.summation, self.fp8_overflow, self.flush)

    @property
    def limits(self) -> Limits:
        return Limits(self.fmt, self.rtol, self.atol, self.upstream, self.classes)


@dataclass(frozen=True)
class Block:
    """Conditions and a slice of t, as ordinals of the format, to be tried with some formulations.

    precise: truth good enough for ulps of float64, else for judgement alone.
    """

    conditions: Conditions
    formulations: tuple[str, ...]
    ordinals: IntArray
    precise: bool = True


@dataclass(frozen=True)
class Cases:
    """Logits (classes, cases), numbers of the format, with their target and positions in ascending order."""

    positions: IntArray
    logits: FloatArray
    target: Target

    def select(self, chosen: npt.NDArray[np.bool_]) -> "Cases":
        """Return a subset; itself where all are chosen."""
        if chosen.all():
            return self
        return Cases(self.positions[chosen], np.ascontiguousarray(self.logits[:, chosen]), self.target.select(chosen))


@dataclass(frozen=True)
class Failure:
    """Why a formulation has no results in a setting: a target that could not be evaluated, or does not compute that."""

    verdict: Verdict
    reason: str


Outcome = Summary | Failure
Value = TypeVar("Value")


def attempt(action: Callable[[], Value]) -> Value | Failure:
    """Evaluate a formulation; what a target cannot do is its outcome, not an error of ours."""
    try:
        return action()
    except UnsupportedError as error:
        return Failure(Verdict.UNSUPPORTED, str(error))
    except TargetError as error:
        return Failure(Verdict.ERROR, str(error))


def evaluate_block(block: Block) -> dict[str, Outcome]:
    """Return a summary per formulation, or why there is none; after Ctrl-C some are missing."""
    conditions = block.conditions
    cases = make_cases(conditions, block.ordinals)
    truth = find_truth(conditions, cases, precise=block.precise)

    def judge(name: str) -> Outcome:
        formulation = find_any_formulation(name)
        return attempt(lambda: judge_cases(conditions, formulation, cases, truth, has_map=True)[1])

    return evaluate_each(block.formulations, judge)


def make_cases(conditions: Conditions, ordinals: IntArray) -> Cases:
    """Return the generated cases at magnitudes t; those with a logit that is not finite (but for masks) are dropped."""
    pattern = find_pattern(conditions.pattern)
    t = from_ordinal(ordinals, conditions.fmt)
    logits = make_logits(pattern, t, conditions.classes, conditions.seed, conditions.fmt)
    is_kept = has_truth(logits, masks=pattern.is_masking)
    logits = logits if is_kept.all() else np.ascontiguousarray(logits[:, is_kept])
    cases = Cases(ordinals[is_kept], logits, make_target(conditions.target, logits, conditions.fmt, conditions.objective))
    return cases.select(has_mean(conditions, cases))


def has_mean(conditions: Conditions, cases: Cases) -> npt.NDArray[np.bool_]:
    """Whether each case's batch has rows to be divided by: a mean of none, or of weights that are all 0, is no number."""
    options, target = conditions.rounded_options, cases.target
    known = np.ones(cases.positions.shape, dtype=np.bool_)
    if options.batch == 1 or options.reduction is Reduction.SUM or not isinstance(target, IndexTarget):
        return known
    if options.ignore_index is not None:
        known &= target.index != options.ignore_index
    weights = np.array(options.class_weights or (1.0,))
    return known & (weights[target.index % weights.size] > 0)


def find_truth(conditions: Conditions, cases: Cases, *, precise: bool) -> Truth:
    """Return the truth of cases; `precise` makes it good for ulps of the format, else it is good for judgement.

    Precise truth is in quadruple precision for float64, and in any format where a dense target's entries cancel.
    """
    needs_quad = precise and conditions.fmt.storage == np.float64
    truth = evaluate_at(conditions, cases.logits, cases.target, precise=needs_quad)
    if not precise or needs_quad or not truth.cancels:
        return truth
    return truth.sharpened(
        conditions.fmt.precision,
        lambda chosen: evaluate_at(
            conditions, np.ascontiguousarray(cases.logits[:, chosen]), cases.target.select(chosen), precise=True
        ),
    )


def evaluate_at(conditions: Conditions, logits: FloatArray, target: Target, *, precise: bool) -> Truth:
    """Return the truth of the conditions' objective, upstream factor and options at logits (classes, cases)."""
    options = conditions.rounded_options
    return evaluate_truth(conditions.objective, logits, target, conditions.upstream, precise=precise, options=options)


def judge_cases(
    conditions: Conditions, formulation: AnyFormulation, cases: Cases, truth: Truth, *, has_map: bool, undefined: int = 0
) -> tuple[Judgement, Summary]:
    """Evaluate one formulation on cases and judge it."""
    results = compute(conditions, formulation, cases)
    return judge_results(conditions, cases, results, truth, has_map=has_map, undefined=undefined)


def judge_results(
    conditions: Conditions, cases: Cases, results: Results, truth: Truth, *, has_map: bool, undefined: int = 0
) -> tuple[Judgement, Summary]:
    """Judge computed results, doubtful cases by ever better truth."""
    judgement = judge_block(*results, truth, conditions.limits)
    escalated, ties = settle(conditions, cases, results, judgement, judge_block)
    return judgement, summarize(
        cases.positions,
        judgement,
        undefined=undefined,
        escalated=escalated,
        ties=ties,
        has_map=has_map,
        has_gradient=results[1] is not None,
    )


def judge_hard_cases(conditions: Conditions, formulation: AnyFormulation, cases: Cases) -> Judgement:
    """Evaluate one formulation on cases and judge hard outcomes alone, doubtful cases by ever better truth."""
    results = compute(conditions, formulation, cases)
    judgement = judge_hard_outcomes(*results, find_truth(conditions, cases, precise=False), conditions.limits)
    settle(conditions, cases, results, judgement, judge_hard_outcomes)
    return judgement


def compute(conditions: Conditions, formulation: AnyFormulation, cases: Cases) -> Results:
    """Return loss and upstream·gradient as the formulation computes them, rounded back to the format."""
    if isinstance(formulation, ExternalFormulation):
        return compute_external(conditions, formulation, cases)
    return compute_own(conditions, formulation, cases)


def compute_own(conditions: Conditions, formulation: Formulation, cases: Cases) -> tuple[FloatArray, FloatArray]:
    """Return loss and upstream·gradient of one of cestab's own formulations."""
    fmt, wide = conditions.fmt, conditions.compute
    with np.errstate(all="ignore"):
        arithmetic = conditions.arithmetic(wide)
        loss, gradient = formulation.evaluate(*widen(conditions, cases), arithmetic, conditions.upstream)
        loss = reduce_rows(conditions.options, loss, arithmetic)
        if wide == fmt:
            return loss, gradient
        back = conditions.arithmetic(fmt)
        return back.round(loss), back.round(gradient)


def compute_external(conditions: Conditions, formulation: ExternalFormulation, cases: Cases) -> Results:
    """Return loss and upstream·gradient, if it has one, as a target's process computes them; what is wider is rounded."""
    if not cases.positions.size:  # no call for nothing
        return cases.logits[0], cases.logits
    arithmetic, back = conditions.arithmetic(conditions.compute), conditions.arithmetic(conditions.fmt)
    scale = round_number(conditions.loss_scale, conditions.fmt)  # a mean divides it itself
    work = Work(arithmetic, *widen(conditions, cases), scale, conditions.options, conditions.upstream)
    loss, gradient = evaluate_target(formulation.target, work, conditions.guard)
    with np.errstate(all="ignore"):
        return back.round(loss), None if gradient is None else back.round(gradient)


def widen(conditions: Conditions, cases: Cases) -> tuple[FloatArray, Target]:
    """Return logits and target in the storage type of the compute format."""
    logits, target, storage = cases.logits, cases.target, conditions.compute.storage
    if storage != conditions.fmt.storage:
        logits = logits.astype(storage)
        target = DenseTarget(target.weights.astype(storage)) if isinstance(target, DenseTarget) else target
    return logits, target


def settle(
    conditions: Conditions,
    cases: Cases,
    results: Results,
    judgement: Judgement,
    judge: Callable[[FloatArray, FloatArray | None, Truth, Limits], Judgement],
) -> tuple[int, int]:
    """Decide the doubtful cases in place: in quadruple precision, and what that leaves open in ball arithmetic.

    Return how many came to ball arithmetic and how many of them stayed ties.
    """
    doubtful = judgement.doubtful.copy()
    if not doubtful.any():
        return 0, 0
    fewer, loss = cases.select(doubtful), results[0][doubtful]
    gradient = None if results[1] is None else results[1][:, doubtful]
    truth = evaluate_at(conditions, fewer.logits, fewer.target, precise=True)
    better = judge(loss, gradient, truth, conditions.limits)
    open_cases = np.flatnonzero(better.doubtful).tolist()
    ties = 0
    for case in open_cases:
        own_gradient = None if gradient is None else gradient[:, case]
        decision = decide_exactly(exact_case(conditions, fewer, case), float(loss[case]), own_gradient, conditions.limits)
        better.loss_codes[case], better.gradient_codes[case] = decision.loss_code, decision.gradient_code
        ties += decision.is_tie
    judgement.loss_codes[doubtful], judgement.gradient_codes[doubtful] = better.loss_codes, better.gradient_codes
    return len(open_cases), ties


def exact_case(conditions: Conditions, cases: Cases, case: int) -> ExactCase:
    """Return one of the cases in plain numbers."""
    return ExactCase(
        conditions.objective,
        cases.logits[:, case].tolist(),
        case_weights(cases.target, case, len(cases.logits)),
        conditions.upstream,
        conditions.rounded_options,
        is_index=isinstance(cases.target, IndexTarget),
    )


def case_weights(target: Target, case: int, classes: int) -> list[float]:
    """Return one case's target as a weight per class."""
    if isinstance(target, IndexTarget):
        return [float(j == target.index[case]) for j in range(classes)]
    weights: list[float] = target.weights[:, case].tolist()
    return weights


def merge_results(results: Iterable[Mapping[str, Outcome]]) -> dict[str, Outcome]:
    """Merge the outcomes of many blocks by formulation; one failure is that of the whole."""
    merged: dict[str, Outcome] = {}
    for result in results:
        for name, outcome in result.items():
            merged[name] = merge_outcomes(merged[name], outcome) if name in merged else outcome
    return merged


def merge_outcomes(first: Outcome, second: Outcome) -> Outcome:
    """Return the outcome of two parts of a setting."""
    if isinstance(first, Failure):
        return first
    return second if isinstance(second, Failure) else first.merge(second)
