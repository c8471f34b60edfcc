"""The tape: an array type whose every primitive rounds and records itself, and its reverse mode.

Derivative rules are those of PyTorch's eager autograd (tools/autograd/derivatives.yaml), rounded step by step.
A gradient that a formulation writes out itself (fused) uses the same primitives forward and no reverse mode.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cestab.numerics.arithmetic import Arithmetic, sum_pairwise
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import DenseTarget, IndexTarget, Target

VectorJacobianProduct = Callable[[FloatArray], tuple[FloatArray, ...]]


@dataclass(eq=False, slots=True)
class Array:
    """A value on a tape: (classes, cases) or (cases,) numbers of the compute format.

    `pull_back` turns the gradient of the result into those of `parents`; None for inputs and for primitives
    through which no gradient flows.
    """

    value: FloatArray
    tape: "Tape"
    operation: str = "input"
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
        return self.tape.record("neg", -self.value, (self,), lambda g: (-g,))

    def __abs__(self) -> "Array":
        return self.tape.record(
            "abs", np.abs(self.value), (self,), lambda g: (g * (1.0 * (self.value > 0) - (self.value < 0)).astype(g.dtype),)
        )


@dataclass(eq=False)
class Tape:
    """Every primitive of one evaluation, in order."""

    arithmetic: Arithmetic
    records: list[Array] = field(default_factory=list)

    def variable(self, value: FloatArray) -> Array:
        """Return the value as an input of the tape."""
        return Array(value, self)

    def constant(self, value: "Array | float") -> Array:
        """Return a Python number as an Array, rounded to the compute format; an Array as it is."""
        return value if isinstance(value, Array) else Array(self.arithmetic.constant(value), self)

    def record(
        self, operation: str, value: FloatArray, parents: tuple[Array, ...], pull_back: VectorJacobianProduct | None = None
    ) -> Array:
        """Put an exact primitive's result on the tape."""
        result = Array(value, self, operation, parents, pull_back)
        self.records.append(result)
        return result

    def rounded(
        self, operation: str, value: FloatArray, parents: tuple[Array, ...], pull_back: VectorJacobianProduct | None = None
    ) -> Array:
        """Put a primitive's result on the tape, rounded to the compute format."""
        return self.record(operation, self.arithmetic.round(value), parents, pull_back)

    def gradient(self, loss: Array, variable: Array, upstream: FloatArray) -> FloatArray:
        """Return upstream·∂loss/∂variable by the chain rule, contributions added as they arrive, last first."""
        gradients = {id(loss): np.broadcast_to(upstream, loss.value.shape).astype(loss.value.dtype)}
        for result in reversed(self.records):
            incoming = gradients.pop(id(result), None)
            if incoming is None or result.pull_back is None:
                continue
            for parent, outgoing in zip(result.parents, result.pull_back(incoming), strict=True):
                share = self._reduce_to(parent, outgoing)
                known = gradients.get(id(parent))
                gradients[id(parent)] = share if known is None else self.arithmetic.round(known + share)
        return gradients.get(id(variable), np.zeros_like(variable.value))

    def _reduce_to(self, parent: Array, gradient: FloatArray) -> FloatArray:
        """Sum a gradient over the classes to which the parent was broadcast."""
        return gradient if parent.value.ndim in (0, gradient.ndim) else self.arithmetic.sum(gradient)


def add(a: Array, b: Array | float) -> Array:
    """a + b."""
    b = a.tape.constant(b)
    return a.tape.rounded("add", a.value + b.value, (a, b), lambda g: (g, g))


def subtract(a: Array, b: Array | float) -> Array:
    """a − b."""
    b = a.tape.constant(b)
    return a.tape.rounded("sub", a.value - b.value, (a, b), lambda g: (g, -g))


def multiply(a: Array, b: Array | float) -> Array:
    """a·b."""
    b, rnd = a.tape.constant(b), a.tape.arithmetic.round
    return a.tape.rounded("mul", a.value * b.value, (a, b), lambda g: (rnd(g * b.value), rnd(g * a.value)))


def divide(a: Array, b: Array | float) -> Array:
    """a/b; ∂b is −g·((a/b)/b), a/b as rounded."""
    b, rnd = a.tape.constant(b), a.tape.arithmetic.round
    quotient = rnd(a.value / b.value)
    return a.tape.record("div", quotient, (a, b), lambda g: (rnd(g / b.value), rnd(-g * rnd(quotient / b.value))))


def exp(a: Array) -> Array:
    """exp a; its derivative is g·r, r as rounded."""
    rnd = a.tape.arithmetic.round
    result = rnd(np.exp(a.value))
    return a.tape.record("exp", result, (a,), lambda g: (rnd(g * result),))


def expm1(a: Array) -> Array:
    """exp a − 1; its derivative is g·(r + 1), r as rounded."""
    rnd = a.tape.arithmetic.round
    result = rnd(np.expm1(a.value))
    return a.tape.record("expm1", result, (a,), lambda g: (rnd(g * rnd(result + 1)),))


def log(a: Array) -> Array:
    """log a; −inf at 0, NaN below; its derivative is g/a, so 0/0 is NaN where no gradient arrives."""
    rnd = a.tape.arithmetic.round
    return a.tape.rounded("log", np.log(a.value), (a,), lambda g: (rnd(g / a.value),))


def log1p(a: Array) -> Array:
    """log(1 + a); its derivative is g/(a + 1)."""
    rnd = a.tape.arithmetic.round
    return a.tape.rounded("log1p", np.log1p(a.value), (a,), lambda g: (rnd(g / rnd(a.value + 1)),))


def reciprocal(a: Array) -> Array:
    """1/a; its derivative is −g·(r·r), r as rounded."""
    rnd = a.tape.arithmetic.round
    result = rnd(1 / a.value)
    return a.tape.record("reciprocal", result, (a,), lambda g: (rnd(-g * rnd(result * result)),))


def maximum(a: Array, b: Array | float) -> Array:
    """The larger of two; each gets half of the gradient where they are equal, both all of it where one is NaN."""
    b = a.tape.constant(b)

    def pull_back(g: FloatArray) -> tuple[FloatArray, FloatArray]:
        half = a.tape.arithmetic.round(g / 2)
        tie = a.value == b.value
        return np.where(tie, half, np.where(a.value < b.value, 0, g)), np.where(tie, half, np.where(b.value < a.value, 0, g))

    return a.tape.record("maximum", np.maximum(a.value, b.value), (a, b), pull_back)


def max_over_classes(z: Array, *, differentiable: bool = False) -> Array:
    """max_j z_j, (classes, cases) → (cases,); differentiable: equal maxima share the gradient (torch.amax)."""
    peak = np.max(z.value, axis=0)

    def pull_back(g: FloatArray) -> tuple[FloatArray]:
        is_peak = z.value == peak
        return (z.tape.arithmetic.round(np.where(is_peak, g, 0) / is_peak.sum(axis=0).astype(g.dtype)),)

    return z.tape.record("max", peak, (z,), pull_back if differentiable else None)


def sum_over_classes(v: Array) -> Array:
    """Σ_j v_j in the setting's summation order, (classes, cases) → (cases,)."""
    return v.tape.record("sum", v.tape.arithmetic.sum(v.value), (v,), lambda g: (np.broadcast_to(g, v.value.shape),))


def clip(a: Array, low: float, high: float, *, closed: bool = False) -> Array:
    """min(max(a, low), high); the gradient passes strictly inside the bounds (closed: on them, too)."""
    bottom, top = a.tape.arithmetic.constant(low), a.tape.arithmetic.constant(high)

    def pull_back(g: FloatArray) -> tuple[FloatArray]:
        inside = (a.value >= bottom) & (a.value <= top) if closed else (a.value > bottom) & (a.value < top)
        return (np.where(inside, g, 0).astype(g.dtype),)

    return a.tape.record("clip", np.minimum(np.maximum(a.value, bottom), top), (a,), pull_back)


def where(condition: npt.NDArray[np.bool_], a: Array | float, b: Array | float) -> Array:
    """a where the condition holds, else b; one of them is an Array."""
    tape = a.tape if isinstance(a, Array) else b.tape if isinstance(b, Array) else None
    assert tape is not None, "where of two numbers"
    a, b = tape.constant(a), tape.constant(b)
    value = np.where(condition, a.value, b.value)
    return tape.record("where", value, (a, b), lambda g: (np.where(condition, g, 0), np.where(condition, 0, g)))


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(−x)) for either sign, inside float32 (float64) and rounded once; derivative (g·(1 − s))·s."""
    rnd = x.tape.arithmetic.round
    result = rnd(1 / (1 + np.exp(-x.value)))
    return x.tape.record("sigmoid", result, (x,), lambda g: (rnd(g * (1 - result) * result),))


def softmax(z: Array) -> Array:
    """exp(z − m)/Σ exp(z − m), inside float32 (float64) and rounded once; derivative p·(g − Σ g·p)."""
    rnd = z.tape.arithmetic.round
    exponentials = np.exp(z.value - np.max(z.value, axis=0))
    p = rnd(exponentials / sum_pairwise(exponentials))
    return z.tape.record("softmax", p, (z,), lambda g: (rnd(p * (g - sum_pairwise(g * p))),))


def pick(v: Array, target: Target) -> Array:
    """The target's entry of v, (classes, cases) → (cases,); Σ y·v for a dense target (0·(−inf) is NaN there)."""
    if isinstance(target, DenseTarget):
        return sum_over_classes(v * v.tape.variable(target.weights))
    return v.tape.record("pick", target.pick(v.value), (v,), lambda g: (target.with_entry(np.zeros_like(v.value), g),))


def with_entry(v: Array, place: IndexTarget, entry: Array | float) -> Array:
    """v with one entry of every case replaced; no gradient flows through it."""
    entry = v.tape.constant(entry)
    return v.tape.record("with_entry", place.with_entry(v.value, entry.value), (v, entry))


def subtract_target(p: Array, target: Target) -> Array:
    """p − y over all classes: 1 is subtracted at an index target; no gradient flows through it."""
    if isinstance(target, DenseTarget):
        return p.tape.rounded("sub", p.value - target.weights, (p,))
    return p.tape.rounded("sub", target.with_entry(p.value, target.pick(p.value) - 1), (p,))
