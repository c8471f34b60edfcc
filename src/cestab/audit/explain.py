"""Explain one case: every operation with its exact value, the root cause of its finding, another formulation beside it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx

from cestab.audit.assemble import make_setting
from cestab.audit.environment import describe_environment, version
from cestab.audit.evaluate import Cases, Conditions, case_weights
from cestab.audit.incidents import Step, find_incident, is_origin, measure_ulps
from cestab.audit.replay import Replay, find_precision
from cestab.formulations import families, find_formulation
from cestab.numerics.ball import ExactCase, enclose
from cestab.numerics.exact import Exact
from cestab.numerics.formats import Format
from cestab.numerics.rounding import hexadecimal, shortest_decimal
from cestab.numerics.tape import ALIAS, Array
from cestab.numerics.target import IndexTarget, first_maximum
from cestab.results import Cause, Entry, Explanation, Number, Operation, Outcome, RootCause

MOST_SHOWN = 5
EXACT_DIGITS, MOST_DIGITS = 10, 40
_SEVEREST_FIRST = tuple(Cause)


def explain_case(conditions: Conditions, name: str, cases: Cases, source: str, against: str | None) -> Explanation:
    """Explain the single case; `against` names the formulation to show beside it, None for the best of the family."""
    with ctx.workprec(find_precision(conditions, cases)):
        return _explain(Replay(conditions, find_formulation(name), cases), source, against)


def _explain(replay: Replay, source: str, against: str | None) -> Explanation:
    conditions, cases = replay.conditions, replay.cases
    steps = Steps(replay)
    root_step, root_cause = _find_root(replay, steps)
    shown = _choose_classes(replay, steps, root_step)
    other = _beside(replay, against)
    true_loss, true_gradient = _find_truth(conditions, cases)
    target, fmt = cases.target, conditions.fmt
    weights = case_weights(target, 0, len(cases.logits))
    return Explanation(
        version(),
        describe_environment(),
        make_setting(conditions, replay.formulation.name),
        conditions.rtol,
        conditions.atol,
        conditions.fp8_overflow,
        conditions.flush,
        source,
        tuple(shown),
        tuple(_number(float(cases.logits[j, 0]), fmt) for j in shown),
        int(target.index[0]) if isinstance(target, IndexTarget) else tuple(weights[j] for j in shown),
        tuple(steps.operation(index, shown) for index in replay.steps()),
        _outcome(replay, shown),
        root_cause,
        true_loss,
        tuple(true_gradient[j] for j in shown),
        None if other is None else _outcome(other, shown),
    )


@dataclass(frozen=True)
class Steps:
    """The operations of a replayed case under their names: z, y, v1, v2, … forward and g1, g2, … backward."""

    replay: Replay

    @cached_property
    def _names(self) -> dict[int, str]:
        tape, forward = self.replay.computed.tape, self._forward
        counts = {"v": 0, "g": 0}
        names = {}
        for index in self.replay.steps():
            letter = "v" if index in forward else "g"
            counts[letter] += 1
            names[id(tape.steps[index])] = f"{letter}{counts[letter]}"
        return names

    @cached_property
    def _forward(self) -> set[int]:
        return self.replay.computed.tape.ancestors(self.replay.computed.loss)

    def name(self, array: Array) -> str:
        """Return the name of a value; constants are numbers."""
        if array.operation == ALIAS:
            return self.name(array.parents[0])
        if array.parents:
            return self._names[id(array)]
        return f"{float(array.value):.7g}" if array.value.ndim == 0 else array.operation

    def formula(self, index: int) -> tuple[str, str]:
        """Return a step's name and its expression."""
        step = self.replay.computed.tape.steps[index]
        return self.name(step), step.operation.format(*(self.name(parent) for parent in step.parents))

    def operation(self, index: int, shown: list[int]) -> Operation:
        """Return a step with the entries of the classes that are shown."""
        classes = [place for place in self.places(index) if place is None or place in shown]
        entries = tuple(self._entry(index, place) for place in classes)
        return Operation(*self.formula(index), is_backward=index not in self._forward, entries=entries)

    def places(self, index: int) -> list[int | None]:
        """Return the classes of a step's result; None alone where it is one number."""
        value = self.replay.computed.tape.steps[index].value
        return list(range(len(value))) if value.ndim == 2 and len(value) > 1 else [None]

    def entry(self, index: int, place: int | None) -> Step:
        """Return one entry of a step with all that is known about it."""
        replay, step = self.replay, self.replay.computed.tape.steps[index]
        fmt = replay.conditions.fmt if " in " in step.operation else replay.conditions.compute
        computed = float(_at(step.value, place))
        exact, local = _at(replay.exact.tape.steps[index].value, place), _at(replay.local.tape.own[index], place)
        error = measure_ulps(computed, exact, fmt)
        return Step(step.operation, list(self._operands(step, place)), computed, local, exact, error, fmt)

    def worst_place(self, index: int) -> int | None:
        """Return the entry of a step with the severest incident, of equal ones that of largest error, then the first.

        Among the lost ones where there are any.
        """

        def severity(place: int | None) -> tuple[int, float]:
            step = self.entry(index, place)
            cause, _ = find_incident(step)
            error = 0.0 if math.isnan(step.error_ulps) else -step.error_ulps
            return len(_SEVEREST_FIRST) if cause is None else _SEVEREST_FIRST.index(cause), error

        lost = set(self.replay.find_lost(index))
        return min((place for place in self.places(index) if not lost or place is None or place in lost), key=severity)

    def is_origin(self, index: int) -> bool:
        """Whether a step made the error of some entry, or most of it, rather than carried it on."""
        return any(is_origin(self.entry(index, place)) for place in self.places(index))

    def first_loss(self, own: list[int]) -> int:
        """Return the first of the steps whose result is not finite, or 0, and should not be; the last if there is none.

        Where the end of them is lost, it is sought among those that it was lost through: a harmless underflow is not named.
        """
        lost = [index for index in own if self.replay.find_lost(index)]
        if own[-1] not in lost:
            return self._trace_back(lost[0] if lost else own[-1])
        found, waiting = {own[-1]}, [own[-1]]
        while waiting:
            index = waiting.pop()
            if not self.is_origin(index):
                sources = self._find_worst(self.replay.computed.tape.sources(index) & set(lost)) - found
                found |= sources
                waiting += sources
        return self._trace_back(min(found))

    def _find_worst(self, indices: set[int]) -> set[int]:
        """Return the steps of largest error: a zero that should be 1e-100 does no harm beside an infinity."""
        if len(indices) < 2:
            return indices  # to measure many classes takes long
        errors = {index: self._measure(index, None) for index in indices}
        return {index for index, error in errors.items() if error == max(errors.values())}

    def _trace_back(self, index: int, place: int | None = None) -> int:
        """Return the step itself, or, if it did nothing but carry an error on, the one that brought the largest in."""
        place = place if place in self.places(index) else self.worst_place(index)
        cause, _ = find_incident(self.entry(index, place))
        sources = self.replay.computed.tape.sources(index)
        if cause is not None or not sources:
            return index
        return self._trace_back(max(sources, key=lambda source: self._measure(source, place)), place)

    def _measure(self, index: int, place: int | None) -> float:
        """Return the error of a step's entry, the worst if it has no such one, in ulps."""
        own = place if place in self.places(index) else self.worst_place(index)
        error = self.entry(index, own).error_ulps
        return math.inf if math.isnan(error) else error

    def _operands(self, step: Array, place: int | None) -> Iterator[float]:
        for parent in step.parents:
            if parent.value.ndim == 2 and place is None:
                yield from (float(value) for value in parent.value[:, 0])
            else:
                yield float(_at(parent.value, place))
        target = self.replay.cases.target
        if step.operation == "{} − 1 at the target" and isinstance(target, IndexTarget) and place == target.index[0]:
            yield 1.0

    def _entry(self, index: int, place: int | None) -> Entry:
        step = self.entry(index, place)
        ulps = None if math.isnan(step.error_ulps) else step.error_ulps
        return Entry(
            place, _number(step.computed, step.fmt), spell_exact(step.exact, step.computed), ulps, *find_incident(step)
        )


def _at(values: npt.NDArray[Any], place: int | None) -> Any:
    """Return one entry of (classes, 1), (1,) or () values."""
    flat = values.reshape(-1)
    return flat[place if place is not None and flat.size > 1 else 0]


def _find_root(replay: Replay, steps: Steps) -> tuple[int | None, RootCause | None]:
    """Return the step that brought the worst finding about, and what there is to say about it."""
    finding = replay.judged.worst()
    if finding is None:
        return None, None
    own = replay.steps(finding)
    sole = next((i for i in own if steps.is_origin(i) and replay.with_exact(i).has_lost(finding)), None)
    index = steps.first_loss(own) if sole is None else sole
    place = steps.worst_place(index)
    step = steps.entry(index, place)
    cause, words = find_incident(step)
    if cause is None:
        is_lost = step.computed == 0 and step.exact != 0
        cause, words = (Cause.UNDERFLOW, "underflow of an operand") if is_lost else (Cause.ROUNDING, "rounding")
    formula = " = ".join(steps.formula(index))
    seen = f"{_number(step.computed, step.fmt).decimal} instead of {spell_exact(step.exact, step.computed)}"
    happened = words or cause
    effect = f"with its exact result alone there is no {finding.label}"
    if sole is None:
        role = "the first result that is lost" if replay.find_lost(index) else "one of several errors"
        effect = f"{role}; no exact result alone removes the {finding.label}"
    where = "" if place is None else f" for class {place}"
    sentence = f"{formula} is {seen}{where}: {happened}; {effect}"
    return index, RootCause(finding, formula, cause, sentence, sole is not None)


def _choose_classes(replay: Replay, steps: Steps, root_step: int | None) -> list[int]:
    """Return the classes that are shown: the target, the first maximum, the root cause's, and those furthest off."""
    classes = len(replay.cases.logits)
    if classes <= MOST_SHOWN:
        return list(range(classes))
    weights = np.array(case_weights(replay.cases.target, 0, classes))
    chosen = [int(np.argmax(weights)), int(first_maximum(replay.cases.logits).index[0])]
    if root_step is not None:
        place = steps.worst_place(root_step)
        chosen += [] if place is None else [place]
    gradient, truth = replay.computed.gradient.value[:, 0].astype(np.float64), replay.truth.gradient[:, 0]
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(gradient - truth), nan=np.inf)
    chosen += np.argsort(-error, kind="stable")[:MOST_SHOWN].tolist()
    return sorted(list(dict.fromkeys(chosen))[:MOST_SHOWN])


def _beside(replay: Replay, against: str | None) -> Replay | None:
    """Return the case under the formulation to show beside: the one named, or, where there is a finding, the best one."""
    conditions, cases = replay.conditions, replay.cases
    if against is not None:
        return Replay(conditions, find_formulation(against), cases)
    if not replay.judged.findings:
        return None
    own = replay.formulation.name.partition(":")[0]
    names = [name for name in reversed(families()[conditions.objective]) if name != own]  # the better ones come later
    return min((Replay(conditions, find_formulation(name), cases) for name in names), key=lambda other: other.judged.rank())


def _outcome(replay: Replay, shown: list[int]) -> Outcome:
    fmt, judged = replay.conditions.fmt, replay.judged
    loss, gradient = replay.computed.loss.value.reshape(-1), replay.computed.gradient.value
    ulps = (None if math.isnan(error) else error for error in (judged.loss_ulps, judged.gradient_ulps))
    loss_ulps, gradient_ulps = ulps
    return Outcome(
        replay.formulation.name,
        _number(float(loss[0]), fmt),
        loss_ulps,
        tuple(_number(float(gradient[j, 0]), fmt) for j in shown),
        gradient_ulps,
        judged.findings,
    )


def _find_truth(conditions: Conditions, cases: Cases) -> tuple[str, list[str]]:
    """Return loss and gradient in ball arithmetic, as decimals."""
    weights = case_weights(cases.target, 0, len(cases.logits))
    case = ExactCase(conditions.objective, cases.logits[:, 0].tolist(), weights, conditions.upstream)
    ball = enclose(case)
    loss = "inf" if ball.loss is None else spell_exact(Exact(ball.loss), math.nan)
    return loss, [spell_exact(Exact(entry), math.nan) for entry in ball.gradient]


def _number(value: float, fmt: Format) -> Number:
    """Return a number of the format in the forms in which it is printed."""
    if not math.isfinite(value):
        return Number(value, repr(value), repr(value))
    return Number(value, shortest_decimal(value, fmt), hexadecimal(value))


def spell_exact(x: Exact, computed: float) -> str:
    """Return an exact number in ten digits, or as many as tell it from the computed one.

    Numbers far beyond any format are told by their power of ten alone.
    """
    if x.ball is None:
        return repr(x.special)
    if x.is_zero():
        return "0"
    if abs(x.exponent()) > 30_000:
        power = float(arb(x.exponent()) * arb(2).log() / arb(10).log())  # the exponent itself may be beyond a float
        return f"{'-' if x.sign() < 0 else ''}10^{power:.6g}"
    text: str = x.ball.mid().str(_digits_to_tell(x, computed), radius=False)
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}{e}{exponent}"


def _digits_to_tell(x: Exact, computed: float) -> int:
    gap = x - computed
    if not gap.is_finite or gap.is_zero():
        return EXACT_DIGITS
    return min(MOST_DIGITS, max(EXACT_DIGITS, 3 + round((x.exponent() - gap.exponent()) * math.log10(2))))
