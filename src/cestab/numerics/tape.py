"""The tape: an array type whose every primitive rounds and records itself, and its reverse mode.

Derivative rules are those of PyTorch's eager autograd (tools/autograd/derivatives.yaml), written in the same primitives
and so rounded step by step. A gradient that a formulation writes out itself (fused) uses no reverse mode.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cestab.numerics.arithmetic import Arithmetic, sum_pairwise
from cestab.numerics.rounding import FloatArray
from cestab.numerics.target import DenseTarget, IndexTarget, Target

# (gradient of the result, the result) → gradients of the parents, None where none flows
VectorJacobianProduct = Callable[["Array", "Array"], tuple["Array | None", ...]]
ALIAS, ADD, SUBTRACT, SUM = "{}", "{} + {}", "{} − {}", "Σ {}"
MULTIPLY, DIVIDE, LOG, LOG1P = "{}·{}", "{} / {}", "log({})", "log1p({})"
ADD_GUARD, STOPPED = "{} + eps({})", "{} where {} is not clipped"
SUBTRACT_TARGET, CONVERT = "{} − 1 at the target", "{} in "
ROWS = " rows of {}"
CLIP, PICK, SOFTMAX_GRADIENT = "clip(", "{}[target]", "{1}·({0} − Σ {0}·{1})"


@dataclass(eq=False, slots=True)
class Array:
    """A value on a tape: (classes, cases) or (cases,) numbers of the compute format.

    `operation` is its primitive with a pair of braces for every parent, e.g. `exp({})`, or an input's name. `pull_back`
    turns the gradient of the result into those of `parents`; None where no gradient flows.
    """

    value: FloatArray
    tape: "Tape"
    operation: str
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


@dataclass(eq=False)
class Tape:
    """Every primitive of one evaluation that has a derivative to be taken, in order."""

    arithmetic: Arithmetic
    records: list[Array] = field(default_factory=list)
    is_backward: bool = False

    def variable(self, value: FloatArray, name: str) -> Array:
        """Return the value as an input of the tape."""
        return Array(value, self, name)

    def constant(self, value: "Array | float") -> Array:
        """Return a Python number as an Array, rounded to the compute format; an Array as it is."""
        return value if isinstance(value, Array) else Array(self.arithmetic.constant(value), self, repr(value))

    def record(
        self, operation: str, value: FloatArray, parents: tuple[Array, ...], pull_back: VectorJacobianProduct | None = None
    ) -> Array:
        """Put an exact primitive's result on the tape; those of the backward pass are not differentiated again."""
        result = Array(value, self, operation, parents, pull_back)
        if not self.is_backward:
            self.records.append(result)
        return result

    def rounded(
        self, operation: str, value: FloatArray, parents: tuple[Array, ...], pull_back: VectorJacobianProduct | None = None
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
                known = gradients.get(id(parent))
                gradients[id(parent)] = share if known is None else known + share
        self.is_backward = False
        return gradients.get(id(variable), self.variable(np.zeros_like(variable.value), "0"))


def _broadcast(a: Array, like: Array) -> Array:
    """Repeat a value over the classes, or a number over all."""
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


def add_guard(a: Array, eps: float) -> Array:
    """a + eps, eps a guard against log 0 that the exact computation does without."""
    guard = a.tape.constant(eps if a.tape.arithmetic.has_guards else 0.0)
    return a.tape.rounded(ADD_GUARD, a.value + guard.value, (a, guard), lambda g, _: (g, g))


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


def exp(a: Array) -> Array:
    """exp a; its derivative is g·r, r as rounded."""
    return a.tape.rounded("exp({})", np.exp(a.value), (a,), lambda g, r: (g * r,))


def expm1(a: Array) -> Array:
    """exp a − 1; its derivative is g·(r + 1), r as rounded."""
    return a.tape.rounded("expm1({})", np.expm1(a.value), (a,), lambda g, r: (g * (r + 1.0),))


def log(a: Array) -> Array:
    """log a; −inf at 0, NaN below; its derivative is g/a, so 0/0 is NaN where no gradient arrives."""
    return a.tape.rounded(LOG, np.log(a.value), (a,), lambda g, _: (g / a,))


def log1p(a: Array) -> Array:
    """log(1 + a); its derivative is g/(a + 1)."""
    return a.tape.rounded(LOG1P, np.log1p(a.value), (a,), lambda g, _: (g / (a + 1.0),))


def reciprocal(a: Array) -> Array:
    """1/a; its derivative is −g·(r·r), r as rounded."""
    return a.tape.rounded("1 / {}", 1 / a.value, (a,), lambda g, r: (-g * (r * r),))


def maximum(a: Array, b: Array | float) -> Array:
    """The larger of two; each gets half of the gradient where they are equal, both all of it where one is NaN."""
    b = a.tape.constant(b)

    def pull_back(g: Array, _: Array) -> tuple[Array, Array]:
        half, tie = g / 2.0, a.value == b.value
        return where(tie, half, where(a.value < b.value, 0.0, g)), where(tie, half, where(b.value < a.value, 0.0, g))

    return a.tape.record("max({}, {})", np.maximum(a.value, b.value), (a, b), pull_back)


def max_over_classes(z: Array, *, differentiable: bool = False) -> Array:
    """max_j z_j, (classes, cases) → (cases,); differentiable: equal maxima share the gradient (torch.amax)."""
    peak = np.max(z.value, axis=0)

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        is_peak = z.value == peak
        share = np.where(is_peak, g.value, 0) / is_peak.sum(axis=0).astype(g.value.dtype)
        return (g.tape.rounded("{} shared by the maxima of {}", share, (g, z)),)

    return z.tape.record("max {}", peak, (z,), pull_back if differentiable else None)


def sum_over_classes(v: Array) -> Array:
    """Σ_j v_j in the setting's summation order, (classes, cases) → (cases,)."""
    return v.tape.record(SUM, v.tape.arithmetic.sum(v.value), (v,), lambda g, _: (_broadcast(g, v),))


def clip(a: Array, low: float, high: float, *, closed: bool = False) -> Array:
    """min(max(a, low), high); the gradient passes strictly inside the bounds (closed: on them, too).

    A guard: the exact computation does without it.
    """
    tape = a.tape
    bottom, top = tape.arithmetic.constant(low), tape.arithmetic.constant(high)
    if not tape.arithmetic.has_guards:
        bottom, top = tape.arithmetic.constant(-np.inf), tape.arithmetic.constant(np.inf)

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        inside = (a.value >= bottom) & (a.value <= top) if closed else (a.value > bottom) & (a.value < top)
        return (tape.record(STOPPED, np.where(inside, g.value, 0).astype(g.value.dtype), (g, a)),)

    clipped = np.minimum(np.maximum(a.value, bottom), top)
    return tape.record(f"{CLIP}{{}}, {low:.7g}, {high:.7g})", clipped, (a,), pull_back)


def where(condition: npt.NDArray[np.bool_], a: Array | float, b: Array | float) -> Array:
    """a where the condition holds, else b; one of them is an Array."""
    tape = a.tape if isinstance(a, Array) else b.tape if isinstance(b, Array) else None
    assert tape is not None, "where of two numbers"
    a, b = tape.constant(a), tape.constant(b)
    value = np.where(condition, a.value, b.value)
    return tape.record("{} or {}", value, (a, b), lambda g, _: (where(condition, g, 0.0), where(condition, 0.0, g)))


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(−x)) for either sign, inside float32 (float64) and rounded once; derivative (g·(1 − s))·s, too."""

    def pull_back(g: Array, s: Array) -> tuple[Array]:
        return (g.tape.rounded("({0}·(1 − {1}))·{1}", g.value * (1 - s.value) * s.value, (g, s)),)

    return x.tape.rounded("sigmoid({})", 1 / (1 + np.exp(-x.value)), (x,), pull_back)


def softmax(z: Array) -> Array:
    """exp(z − m)/Σ exp(z − m), inside float32 (float64) and rounded once; derivative p·(g − Σ g·p), too."""

    def pull_back(g: Array, p: Array) -> tuple[Array]:
        value = p.value * (g.value - sum_pairwise(g.value * p.value))
        return (g.tape.rounded(SOFTMAX_GRADIENT, value, (g, p)),)

    exponentials = np.exp(z.value - np.max(z.value, axis=0))
    return z.tape.rounded("softmax({})", exponentials / sum_pairwise(exponentials), (z,), pull_back)


def pick(v: Array, target: Target) -> Array:
    """The target's entry of v, (classes, cases) → (cases,); Σ y·v for a dense target (0·(−inf) is NaN there)."""
    if isinstance(target, DenseTarget):
        return sum_over_classes(_weigh(v, v.tape.variable(target.weights, "y")))

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        value = target.with_entry(np.zeros_like(v.value), g.value)
        return (g.tape.record("{} at the target, else 0", value, (g,)),)

    return v.tape.record(PICK, target.pick(v.value), (v,), pull_back)


def _weigh(v: Array, y: Array) -> Array:
    """v·y, y the weights of a target."""
    return v.tape.rounded(MULTIPLY, v.tape.arithmetic.weigh(v.value, y.value), (v, y), lambda g, _: (g * y, g * v))


def with_entry(v: Array, place: IndexTarget, entry: Array | float) -> Array:
    """v with one entry of every case replaced; no gradient flows through it."""
    entry = v.tape.constant(entry)
    return v.tape.record("{} with one entry {}", place.with_entry(v.value, entry.value), (v, entry))


def subtract_target(p: Array, target: Target) -> Array:
    """p − y over all classes: 1 is subtracted at an index target; no gradient flows through it."""
    if isinstance(target, DenseTarget):
        return p - p.tape.variable(target.weights, "y")
    difference = target.with_entry(p.value, target.pick(p.value) - 1)
    return p.tape.rounded(SUBTRACT_TARGET, difference, (p,))
