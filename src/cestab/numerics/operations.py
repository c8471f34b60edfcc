"""The operations that formulations are written in, each with its derivative in the same operations."""

import numpy as np
import numpy.typing as npt

from cestab.numerics.arithmetic import sum_pairwise
from cestab.numerics.tape import MULTIPLY, SUM, Array, Primitive, sum_over_classes
from cestab.numerics.target import DenseTarget, IndexTarget, Target

ADD_GUARD, STOPPED = (Primitive(template, is_guard=True) for template in ("{} + eps({})", "{} where {} is not clipped"))
LOG, LOG1P = Primitive("log({})"), Primitive("log1p({})")
SUBTRACT_TARGET = Primitive("{} − 1 at the target", is_sum=True)
PICK, SOFTMAX_GRADIENT = Primitive("{}[target]"), Primitive("{1}·({0} − Σ {0}·{1})")


def power(a: Array, exponent: float) -> Array:
    """a^exponent, an exponent as it is given; its derivative is g·(exponent·a^(exponent − 1)), 0 for the exponent 0."""

    def pull_back(g: Array, _: Array) -> tuple[Array | None]:
        return (None if exponent == 0 else g * (power(a, exponent - 1) * exponent),)

    return a.tape.rounded(f"{{}}^{exponent:g}", a.value**exponent, (a,), pull_back)


def mean_over_classes(v: Array) -> Array:
    """Σ_j v_j / K in the setting's summation order, divided once by the number of classes as it is."""
    classes = len(v.value)

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        share = np.broadcast_to(g.value / classes, v.value.shape)
        return (g.tape.rounded(f"{{}} / {classes}", share, (g,)),)

    return v.tape.record("mean {}", v.tape.arithmetic.mean(v.value), (v,), pull_back)


def add_guard(a: Array, eps: float) -> Array:
    """a + eps, eps a guard against log 0 that the exact computation does without."""
    guard = a.tape.constant(eps if a.tape.arithmetic.has_guards else 0.0)
    return a.tape.rounded(ADD_GUARD, a.value + guard.value, (a, guard), lambda g, _: (g, g))


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


def clip(a: Array, low: float, high: float, *, closed: bool = False) -> Array:
    """min(max(a, low), high); the gradient passes strictly inside the bounds (closed: on them, too).

    A guard: the exact computation does without it.
    """
    tape = a.tape
    arithmetic = tape.arithmetic
    bounds = (low, high) if arithmetic.has_guards else (-np.inf, np.inf)
    # an infinite bound is none, also in formats that have no infinity to hold it
    bottom, top = (arithmetic.constant(x) if np.isfinite(x) or not arithmetic.has_guards else x for x in bounds)

    def pull_back(g: Array, _: Array) -> tuple[Array]:
        inside = (a.value >= bottom) & (a.value <= top) if closed else (a.value > bottom) & (a.value < top)
        return (tape.record(STOPPED, np.where(inside, g.value, 0).astype(g.value.dtype), (g, a)),)

    clipped = np.minimum(np.maximum(a.value, bottom), top)
    return tape.record(Primitive(f"clip({{}}, {low:.7g}, {high:.7g})", is_guard=True, is_clip=True), clipped, (a,), pull_back)


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


def sum_of_target(v: Array, target: Target) -> Array | float:
    """Y = Σ y of a dense target on v's tape, rounded once whatever the order of sums; the number 1 where it always is."""
    if isinstance(target, IndexTarget):
        return 1.0
    weights = np.asarray(target.weights, dtype=np.float64)
    if np.all(sum_pairwise(weights) == 1):
        return 1.0
    return v.tape.record(SUM, v.tape.arithmetic.sum_once(weights), (v.tape.variable(target.weights, "y"),))


def times_sum(v: Array, target: Target) -> Array:
    """Y·v, Y = Σ y; v itself where Y is 1."""
    total = sum_of_target(v, target)
    return v * total if isinstance(total, Array) else v


def subtract_target(p: Array, target: Target) -> Array:
    """p − y over all classes: 1 is subtracted at an index target; no gradient flows through it."""
    if isinstance(target, DenseTarget):
        return p - p.tape.variable(target.weights, "y")
    difference = target.with_entry(p.value, target.pick(p.value) - 1)
    return p.tape.rounded(SUBTRACT_TARGET, difference, (p,))
