"""Write torch_boundaries.json: where losses written in PyTorch become inf, NaN or zero. Run it where
PyTorch is installed; no test runs it.

Two classes, logits [t, 0] or [t, t] and an index label, or one binary logit t and y; eager autograd, every step in the
dtype. 16-bit dtypes: every t. Others: a grid over the ordinals, a finer one where exp and log change, and every change
between neighbours of the grid bisected down to neighbouring floats. A run is [first, last] in the order of abs(t).
"""

import importlib
import itertools
import json
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

torch: Any = importlib.import_module("torch")  # mypy runs where it is not installed
Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]
NAMES = ("float64", "float32", "float16", "bfloat16")
KINDS = ("loss_nan", "loss_inf", "loss_zero", "grad_nan", "grad_inf", "grad_zero_all")
MOST_RUNS = 4  # more is flicker from rounding: only the first and the last failing t are kept


def gather(values: Tensor, label: Tensor) -> Tensor:
    """The label's entry of every case."""
    return values.gather(1, label[:, None])[:, 0]


def entropy(p: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy, both products formed."""
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p))


def clip(p: Tensor) -> Tensor:
    """clamp(p, 1e-7, 1 − 1e-7) whose gradient passes strictly inside the bounds, as from PyTorch 2.14 on."""
    clamped = torch.clamp(p, 1e-7, 1 - 1e-7).detach()
    return torch.where((p > torch.tensor(1e-7, dtype=p.dtype)) & (p < torch.tensor(1 - 1e-7, dtype=p.dtype)), p, clamped)


SOFTMAX: dict[str, Loss] = {
    "naive": lambda x, y: -gather(torch.log((e := torch.exp(x)) / e.sum(1, keepdim=True)), y),
    "softmax-log": lambda x, y: -gather(torch.log(torch.softmax(x, 1)), y),
    "clipped": lambda x, y: -gather(torch.log(clip(torch.softmax(x, 1))), y),
    "clipped:bounds=closed": lambda x, y: -gather(torch.log(torch.clamp(torch.softmax(x, 1), 1e-7, 1 - 1e-7)), y),
    "log-eps": lambda x, y: -gather(torch.log(torch.softmax(x, 1) + 1e-7), y),
    "unshifted-lse": lambda x, y: torch.log(torch.exp(x).sum(1)) - gather(x, y),
    "log-softmax": lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction="none"),
}
BINARY: dict[str, Loss] = {
    "sigmoid-naive": lambda x, y: entropy(torch.sigmoid(x), y),
    "sigmoid-clipped": lambda x, y: entropy(clip(torch.sigmoid(x)), y),
    "sigmoid-clamped-log": lambda x, y: torch.nn.functional.binary_cross_entropy(torch.sigmoid(x), y, reduction="none"),
    "bce-with-logits": lambda x, y: torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
}


def main() -> None:
    """Trace every loss along every ray of t and write the file beside this script."""
    torch.set_num_threads(1)
    rays = [(f, "t,0", label) for f in SOFTMAX for label in (0, 1)] + [(f, "t,t", 0) for f in SOFTMAX]
    rays += [(f, "t", y) for f in BINARY for y in (0, 1)]
    entries = [
        {"formulation": f, "dtype": dtype, "logits": logits, "label": label, "sign": sign}
        | trace(f, getattr(torch, dtype), logits, label, sign)
        for (f, logits, label), dtype, sign in itertools.product(rays, NAMES, (1, -1))
    ]
    document = {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()}
    lines = ",\n".join(json.dumps(entry, allow_nan=False) for entry in entries)
    text = json.dumps(document)[:-1] + f', "entries": [\n{lines}\n]}}\n'
    Path(__file__).with_name("torch_boundaries.json").write_text(text)


def trace(name: str, dtype: Any, logits: str, label: int, sign: int) -> dict[str, Any]:
    """The runs of every kind of outcome along one ray, and whether every float was tried."""

    def outcome(ordinals: Any) -> Any:
        return classify(name, from_ordinal(ordinals, dtype) * sign, logits, label)

    top = int(to_ordinal(torch.tensor(torch.finfo(dtype).max, dtype=dtype)))
    exhaustive = dtype.itemsize == 2
    ordinals = np.arange(top + 1) if exhaustive else grid(dtype, top)
    codes = outcome(ordinals)
    if not exhaustive:
        left = np.flatnonzero(codes[1:] != codes[:-1])
        ordinals = bisect(outcome, ordinals[left], ordinals[left + 1], ordinals)
        codes = outcome(ordinals)
    most = MOST_RUNS if exhaustive else 1  # a grid may miss some runs where there are several
    found: dict[str, Any] = {"exhaustive": exhaustive, "runs": {}, "flickers": {}}
    for bit, kind in enumerate(KINDS):
        failing = np.concatenate(([0], (codes >> bit) & 1, [0]))
        starts, stops = np.flatnonzero(np.diff(failing) == 1), np.flatnonzero(np.diff(failing) == -1) - 1
        if not len(starts):
            continue
        runs = [[write(ordinals[i], dtype, sign), write(ordinals[j], dtype, sign)] for i, j in zip(starts, stops, strict=True)]
        if len(runs) <= most:
            found["runs"][kind] = runs
        else:
            found["flickers"][kind] = [runs[0][0], runs[-1][1]]
    return found


def grid(dtype: Any, top: int) -> Any:
    """Ordinals: 2^14 evenly spaced, 2^16 between 2^-4 and 2^11."""
    ends = [int(to_ordinal(torch.tensor(e, dtype=dtype))) for e in (2.0**-4, 2.0**11)]
    steps = np.concatenate((np.linspace(0, top, 2**14), np.linspace(ends[0], ends[1], 2**16))).astype(np.int64)
    return np.unique(np.minimum(steps, top))


def bisect(outcome: Callable[[Any], Any], low: Any, high: Any, ordinals: Any) -> Any:
    """Ordinals with, for every pair of different outcomes, two neighbours that differ."""
    start = outcome(low)
    while np.any(high - low > 1):
        middle = low + (high - low) // 2
        same = outcome(middle) == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.unique(np.concatenate((ordinals, low, high)))


def classify(name: str, t: Tensor, logits: str, label: int) -> Any:
    """One bit for every kind of outcome that holds at each t."""
    if logits == "t":
        x, y = t[:, None].clone().requires_grad_(), torch.full((len(t), 1), label, dtype=t.dtype)
        loss = BINARY[name](x, y)
    else:
        other = t if logits == "t,t" else torch.zeros_like(t)
        x = torch.stack((t, other), 1).requires_grad_()
        loss = SOFTMAX[name](x, torch.full((len(t),), label))[:, None]
    loss.sum().backward()
    gradient, loss = x.grad, loss.detach()
    bits = [f(v) for v in (loss, gradient) for f in (torch.isnan, torch.isinf, lambda v: v == 0)]
    whole = [b.all(1) if k.endswith("zero_all") else b.any(1) for k, b in zip(KINDS, bits, strict=True)]
    return sum(b.numpy().astype(np.int64) << i for i, b in enumerate(whole))


def integers(dtype: Any) -> Any:
    """The integer type of the same width."""
    return {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]


def to_ordinal(x: Tensor) -> Tensor:
    """Place of a non-negative float among them."""
    return x.view(integers(x.dtype))


def from_ordinal(ordinals: Any, dtype: Any) -> Tensor:
    """The non-negative float of each place."""
    return torch.from_numpy(np.asarray(ordinals)).to(integers(dtype)).view(dtype)


def write(ordinal: int, dtype: Any, sign: int) -> str:
    """Hexadecimal without trailing zeros."""
    text = math.copysign(float(from_ordinal([ordinal], dtype)[0]), sign).hex()
    digits, exponent = text.split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}"


if __name__ == "__main__":
    main()
