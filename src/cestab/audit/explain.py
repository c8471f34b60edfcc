"""Explain one case: every operation with its exact value, the root cause of its finding, another formulation beside it."""

import math
from typing import NamedTuple

import numpy as np

from cestab.audit.assemble import make_setting
from cestab.audit.compare import refuse_other_options
from cestab.audit.environment import describe_environment, version
from cestab.audit.evaluate import Cases, Conditions, case_weights, exact_case
from cestab.audit.replay import Replay, find_precision
from cestab.audit.root import find_root
from cestab.audit.spell import spell_exact, spell_number
from cestab.audit.steps import Steps
from cestab.formulations import families, find_formulation
from cestab.numerics.ball import enclose, precision
from cestab.numerics.exact import Exact
from cestab.numerics.target import IndexTarget, first_maximum
from cestab.results import ExplainRequest, Explanation, FindingKind, Outcome

MOST_SHOWN = 5


class SingleCase(NamedTuple):
    """Conditions, the case, the words that say where it is from, and which of the given numbers rounding changed."""

    conditions: Conditions
    cases: Cases
    source: str
    roundings: tuple[str, ...] = ()


def explain_case(request: ExplainRequest, single: SingleCase) -> Explanation:
    """Explain the single case that the request names."""
    conditions, cases = single.conditions, single.cases
    with precision(find_precision(conditions, cases)):
        return _explain(Replay(conditions, find_formulation(request.formulation), cases), request, single)


def _explain(replay: Replay, request: ExplainRequest, single: SingleCase) -> Explanation:
    conditions, cases = replay.conditions, replay.cases
    steps = Steps(replay)
    root = find_root(replay, steps)
    shown = _choose_classes(replay, None if root is None else root.place)
    other = _beside(replay, request.against)
    true_loss, true_gradient = _find_truth(conditions, cases)
    target, fmt = cases.target, conditions.fmt
    weights = case_weights(target, 0, len(cases.logits))
    return Explanation(
        version(),
        describe_environment(),
        request,
        make_setting(conditions, replay.formulation.name),
        conditions.rtol,
        conditions.atol,
        single.source,
        single.roundings,
        tuple(shown),
        tuple(spell_number(float(cases.logits[j, 0]), fmt) for j in shown),
        int(target.index[0]) if isinstance(target, IndexTarget) else tuple(weights[j] for j in shown),
        tuple(steps.operation(index, shown) for index in replay.steps()),
        _outcome(replay, shown),
        None if root is None else root.cause,
        _tell_limits(replay),
        true_loss,
        tuple(true_gradient[j] for j in shown),
        None if other is None else _outcome(other, shown),
    )


def _tell_limits(replay: Replay) -> tuple[str, ...]:
    """Return a sentence for each finding that no operation is to blame for."""
    name = replay.conditions.fmt.name
    words = {FindingKind.OVERFLOWING_LOSS: "loss", FindingKind.OVERFLOWING_GRADIENT: "gradient"}
    beyond = [words[kind] for kind in replay.judged.findings if kind in words]
    return tuple(f"the true {word} is beyond {name}: nothing in this format could do better" for word in beyond)


def _choose_classes(replay: Replay, root_place: int | None) -> list[int]:
    """Return the classes that are shown: the target, the first maximum, the root cause's, and those furthest off."""
    classes = len(replay.cases.logits)
    if classes <= MOST_SHOWN:
        return list(range(classes))
    weights = np.array(case_weights(replay.cases.target, 0, classes))
    chosen = [int(np.argmax(weights)), int(first_maximum(replay.cases.logits).index[0])]
    chosen += [] if root_place is None else [root_place]
    gradient, truth = replay.computed.gradient.value[:, 0].astype(np.float64), replay.truth.gradient[:, 0]
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(gradient - truth), nan=np.inf)
    chosen += np.argsort(-error, kind="stable")[:MOST_SHOWN].tolist()
    return sorted(list(dict.fromkeys(chosen))[:MOST_SHOWN])


def _beside(replay: Replay, against: str | None) -> Replay | None:
    """Return the case under the formulation to show beside: the one named, or, where there is a finding, the best one."""
    conditions, cases = replay.conditions, replay.cases
    if against is not None:
        refuse_other_options((replay.formulation.name, against))
        return Replay(conditions, find_formulation(against), cases)
    if not replay.judged.findings:
        return None
    own = replay.formulation.name.partition(":")[0]
    family = (find_formulation(name) for name in reversed(families()[conditions.objective]) if name != own)
    others = (f.with_options(replay.formulation.options) for f in family)  # the better ones come first
    replays = (Replay(conditions, other, cases) for other in others if other is not None)
    return min(replays, key=lambda other: other.judged.rank(), default=None)


def _outcome(replay: Replay, shown: list[int]) -> Outcome:
    fmt, judged = replay.conditions.fmt, replay.judged
    loss, gradient = replay.computed.loss.value.reshape(-1), replay.computed.gradient.value
    ulps = (None if math.isnan(error) else error for error in (judged.loss_ulps, judged.gradient_ulps))
    loss_ulps, gradient_ulps = ulps
    return Outcome(
        replay.formulation.name,
        spell_number(float(loss[0]), fmt),
        loss_ulps,
        tuple(spell_number(float(gradient[j, 0]), fmt) for j in shown),
        gradient_ulps,
        judged.findings,
    )


def _find_truth(conditions: Conditions, cases: Cases) -> tuple[str, list[str]]:
    """Return loss and gradient in ball arithmetic, as decimals."""
    ball = enclose(exact_case(conditions, cases, 0))
    loss = "inf" if ball.loss is None else spell_exact(Exact(ball.loss))
    return loss, [spell_exact(Exact(entry)) for entry in ball.gradient]
