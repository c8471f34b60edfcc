"""Evaluate blocks of cases: logits and targets through formulations, judged against their truth, summed up."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cestab.cases.pairs import find_positions, make_pairs, split_pairs
from cestab.cases.patterns import find_pattern, has_truth, make_logits
from cestab.cases.target_kinds import make_target
from cestab.evaluation.blocks import Block, Cases, Conditions, Outcome, attempt, evaluate_each
from cestab.evaluation.compute import Results, compute
from cestab.external.formulation import AnyFormulation, find_any_formulation
from cestab.judgement.cells import find_cells
from cestab.judgement.curve import find_curve
from cestab.judgement.doubtful import decide_exactly
from cestab.judgement.judge import Judgement, judge_block, judge_hard_outcomes
from cestab.judgement.rules import Limits
from cestab.judgement.summary import Summary, summarize
from cestab.numerics.rounding import FloatArray, IntArray, from_ordinal
from cestab.numerics.target import IndexTarget, Target
from cestab.truth.balls import ExactCase
from cestab.truth.tiers import Truth, evaluate_truth
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.requests import PAIRS


def evaluate_block(block: Block) -> dict[str, Outcome]:
    """Return a summary per formulation, or why there is none; after Ctrl-C some are missing."""
    conditions = block.conditions
    cases = make_cases(conditions, block.ordinals)
    truth = find_truth(conditions, cases, precise=block.precise)

    def judge(name: str) -> Outcome:
        formulation = find_any_formulation(name)
        return attempt(lambda: judge_cases(conditions, formulation, cases, truth, has_map=conditions.has_map)[1])

    return evaluate_each(block.formulations, judge)


def make_cases(conditions: Conditions, ordinals: IntArray | range) -> Cases:
    """Return the generated cases at magnitudes t; cases with a logit that is not finite (except masks) are dropped."""
    ordinals = np.arange(ordinals.start, ordinals.stop) if isinstance(ordinals, range) else ordinals
    if conditions.pattern == PAIRS:
        return _make_pair_cases(conditions, ordinals)
    pattern = find_pattern(conditions.pattern)
    t = from_ordinal(ordinals, conditions.fmt)
    logits = make_logits(pattern, t, conditions.classes, conditions.seed, conditions.fmt)
    is_kept = has_truth(logits, masks=pattern.is_masking)
    logits = logits if is_kept.all() else np.ascontiguousarray(logits[:, is_kept])
    cases = Cases(
        positions=ordinals[is_kept],
        logits=logits,
        target=make_target(conditions.target, logits, conditions.fmt, conditions.objective),
    )
    return cases.select(has_mean(conditions, cases))


def _make_pair_cases(conditions: Conditions, numbers: IntArray) -> Cases:
    """Return the cases of numbered pairs, at the positions of the pairs."""
    positions = find_positions(numbers, conditions.ends, conditions.fmt)
    logits = make_pairs(positions, conditions.fmt)
    target = make_target(conditions.target, logits, conditions.fmt, conditions.objective)
    return Cases(positions=positions, logits=logits, target=target)


def make_cases_at(conditions: Conditions, positions: IntArray) -> Cases:
    """Return the generated cases at positions, as a result names them."""
    if conditions.has_map:
        return make_cases(conditions, positions)
    low, high = conditions.ends
    first, second = split_pairs(positions, conditions.fmt)
    return make_cases(conditions, (first - low) * (high - low + 1) + second - low)


def has_mean(conditions: Conditions, cases: Cases) -> npt.NDArray[np.bool_]:
    """Whether the batch of each case has rows to average: a mean of no rows, or of weights that are all 0, is no number."""
    options, target = conditions.rounded_options, cases.target
    has_rows = np.ones(cases.positions.shape, dtype=np.bool_)
    if options.batch == 1 or options.reduction is Reduction.SUM or not isinstance(target, IndexTarget):
        return has_rows
    if options.ignore_index is not None:
        has_rows &= target.index != options.ignore_index
    weights = np.array(options.class_weights or (1.0,))
    return has_rows & (weights[target.index % weights.size] > 0)


def find_truth(conditions: Conditions, cases: Cases, *, precise: bool) -> Truth:
    """Return the truth of cases; `precise` is good enough for errors in ulps, else it is for judgement.

    Precise truth is in quadruple precision for float64, and in any format where a dense target's entries cancel.
    """
    needs_quad = precise and conditions.fmt.storage == np.float64
    truth = evaluate_at(conditions, cases.logits, cases.target, precise=needs_quad)
    if not precise or not truth.cancels:
        return truth
    if needs_quad:
        return truth.measured(conditions.fmt)
    return truth.sharpened(
        conditions.fmt,
        lambda chosen: evaluate_at(
            conditions, np.ascontiguousarray(cases.logits[:, chosen]), cases.target.select(chosen), precise=True
        ),
    )


def evaluate_at(conditions: Conditions, logits: FloatArray, target: Target, *, precise: bool) -> Truth:
    """Return the truth of the conditions' objective, upstream factor and options at logits (classes, cases)."""
    options = conditions.rounded_options
    return evaluate_truth(conditions.objective, logits, target, conditions.true_upstream, precise=precise, options=options)


def judge_cases(
    conditions: Conditions, formulation: AnyFormulation, cases: Cases, truth: Truth, *, has_map: bool, undefined: int = 0
) -> tuple[Judgement, Summary]:
    """Evaluate one formulation on cases and judge it."""
    results = compute(conditions, formulation, cases, truth)
    return judge_results(conditions, cases, results, truth, has_map=has_map, undefined=undefined)


def judge_results(
    conditions: Conditions, cases: Cases, results: Results, truth: Truth, *, has_map: bool, undefined: int = 0
) -> tuple[Judgement, Summary]:
    """Judge computed results, doubtful cases by ever better truth."""
    judgement = judge_block(*results, truth, conditions.limits)
    escalated, ties = settle(conditions, cases, results, judgement, judge_block)
    summary = summarize(
        cases.positions,
        judgement,
        undefined=undefined,
        escalated=escalated,
        ties=ties,
        has_map=has_map,
        has_gradient=results[1] is not None,
    )
    return judgement, with_curve(conditions, cases, judgement, summary)


def with_curve(conditions: Conditions, cases: Cases, judgement: Judgement, summary: Summary) -> Summary:
    """Return the summary with the curve of the errors, or of pairs the cells of findings, where they are wanted."""
    if not conditions.curve_end or not cases.positions.size:
        return summary
    if not conditions.has_map:
        return replace(summary, cells=find_cells(cases.logits, judgement, conditions.curve_end))
    t = from_ordinal(cases.positions, conditions.fmt).astype(np.float64)
    return replace(summary, curve=find_curve(cases.positions, t, judgement, conditions.curve_end))


def judge_hard_cases(conditions: Conditions, formulation: AnyFormulation, cases: Cases) -> Judgement:
    """Evaluate one formulation on cases and judge hard outcomes alone, doubtful cases by ever better truth."""
    truth = find_truth(conditions, cases, precise=False)
    results = compute(conditions, formulation, cases, truth)
    judgement = judge_hard_outcomes(*results, truth, conditions.limits)
    settle(conditions, cases, results, judgement, judge_hard_outcomes)
    return judgement


def settle(
    conditions: Conditions,
    cases: Cases,
    results: Results,
    judgement: Judgement,
    judge: Callable[[FloatArray, FloatArray | None, Truth, Limits], Judgement],
) -> tuple[int, int]:
    """Decide the doubtful cases in place: in quadruple precision, then the open ones in ball arithmetic.

    Return how many came to ball arithmetic and how many of them stayed ties.
    """
    doubtful = judgement.doubtful.copy()
    if not doubtful.any():
        return 0, 0
    fewer, loss = cases.select(doubtful), results[0][doubtful]
    gradient = None if results[1] is None else results[1].compress(doubtful, axis=1)
    truth = evaluate_at(conditions, fewer.logits, fewer.target, precise=True)
    better = judge(loss, gradient, truth, conditions.limits)
    open_cases = np.flatnonzero(better.doubtful).tolist()
    ties = 0
    for case in open_cases:
        case_gradient = None if gradient is None else gradient[:, case]
        decision = decide_exactly(
            exact_case(conditions, fewer, case),
            float(loss[case]),
            case_gradient,
            float(truth.gradient_scale[case]),
            conditions.limits,
        )
        better.loss_codes[case], better.gradient_codes[case] = decision.loss_code, decision.gradient_code
        better.loss_outcomes[case], better.gradient_outcomes[case] = decision.loss_outcome, decision.gradient_outcome
        ties += decision.is_tie
    judgement.adopt(better, doubtful)
    return len(open_cases), ties


def exact_case(conditions: Conditions, cases: Cases, case: int) -> ExactCase:
    """Return one of the cases in plain numbers."""
    return ExactCase(
        objective=conditions.objective,
        logits=cases.logits[:, case].tolist(),
        weights=case_weights(cases.target, case, len(cases.logits)),
        upstream=conditions.true_upstream,
        options=conditions.rounded_options,
        is_index=isinstance(cases.target, IndexTarget),
    )


def case_weights(target: Target, case: int, classes: int) -> list[float]:
    """Return one case's target as a weight per class."""
    if isinstance(target, IndexTarget):
        return [float(j == target.index[case]) for j in range(classes)]
    weights: list[float] = target.weights[:, case].tolist()
    return weights
