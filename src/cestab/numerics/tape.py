"""The tape: an array type whose every primitive rounds and records itself, and its reverse mode.

Derivative rules are those of PyTorch's eager autograd (tools/autograd/derivatives.yaml), written in the same primitives
and so rounded step by step. A gradient that a formulation writes out itself (fused) uses no reverse mode.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.rounding import FloatArray

# (gradient of the result, the result) → gradients of the parents, None where none flows
VectorJacobianProduct = Callable[["Array", "Array"], tuple["Array | None", ...]]


class Primitive(NamedTuple):
    """What was done: in words, with a pair of braces for every parent, e.g. `exp({})`, or an input's name.

    `is_sum`: it adds or subtracts. `is_guard`: it changes numbers on purpose: a clip, its derivative, an epsilon. `is_clip`: it
    holds its operand between bounds. `adds_rows`: it reduces the rows of a batch. `is_conversion`: it rounds to the dtype.
    """

    template: str
    is_sum: bool = False
    is_guard: bool = False
    is_clip: bool = False
    adds_rows: bool = False
    is_conversion: bool = False


ALIAS = Primitive("{}")
ADD, SUBTRACT, SUM = (Primitive(template, is_sum=True) for template in ("{} + {}", "{} − {}", "Σ {}"))
MULTIPLY, DIVIDE = Primitive("{}·{}"), Primitive("{} / {}")


@dataclass(eq=False, slots=True, kw_only=True)
class Array:
    """A value on a tape: (classes, cases) or (cases,) numbers of the compute format.

    `pull_back` turns the gradient of the result into those of `parents`; None where no gradient flows.
    """

    value: FloatArray
    tape: "Tape"
    operation: Primitive
    parents: tuple["Array", ...] = ()
    pull_back: VectorJacobianProduct | None = None

    def __add__(self, other: "Array | float") -> "Array":
        return add(self, other)

    def __radd__(self, other: float) -> "Array":
        return add(self, other)

    def __sub__(self, other: "Array | float") -> "Array":
        return subtract(self, other)

    def __rsub__(self, other: float) -> "Array":
        return subtract(self.tape.constant(other), self)

    def __mul__(self, other: "Array | float") -> "Array":
        return multiply(self, other)

    def __rmul__(self, other: float) -> "Array":
        return multiply(self, other)

    def __truediv__(self, other: "Array | float") -> "Array":
        return divide(self, other)

    def __rtruediv__(self, other: float) -> "Array":
        return divide(self.tape.constant(other), self)

    def __neg__(self) -> "Array":
        return self.tape.record("−{}", -self.value, (self,), lambda g, _: (-g,))

    def __abs__(self) -> "Array":
        return self.tape.record("|{}|", np.abs(self.value), (self,), lambda g, _: (_times_sign(g, self),))


@dataclass(eq=False, kw_only=True)
class Tape:
    """The primitives of one evaluation, in order, except those of the backward pass."""

    arithmetic: Arithmetic
    records: list[Array] = field(default_factory=list)
    is_backward: bool = False

    def variable(self, value: FloatArray, name: str) -> Array:
        """Return the value as an input of the tape."""
        return Array(value=value, tape=self, operation=Primitive(name))

    def constant(self, value: "Array | float") -> Array:
        """Return a Python number as an Array, rounded to the compute format; an Array as it is."""
        return (
            value
            if isinstance(value, Array)
            else Array(value=self.arithmetic.constant(value), tape=self, operation=Primitive(repr(value)))
        )

    def record(
        self,
        operation: Primitive | str,
        value: FloatArray,
        parents: tuple[Array, ...],
        pull_back: VectorJacobianProduct | None = None,
    ) -> Array:
        """Put an exact primitive's result on the tape; those of the backward pass are not differentiated again.

        A text is a primitive that has these words and no flags.
        """
        operation = Primitive(operation) if isinstance(operation, str) else operation
        result = Array(value=value, tape=self, operation=operation, parents=parents, pull_back=pull_back)
        if not self.is_backward:
            self.records.append(result)
        return result

    def rounded(
        self,
        operation: Primitive | str,
        value: FloatArray,
        parents: tuple[Array, ...],
        pull_back: VectorJacobianProduct | None = None,
    ) -> Array:
        """Put a primitive's result on the tape, rounded to the compute format."""
        return self.record(operation, self.arithmetic.round(value), parents, pull_back)

    def gradient(self, loss: Array, variable: Array, upstream: Array) -> Array:
        """Return upstream·∂loss/∂variable by the chain rule, contributions added as they arrive, last first."""
        self.is_backward = True
        gradients = {id(loss): _broadcast(upstream, loss)}
        for result in reversed(self.records):
            incoming = gradients.pop(id(result), None)
            if incoming is None or result.pull_back is None:
                continue
            for parent, outgoing in zip(result.parents, result.pull_back(incoming, result), strict=True):
                if outgoing is None:
                    continue
                share = _reduce_to(parent, outgoing)
                earlier = gradients.get(id(parent))
                gradients[id(parent)] = share if earlier is None else earlier + share
        self.is_backward = False
        return gradients.get(id(variable), self.variable(np.zeros_like(variable.value), "0"))


def _broadcast(a: Array, like: Array) -> Array:
    """Repeat a value over the classes, or one number over classes and cases."""
    return a.tape.record(ALIAS, np.broadcast_to(a.value, like.value.shape), (a,))


def _reduce_to(parent: Array, gradient: Array) -> Array:
    """Sum a gradient over the classes to which the parent was broadcast."""
    return gradient if parent.value.ndim in (0, gradient.value.ndim) else sum_over_classes(gradient)


def _times_sign(g: Array, a: Array) -> Array:
    sign = 1.0 * (a.value > 0) - (a.value < 0)
    return g.tape.record("{}·sign({})", g.value * sign.astype(g.value.dtype), (g, a))


def add(a: Array, b: Array | float) -> Array:
    """a + b."""
    b = a.tape.constant(b)
    return a.tape.rounded(ADD, a.value + b.value, (a, b), lambda g, _: (g, g))


def subtract(a: Array, b: Array | float) -> Array:
    """a − b."""
    b = a.tape.constant(b)
    return a.tape.rounded(SUBTRACT, a.value - b.value, (a, b), lambda g, _: (g, -g))


def multiply(a: Array, b: Array | float) -> Array:
    """a·b."""
    b = a.tape.constant(b)
    return a.tape.rounded(MULTIPLY, a.value * b.value, (a, b), lambda g, _: (g * b, g * a))


def divide(a: Array, b: Array | float) -> Array:
    """a/b; ∂b is −g·((a/b)/b), a/b as rounded."""
    b = a.tape.constant(b)
    return a.tape.rounded(DIVIDE, a.value / b.value, (a, b), lambda g, r: (g / b, -g * (r / b)))


def sum_over_classes(v: Array) -> Array:
    """Σ_j v_j in the setting's summation order, (classes, cases) → (cases,)."""
    return v.tape.record(SUM, v.tape.arithmetic.sum(v.value), (v,), lambda g, _: (_broadcast(g, v),))
