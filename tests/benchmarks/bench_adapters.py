"""Time of a block through an adapter over calling its framework directly on the same arrays, forward and backward.

Run `python tests/benchmarks/bench_adapters.py [ADAPTER…]`. Direct means in this process, float32 NumPy arrays of shape
(rows, classes) in and out, everything compiled before, as many rows a call as the adapter gives it, and memory kept as the
adapter's processes keep it. Blocks are as large as the audit's. The two are timed in rounds; medians count. Nothing passes or
fails.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cestab.evaluation.blocks import NUMBERS_PER_BLOCK
from cestab.external.evaluation import MOST_NUMBERS, Work
from cestab.external.names import parse_external_name
from cestab.external.process.client import KEEP_FREED_MEMORY, end_losses, evaluate_loss
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import find_format
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.external import Guard
from cestab.vocabulary.loss_options import LossOptions

os.environ.update(KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3")
Arrays = tuple[Any, Any]
Direct = Callable[[Any, Any], Arrays]
REPETITIONS, ROUNDS = 24, 3
CLASSES = (2, 1000)
BLOCKS = 4  # different ones, in turn


def loss_and_gradient(z: Any, target: Any) -> Arrays:
    rows = np.arange(len(z))
    shifted = z - z.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    gradient = exponentials / total
    gradient[rows, target] -= 1
    return np.log(total[:, 0]) - shifted[rows, target], gradient


def direct_torch() -> Direct:
    import torch  # noqa: PLC0415

    def run(z: Any, target: Any) -> Arrays:
        logits = torch.from_numpy(z).requires_grad_()
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(target), reduction="none")
        (gradient,) = torch.autograd.grad(loss, logits, torch.ones_like(loss))
        return loss.detach().numpy(), gradient.numpy()

    return run


def direct_jax(make_loss: Callable[[], Callable[[Any, Any], Any]], *, jitted: bool = False) -> Direct:
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    function = make_loss()

    def differentiate(z: Any, target: Any) -> Arrays:
        loss, pull_back = jax.vjp(lambda logits: function(logits, target), z)
        return loss, pull_back(jnp.ones_like(loss))[0]

    compute = jax.jit(differentiate) if jitted else differentiate

    def run(z: Any, target: Any) -> Arrays:
        loss, gradient = compute(jnp.asarray(z), jnp.asarray(target))
        return np.asarray(loss), np.asarray(gradient)

    return run


def optax_loss() -> Callable[[Any, Any], Any]:
    import optax  # noqa: PLC0415

    return optax.softmax_cross_entropy_with_integer_labels  # type: ignore[no-any-return,unused-ignore]


def keras_loss() -> Callable[[Any, Any], Any]:
    import keras  # noqa: PLC0415

    return lambda z, target: keras.losses.sparse_categorical_crossentropy(target, z, from_logits=True)


def direct_tensorflow() -> Direct:
    import tensorflow as tf  # noqa: PLC0415

    def run(z: Any, target: Any) -> Arrays:
        logits = tf.constant(z)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits)
        return loss.numpy(), tape.gradient(loss, logits).numpy()

    return run


OPTAX = "jax:optax.softmax_cross_entropy_with_integer_labels"
TARGETS: dict[str, Callable[[], Direct]] = {
    f"{Path(__file__).resolve()}:loss_and_gradient": lambda: loss_and_gradient,
    "torch:torch.nn.functional.cross_entropy": direct_torch,
    f"{OPTAX}:mode=eager": lambda: direct_jax(optax_loss),
    f"{OPTAX}:mode=jit": lambda: direct_jax(optax_loss, jitted=True),
    "keras:keras.losses.sparse_categorical_crossentropy:from_logits=True,backend=jax": lambda: direct_jax(keras_loss),
    "tensorflow:tf.nn.sparse_softmax_cross_entropy_with_logits": direct_tensorflow,
}


def make_blocks(classes: int, rows: int) -> list[Work]:
    rng = np.random.default_rng(0)
    logits = [rng.standard_normal((classes, rows), dtype=np.float32) for _ in range(BLOCKS)]
    targets = [IndexTarget(index=rng.integers(0, classes, rows)) for _ in range(BLOCKS)]
    arithmetic = Arithmetic(fmt=find_format("float32"))
    return [
        Work(arithmetic=arithmetic, logits=z, target=target, upstream=1.0, options=LossOptions())
        for z, target in zip(logits, targets, strict=True)
    ]


def split(work: Work, rows: int) -> list[Arrays]:
    z, index = np.ascontiguousarray(work.logits.T), work.target.index  # type: ignore[union-attr]
    return [(z[start : start + rows], index[start : start + rows]) for start in range(0, len(z), rows)]


def time_calls(calls: Sequence[Callable[[], Any]]) -> float:
    """Return the median time in ms of some calls in turn, after a pause in which other processes' threads fall asleep."""
    time.sleep(0.5)
    spent = []
    for repetition in range(REPETITIONS):
        start = time.perf_counter()
        calls[repetition % len(calls)]()
        spent.append(time.perf_counter() - start)
    return 1e3 * statistics.median(spent[len(calls) :])


def measure(name: str, direct: Direct, classes: int) -> str:
    target, rows = parse_external_name(name), NUMBERS_PER_BLOCK // classes
    blocks = make_blocks(classes, rows)
    calls_of = [split(work, MOST_NUMBERS // classes) for work in blocks]
    adapter, bare = [], []
    for _ in range(ROUNDS):
        adapter.append(time_calls([lambda work=work: evaluate_loss(target, work, Guard()) for work in blocks]))  # type: ignore[misc]
        bare.append(time_calls([lambda parts=parts: [direct(z, y) for z, y in parts] for parts in calls_of]))  # type: ignore[misc]
    label = name.rsplit("/", maxsplit=1)[-1]
    one, other = statistics.median(adapter), statistics.median(bare)
    return f"{classes:5} × {rows:5}  adapter {one:7.2f} ms  direct {other:7.2f} ms  ratio {one / other:5.2f}  {label}"


def main() -> None:
    for name, make_direct in TARGETS.items():
        if not sys.argv[1:] or parse_external_name(name).adapter in sys.argv[1:]:
            direct = make_direct()
            for classes in CLASSES:
                print(measure(name, direct, classes), flush=True)
            end_losses()


if __name__ == "__main__":
    if not os.environ.keys() >= KEEP_FREED_MEMORY.keys():  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], KEEP_FREED_MEMORY | os.environ)  # noqa: S606  # ourselves
    main()
