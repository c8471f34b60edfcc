"""The root cause of a finding: which operation, which of its entries, and the sentence that says so.

It is the earliest operation whose errors, taken back, remove the finding. Where there is none, the search goes back from the
loss or the gradient, from an entry to those that brought the largest error into it, to where the error begins.
"""

import math
from typing import NamedTuple

from cestab.commands.explain.answer import Cause, RootCause
from cestab.commands.explain.causes import find_incident
from cestab.commands.explain.numbers import show_exact, show_number
from cestab.commands.explain.replay import Replay
from cestab.commands.explain.steps import Place, Steps
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.kinds import FindingKind

MOST_TRIED = 32  # operations, and entries of one, that are made exact to see whether the finding disappears
_SEVEREST_FIRST = tuple(Cause)
Spot = tuple[int, Place]


class Root(NamedTuple):
    """The root cause, and the class of its entry (None where the result is one number)."""

    place: Place
    cause: RootCause


def find_root(replay: Replay, steps: Steps) -> Root | None:
    """Return what caused the worst finding; None where there is none that an operation is to blame for."""
    finding = replay.judged.culpable()
    if finding is None:
        return None
    indices = replay.steps(finding)
    if finding is FindingKind.UNDERFLOWING_GRADIENT:
        return _blame_format(replay, steps, indices[-1])
    search = _Search(replay, steps, finding)
    sole = search.find_sole(indices)
    spot = sole or search.follow_back(indices[-1])
    return None if spot is None else _describe_root(steps, finding, spot, is_sole=sole is not None)


class _Search(NamedTuple):
    """The search for the operation behind one finding."""

    replay: Replay
    steps: Steps
    finding: FindingKind

    def find_sole(self, indices: list[int]) -> Spot | None:
        """Return the earliest operation whose errors, taken back, remove the finding, and the entry to name."""
        tried = indices
        if len(indices) > MOST_TRIED:
            made = [index for index in indices if self.steps.origins(index)]
            tried = sorted(sorted(made, key=self._severity)[:MOST_TRIED])
        for index in tried:
            places = self.steps.origins(index)
            if places and self._is_gone(index, places):
                return index, self._find_entry(index, places)
        return None

    def _is_gone(self, index: int, places: list[Place]) -> bool:
        return self.replay.with_exact(index, places).has_lost(self.finding)

    def _find_entry(self, index: int, places: list[Place]) -> Place:
        """Return the entry that alone removes the finding, else the target's, else that of the largest error."""
        ordered = sorted(places, key=lambda place: self._harm(index, place))
        if len(ordered) == 1:
            return ordered[0]
        return next((place for place in ordered[:MOST_TRIED] if self._is_gone(index, [place])), ordered[0])

    def _harm(self, index: int, place: Place) -> tuple[bool, float, int]:
        """Sort key: the target's entry of a loss first, then by the size of the error, then the first."""
        target = self.replay.cases.target
        is_target = self.finding.is_loss and isinstance(target, IndexTarget) and place == target.index[0]
        return not is_target, -self.steps.error(index, place), -1 if place is None else place

    def _severity(self, index: int) -> tuple[int, float]:
        """Sort key: the severest incident, then the largest error in ulps."""
        place = min(self.steps.origins(index), key=lambda origin: self._harm(index, origin))
        step = self.steps.entry(index, place)
        cause, _ = find_incident(step)
        ulps = math.inf if math.isnan(step.error_ulps) else step.error_ulps
        return len(_SEVEREST_FIRST) if cause is None else _SEVEREST_FIRST.index(cause), -ulps

    def follow_back(self, end: int) -> Spot | None:
        """Return the earliest entry at which the error in the end begins, None if the end has no error."""
        places = [place for place in self.steps.places(end) if self.steps.error(end, place) or self._is_nan(end, place)]
        if not places:
            return None
        start = (end, min(places, key=lambda place: self._harm(end, place)))
        beginnings: list[Spot] = []
        seen: set[Spot] = {start}
        waiting: list[tuple[Spot, Spot | None]] = [(start, None)]  # with the last cancellation on the way
        while waiting:
            spot, revealed_by = waiting.pop()
            cause, _ = find_incident(self.steps.entry(*spot))
            revealed_by = spot if cause is Cause.CANCELLATION else revealed_by
            worst = [] if spot[1] in self.steps.origins(spot[0]) else self._worst_sources(spot)
            if not worst:
                # a rounding did no harm before the cancellation that reveals it
                beginnings.append(revealed_by if cause is Cause.ROUNDING and revealed_by is not None else spot)
            waiting += [(source, revealed_by) for source in worst if source not in seen]
            seen.update(worst)
        return min(beginnings, key=lambda spot: (spot[0], self._harm(*spot)))

    def _is_nan(self, index: int, place: Place) -> bool:
        """Whether not even the exact computation has a number."""
        step = self.steps.entry(index, place)
        return step.exact.is_nan and step.exact.is_known

    def _worst_sources(self, spot: Spot) -> list[Spot]:
        """Return the entries that brought the largest error into another: absolute errors into a sum, else relative ones."""
        is_sum = self.replay.computed.tape.steps[spot[0]].operation.is_sum
        errors = {source: self._weight(source, is_sum=is_sum) for source in self.steps.sources(*spot)}
        largest = max(errors.values(), default=0.0)
        equal = [source for source, error in errors.items() if error == largest > 0]
        return equal if len(equal) <= MOST_TRIED else sorted(equal, key=lambda source: self._harm(*source))[:MOST_TRIED]

    def _weight(self, spot: Spot, *, is_sum: bool) -> float:
        if self._is_nan(*spot):
            return math.inf
        return self.steps.error(*spot) if is_sum else self.steps.relative_error(*spot)


def _blame_format(replay: Replay, steps: Steps, index: int) -> Root:
    """Return the last step: it underflows because the gradient is too small for the format, whatever came before."""
    place = max(steps.places(index), key=lambda candidate: steps.error(index, candidate))
    formula = " = ".join(steps.formula(index))
    effect = f"the true gradient itself rounds to 0 in {replay.conditions.fmt.name}"
    sentence = f"{formula} {_describe_value(steps, (index, place))}: underflow to 0; {effect}, a loss scale would keep it"
    return Root(
        place,
        RootCause(
            finding=FindingKind.UNDERFLOWING_GRADIENT,
            operation=formula,
            cause=Cause.UNDERFLOW,
            sentence=sentence,
            is_sole=False,
        ),
    )


def _describe_root(steps: Steps, finding: FindingKind, spot: Spot, *, is_sole: bool) -> Root:
    step = steps.entry(*spot)
    cause, words = find_incident(step)
    if cause is None:
        is_lost = step.computed == 0 and step.exact != 0
        cause, words = (Cause.UNDERFLOW, "underflow of an operand") if is_lost else (Cause.ROUNDING, "")
    formula = " = ".join(steps.formula(spot[0]))
    effect = (
        f"with its exact result alone there is no {finding.label}"
        if is_sole
        else f"the {finding.label} begins here, though no exact result alone removes it"
    )
    return Root(
        spot[1],
        RootCause(
            finding=finding,
            operation=formula,
            cause=cause,
            sentence=f"{formula} {_describe_value(steps, spot)}: {words or cause}; {effect}",
            is_sole=is_sole,
        ),
    )


def _describe_value(steps: Steps, spot: Spot) -> str:
    """Return an entry's computed value beside the exact one."""
    step = steps.entry(*spot)
    computed = show_number(step.computed, step.fmt).decimal
    exact = show_exact(step.exact, step.computed, computed)
    seen = f"{computed}, in exact arithmetic, too" if exact == computed else f"{computed} instead of {exact}"
    return f"is {seen}" if spot[1] is None else f"is {seen} for class {spot[1]}"
