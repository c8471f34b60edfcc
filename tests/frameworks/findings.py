"""Which losses of real frameworks are swept for findings.json, and what is kept of a sweep."""

from importlib import metadata
from typing import Any

import cestab

TORCH = "torch:torch.nn.functional."
KERAS = "keras:keras.losses."
SOFTMAX = (
    f"{TORCH}cross_entropy",
    f"{TORCH}cross_entropy:layout=NCL",
    f"{TORCH}cross_entropy:mode=compile",
    f"{TORCH}cross_entropy:label_smoothing=0.1",
    f"{TORCH}nll_loss:input=log-softmax",
    f"{TORCH}log_softmax",
    "torch:torch.log:input=softmax",
    "jax:jax.nn.log_softmax",
    "jax:jax.nn.log_softmax:mode=jit",
    "jax:jax.numpy.log:input=softmax",
    "jax:optax.softmax_cross_entropy",
    "jax:optax.safe_softmax_cross_entropy",
    "jax:optax.softmax_cross_entropy_with_integer_labels",
    "jax:optax.softmax_cross_entropy_with_integer_labels:mode=jit",
    f"{KERAS}categorical_crossentropy:from_logits=True,backend=jax",
    f"{KERAS}categorical_crossentropy:from_logits=False,input=softmax,backend=jax",
    f"{KERAS}sparse_categorical_crossentropy:from_logits=True,backend=jax",
    f"{KERAS}categorical_crossentropy:from_logits=False,input=softmax,backend=torch",
    f"{KERAS}categorical_crossentropy:from_logits=False,input=softmax,backend=tensorflow",
    "tensorflow:tf.nn.softmax_cross_entropy_with_logits",
    "tensorflow:tf.nn.sparse_softmax_cross_entropy_with_logits",
)
BINARY = (
    f"{TORCH}binary_cross_entropy_with_logits",
    f"{TORCH}binary_cross_entropy:input=sigmoid",
    "jax:optax.sigmoid_binary_cross_entropy",
    "jax:optax.sigmoid_binary_cross_entropy:mode=jit",
    f"{KERAS}binary_crossentropy:from_logits=True,backend=jax",
    f"{KERAS}binary_crossentropy:from_logits=False,input=sigmoid,backend=jax",
    "tensorflow:tf.nn.sigmoid_cross_entropy_with_logits",
)
RANKS = ("pass", "undefined", "unsupported", "warn", "error", "fail")
PACKAGES = ("torch", "jax", "jaxlib", "optax", "keras", "tensorflow-cpu")


def sweep(name: str) -> list[dict[str, Any]]:
    """Sweep one loss over all of float16, bfloat16, float32 and float64 with two classes, or one logit; a row per setting."""
    report = cestab.sweep(name) if name in BINARY else cestab.sweep(name, classes=2)
    return [
        {
            "formulation": name,
            "dtype": result.setting.dtype,
            "pattern": result.setting.pattern,
            "target": result.setting.target,
            "verdict": result.verdict.value,
            "reason": result.reason,
            "hard": {f.kind.label: f.first.hexadecimal for f in result.findings if f.kind.is_hard},
            "graded": {f.kind.label: f.first.decimal for f in result.findings if not f.kind.is_hard},
        }
        for result in report.settings
    ]


def versions() -> dict[str, str]:
    """Return the releases that are installed."""
    return {package: metadata.version(package) for package in PACKAGES}


def render_table(kept: dict[str, Any]) -> str:
    """Return the findings as the Markdown table of docs/targets.md: a row per loss, a cell per dtype."""
    settings = kept["settings"]
    dtypes = list(dict.fromkeys(row["dtype"] for row in settings))
    lines = [f"| loss | {' | '.join(dtypes)} |", f"| --- |{' --- |' * len(dtypes)}"]
    for name in dict.fromkeys(row["formulation"] for row in settings):
        own = [row for row in settings if row["formulation"] == name]
        cells = [_render_cell([row for row in own if row["dtype"] == dtype]) for dtype in dtypes]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _render_cell(rows: list[dict[str, Any]]) -> str:
    """Return the worst verdict, and the hard finding (no note) that begins at the smallest |t|, else another."""
    verdict = max((row["verdict"] for row in rows), key=RANKS.index)
    hard = [(abs(float.fromhex(at)), kind) for row in rows for kind, at in row["hard"].items() if kind != "overflowing-loss"]
    if hard:
        start, kind = min(hard)
        return f"{verdict}: {kind} from {start:.5g}"
    graded = [(abs(float(at)), kind) for row in rows for kind, at in row["graded"].items()]
    graded = [found for found in graded if found[1].startswith("wrong")] or graded
    return f"{verdict}: {min(graded)[1]} at {min(graded)[0]:.4g}" if graded else verdict
