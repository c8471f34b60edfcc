"""Explain one case: every operation with its exact value, the root cause of its finding, another formulation beside it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cestab.commands.explain.answer import Explanation, Outcome
from cestab.commands.explain.numbers import show_exact, show_number
from cestab.commands.explain.replay import Judged, Replay, find_precision, judge_case
from cestab.commands.explain.root_cause import find_root
from cestab.commands.explain.steps import Steps
from cestab.errors import NotAuditedError, UsageError
from cestab.evaluation.assemble import make_setting
from cestab.evaluation.blocks import Cases, Conditions
from cestab.evaluation.compute import compute
from cestab.evaluation.environment import describe_environment, version
from cestab.evaluation.evaluate import case_weights, exact_case, find_truth
from cestab.evaluation.plan import refuse_other_options
from cestab.external.engines.base import ExternalError, OtherObjectiveError, UnsupportedError
from cestab.external.formulation import AnyFormulation, ExternalFormulation, find_any_formulation
from cestab.external.recipes import load_recipe
from cestab.formulations import families, find_formulation
from cestab.numerics.exact_numbers import Exact
from cestab.numerics.formats import Format
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import IndexTarget, first_maximum
from cestab.truth.balls import enclose, precision
from cestab.truth.tiers import Truth
from cestab.vocabulary.external import ExternalFacts, GradientSource
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import ExplainRequest
from cestab.vocabulary.settings import Environment

MOST_SHOWN = 5
OPAQUE = ("this is code that is not cestab's, whose operations it does not see: what it gave is below",)


class SingleCase(NamedTuple):
    """Conditions, the case, the words for its source, and sentences on the given numbers that rounding changed."""

    conditions: Conditions
    cases: Cases
    source: str
    roundings: tuple[str, ...] = ()


class Computed(NamedTuple):
    """What a formulation gave on the case; without a gradient where an external loss returns none."""

    name: str
    loss: FloatArray
    gradient: FloatArray | None
    judged: Judged


def explain_case(request: ExplainRequest, single: SingleCase, targets: tuple[ExternalFacts, ...] = ()) -> Explanation:
    """Explain the single case that the request names; `targets` are the facts about external losses."""
    environment = describe_environment(targets)
    formulation = find_any_formulation(request.formulation)
    recipes = {facts.formulation for facts in targets if facts.gradient is GradientSource.CHAIN_RULE}
    if isinstance(formulation, ExternalFormulation) and formulation.name in recipes:
        _compute_external(formulation, single, find_truth(single.conditions, single.cases, precise=True))  # it may hang or die
        formulation = load_recipe(formulation.parsed)  # its operations are shown, so it runs in this process
    with precision(find_precision(single.conditions, single.cases)):
        return _explain(formulation, request, single, environment)


def _explain(formulation: AnyFormulation, request: ExplainRequest, single: SingleCase, environment: Environment) -> Explanation:
    conditions, cases = single.conditions, single.cases
    truth = find_truth(conditions, cases, precise=True)
    operations: list[int] = []
    if isinstance(formulation, ExternalFormulation):
        root, steps, computed = None, None, _compute_external(formulation, single, truth)
    else:
        replay = Replay(conditions=conditions, formulation=formulation, cases=cases)
        steps, computed, operations = Steps(replay=replay), _judge_replay(replay), replay.steps()
        root = find_root(replay, steps)
    shown = _choose_classes(computed, truth, cases, None if root is None else root.place)
    other = _choose_other(computed, request, single, truth)
    true_loss, true_gradient = _show_truth(conditions, cases, shown)
    target, fmt = cases.target, conditions.fmt
    weights = case_weights(target, 0, len(cases.logits))
    return Explanation(
        version=version(),
        environment=environment,
        request=request,
        setting=make_setting(conditions, computed.name),
        rtol=conditions.rtol,
        atol=conditions.atol,
        source=single.source,
        roundings=single.roundings,
        shown=tuple(shown),
        logits=tuple(show_number(float(cases.logits[j, 0]), fmt) for j in shown),
        target=int(target.index[0]) if isinstance(target, IndexTarget) else tuple(weights[j] for j in shown),
        operations=tuple(steps.operation(index, shown) for index in operations) if steps is not None else (),
        outcome=_make_outcome(computed, shown, fmt),
        root_cause=None if root is None else root.cause,
        limits=(*_describe_limits(computed, fmt), *(OPAQUE if steps is None else ())),
        true_loss=true_loss,
        true_gradient=true_gradient,
        against=None if other is None else _make_outcome(other, shown, fmt),
    )


def _judge_replay(replay: Replay) -> Computed:
    loss, gradient = replay.computed.loss.value, replay.computed.gradient.value
    return Computed(replay.formulation.name, loss.reshape(-1), gradient, replay.judged)


def _compute_external(formulation: ExternalFormulation, single: SingleCase, truth: Truth) -> Computed:
    """Return what an external loss gives on the case; its failure is an error, as there is nothing else to show."""
    try:
        results = compute(single.conditions, formulation, single.cases, truth)
    except UnsupportedError as error:
        raise UsageError(f"{formulation.name} has no result here: {error}") from None
    except (ExternalError, OtherObjectiveError) as error:
        raise NotAuditedError(f"{formulation.name} has no result here: {error}") from None
    return Computed(formulation.name, *results, judge_case(single.conditions, single.cases, results, truth))


def _describe_limits(computed: Computed, fmt: Format) -> tuple[str, ...]:
    """Return a sentence for each finding that no operation is to blame for."""
    words = {FindingKind.OVERFLOWING_LOSS: "loss", FindingKind.OVERFLOWING_GRADIENT: "gradient"}
    beyond = [words[kind] for kind in computed.judged.findings if kind in words]
    return tuple(f"the true {word} is beyond {fmt.name}: nothing in this format could do better" for word in beyond)


def _choose_classes(computed: Computed, truth: Truth, cases: Cases, root_place: int | None) -> list[int]:
    """Return the classes that are shown: the target, the first maximum, the root cause's, and those furthest off."""
    classes = len(cases.logits)
    if classes <= MOST_SHOWN:
        return list(range(classes))
    weights = np.array(case_weights(cases.target, 0, classes))
    chosen = [int(np.argmax(weights)), int(first_maximum(cases.logits).index[0])]
    chosen += [] if root_place is None else [root_place]
    true = truth.gradient[:, 0]
    gradient = true if computed.gradient is None else computed.gradient[:, 0].astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(gradient - true), nan=np.inf)
    chosen += np.argsort(-error, kind="stable")[:MOST_SHOWN].tolist()
    return sorted(list(dict.fromkeys(chosen))[:MOST_SHOWN])


def _choose_other(computed: Computed, request: ExplainRequest, single: SingleCase, truth: Truth) -> Computed | None:
    """Return the formulation to show beside it: the one named or, where there is a finding, the best sound one on the case."""
    options = find_any_formulation(request.formulation).options
    if request.against is not None:
        refuse_other_options((request.formulation, request.against))
        against = find_any_formulation(request.against)
        if isinstance(against, ExternalFormulation):
            return _compute_external(against, single, truth)
        return _judge_replay(Replay(conditions=single.conditions, formulation=against, cases=single.cases))
    if not computed.judged.findings:
        return None
    name = computed.name.partition(":")[0]
    family = (find_formulation(other) for other in reversed(families()[single.conditions.objective]) if other != name)
    sound = (formulation for formulation in family if not formulation.is_contrast)
    others = (formulation.with_options(options) for formulation in sound)  # the better ones come first
    candidates = (
        _judge_replay(Replay(conditions=single.conditions, formulation=other, cases=single.cases))
        for other in others
        if other is not None
    )
    return min(candidates, key=lambda other: other.judged.rank(), default=None)


def _make_outcome(computed: Computed, shown: list[int], fmt: Format) -> Outcome:
    judged, gradient = computed.judged, computed.gradient
    loss_ulps, gradient_ulps = (None if math.isnan(error) else error for error in (judged.loss_ulps, judged.gradient_ulps))
    return Outcome(
        formulation=computed.name,
        loss=show_number(float(computed.loss[0]), fmt),
        loss_ulps=loss_ulps,
        gradient=() if gradient is None else tuple(show_number(float(gradient[j, 0]), fmt) for j in shown),
        gradient_ulps=gradient_ulps,
        findings=judged.findings,
    )


def _show_truth(conditions: Conditions, cases: Cases, shown: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """Return loss and gradient of the shown classes in ball arithmetic, as decimals."""
    ball = enclose(exact_case(conditions, cases, 0))
    loss = "inf" if ball.loss is None else show_exact(Exact(ball.loss))
    return loss, tuple(show_exact(Exact(ball.gradient[j])) for j in shown)
