"""The operations of a replayed case: their names, their entries, which of these made an error and which carried one on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy.typing as npt

from cestab.commands.explain.answer import Entry, Operation
from cestab.commands.explain.causes import Step, find_incident, is_origin, measure_ulps
from cestab.commands.explain.numbers import show_exact, show_number
from cestab.commands.explain.replay import Replay
from cestab.numerics.exact_numbers import Exact, to_exact_list
from cestab.numerics.operations import PICK, SOFTMAX_GRADIENT, SUBTRACT_TARGET
from cestab.numerics.tape import ALIAS, Array
from cestab.numerics.target import IndexTarget

Place = int | None  # a class, or None where a result is one number


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The operations of a replayed case under their names: z, y, v1, v2, … forward and g1, g2, … backward."""

    replay: Replay
    _entries: dict[tuple[int, Place], Step] = field(default_factory=dict)
    _origins: dict[int, list[Place]] = field(default_factory=dict)

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
        return f"{float(array.value):.7g}" if array.value.ndim == 0 else array.operation.template

    def formula(self, index: int) -> tuple[str, str]:
        """Return a step's name and its expression."""
        step = self.replay.computed.tape.steps[index]
        return self.name(step), step.operation.template.format(*(self.name(parent) for parent in step.parents))

    def operation(self, index: int, shown: list[int]) -> Operation:
        """Return a step with the entries of the classes that are shown."""
        places = self.places(index)
        classes = places if places == (None,) else [place for place in shown if place < len(places)]
        entries = tuple(self._show(index, place) for place in classes)
        name, expression = self.formula(index)
        return Operation(name=name, expression=expression, is_backward=index not in self._forward, entries=entries)

    def places(self, index: int) -> Sequence[Place]:
        """Return the classes of a step's result; None alone where it is one number."""
        value = self.replay.computed.tape.steps[index].value
        return range(len(value)) if value.ndim == 2 and len(value) > 1 else (None,)

    def entry(self, index: int, place: Place) -> Step:
        """Return one entry of a step, with its numbers and errors."""
        step = self._entries.get((index, place))
        if step is None:
            step = self._entries[index, place] = self._make_step(index, place)
        return step

    def _make_step(self, index: int, place: Place) -> Step:
        replay, step = self.replay, self.replay.computed.tape.steps[index]
        fmt = replay.conditions.fmt if step.operation.is_conversion else replay.conditions.compute
        computed = float(_at(step.value, place))
        exact, local = _at(replay.exact.tape.steps[index].value, place), _at(replay.local.tape.results[index], place)
        error = measure_ulps(computed, exact, fmt)
        is_right = local.ball is None and all(_is_equal(*pair) for pair in self._pairs(index, place))
        return Step(
            operation=step.operation,
            operands=list(self._operands(step, place)),
            has_right_operands=is_right,
            computed=computed,
            local=local,
            exact=exact,
            error_ulps=error,
            fmt=fmt,
        )

    def origins(self, index: int) -> list[Place]:
        """Return the entries whose error comes at least as much from this step as from its operands."""
        origins = self._origins.get(index)
        if origins is None:
            origins = self._origins[index] = [
                place for place in self._find_suspects(index) if is_origin(self.entry(index, place))
            ]
        return origins

    def _find_suspects(self, index: int) -> Iterator[Place]:
        """Yield the entries that may be origins: a cheap test, since there may be many classes."""
        replay, step = self.replay, self.replay.computed.tape.steps[index]
        computed: list[float] = step.value.reshape(-1).tolist()
        exact, local = (
            to_exact_list(values) for values in (replay.exact.tape.steps[index].value, replay.local.tape.results[index])
        )
        is_decided = step.operation.is_guard
        for place, value, unrounded, right in zip(self.places(index), computed, local, exact, strict=True):
            if is_decided or not math.isfinite(value) or unrounded.ball is None or right.ball is None:
                if not _is_equal(value, right) or math.isnan(value):
                    yield place
            elif unrounded.ball != value and abs(unrounded.ball - right.ball) <= abs(unrounded.ball - value):
                yield place

    def error(self, index: int, place: Place) -> float:
        """Return the size of an entry's error; infinity where a number is not finite, 0 where its exact value is unknown."""
        step = self.entry(index, place)
        if not step.exact.is_known:
            return 0.0
        if _is_equal(step.computed, step.exact):
            return 0.0
        if step.exact.ball is None or not math.isfinite(step.computed):
            return math.inf
        return max(float(abs(step.exact.ball - step.computed)), math.ulp(0.0))  # not 0 where it is below any float

    def relative_error(self, index: int, place: Place) -> float:
        """Return an entry's error divided by its exact value, which may be far below any float."""
        error, exact = self.error(index, place), self.entry(index, place).exact
        if exact.ball is None or not 0 < error < math.inf:
            return error
        return math.inf if exact.is_zero() else float(abs((exact.ball - self.entry(index, place).computed) / exact.ball))

    def sources(self, index: int, place: Place) -> Iterator[tuple[int, Place]]:
        """Yield the entries of earlier steps that an entry is made of."""
        tape, target = self.replay.computed.tape, self.replay.cases.target
        mixes = tape.steps[index].operation == SOFTMAX_GRADIENT
        for source in tape.sources(index):
            places = self.places(source)
            if place in places and not mixes:
                yield source, place
            elif tape.steps[index].operation == PICK and isinstance(target, IndexTarget):
                yield source, int(target.index[0])
            else:
                yield from ((source, other) for other in places)

    def _pairs(self, index: int, place: Place) -> Iterator[tuple[float, Exact]]:
        """Yield the computed operands of an entry with the exact ones; inputs and constants are right."""
        replay = self.replay
        for parent, exact in zip(
            replay.computed.tape.steps[index].parents, replay.exact.tape.steps[index].parents, strict=True
        ):
            if parent.parents and parent.value.ndim == 2 and place is None:
                yield from zip(parent.value[:, 0].tolist(), exact.value[:, 0], strict=True)
            elif parent.parents:
                yield float(_at(parent.value, place)), _at(exact.value, place)

    def _operands(self, step: Array, place: Place) -> Iterator[float]:
        for parent in step.parents:
            if parent.value.ndim == 2 and place is None:
                yield from (float(value) for value in parent.value[:, 0])
            else:
                yield float(_at(parent.value, place))
        target = self.replay.cases.target
        if step.operation == SUBTRACT_TARGET and isinstance(target, IndexTarget) and place == target.index[0]:
            yield 1.0

    def _show(self, index: int, place: Place) -> Entry:
        step = self.entry(index, place)
        ulps = None if math.isnan(step.error_ulps) else step.error_ulps
        number = show_number(step.computed, step.fmt)
        cause, words = find_incident(step)
        return Entry(
            index=place, computed=number, exact=show_exact(step.exact, step.computed), ulps=ulps, cause=cause, words=words
        )


def _at(values: npt.NDArray[Any], place: Place) -> Any:
    """Return one entry of (classes, 1), (1,) or () values."""
    flat = values.reshape(-1)
    return flat[place if place is not None and flat.size > 1 else 0]


def _is_equal(computed: float, exact: Exact) -> bool:
    """Whether a number is right; NaN is right where the exact computation also gives it."""
    if exact.ball is not None:
        return bool(exact.ball.mid() == computed)
    return exact.special == computed or (exact.is_nan and math.isnan(computed))
