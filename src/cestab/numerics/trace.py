"""A tape that keeps every primitive, also of the backward pass, and can replace computed results by given ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from cestab.numerics.exact_numbers import ExactArithmetic, to_exact_array
from cestab.numerics.rounding import FloatArray
from cestab.numerics.tape import ALIAS, Array, Primitive, Tape, VectorJacobianProduct


@dataclass(eq=False, kw_only=True)
class TracingTape(Tape):
    """`steps` are all primitives in order; `results[i]` is what step i gave before `replaced[i]` took its place."""

    replaced: Mapping[int, FloatArray] = field(default_factory=dict)
    steps: list[Array] = field(default_factory=list)
    results: list[FloatArray] = field(default_factory=list)
    _places: dict[int, int] = field(default_factory=dict)  # index of each step, by the id of its array

    def variable(self, value: FloatArray, name: str) -> Array:
        return super().variable(self._normalize(value), name)

    def record(
        self,
        operation: Primitive | str,
        value: FloatArray,
        parents: tuple[Array, ...],
        pull_back: VectorJacobianProduct | None = None,
    ) -> Array:
        self.results.append(self._normalize(np.asarray(value)))
        kept = self.replaced.get(len(self.steps), self.results[-1])
        result = super().record(operation, self._normalize(kept), parents, pull_back)
        self._places[id(result)] = len(self.steps)
        self.steps.append(result)
        return result

    def _normalize(self, value: FloatArray) -> FloatArray:
        """Return objects, and all numbers of an exact computation, as Exact."""
        is_exact = value.dtype == object or isinstance(self.arithmetic, ExactArithmetic)
        return to_exact_array(value) if is_exact else value

    def sources(self, index: int) -> Iterator[int]:
        """Yield the indices of the steps that a step is made of, looking through those that only rename a value."""
        for parent in self.steps[index].parents:
            array = parent
            while array.operation == ALIAS:
                array = array.parents[0]
            if id(array) in self._places:
                yield self._places[id(array)]

    def ancestors(self, *values: Array) -> set[int]:
        """Return the indices of the steps that the values depend on, including the steps that gave them."""
        indices: set[int] = set()
        waiting = list(values)
        while waiting:
            array = waiting.pop()
            index = self._places.get(id(array))
            if index is not None and index in indices:
                continue
            if index is not None:
                indices.add(index)
            waiting.extend(array.parents)
        return indices
