"""Write torch_primitives.json: values and derivatives of PyTorch's eager primitives. Run it where
PyTorch is installed; no test runs it.

Inputs are special values, powers of two, and seeded numbers, rounded to the dtype. Numbers are hexadecimal floats.
"""

import importlib
import json
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

torch: Any = importlib.import_module("torch")  # mypy runs where it is not installed
Tensor = Any
NAMES = ("float64", "float32", "float16", "bfloat16")
SPECIAL = (0.0, math.inf, -math.inf, math.nan)
UPSTREAM = (1.0, -0.7, 3.0, 1e-4)
EXACT_UPSTREAM = (1.0, -0.75, 3.0, 0.125)  # whose sums are exact in every dtype and order

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "log": torch.log,
    "log1p": torch.log1p,
    "expm1": torch.expm1,
    "neg": torch.neg,
    "abs": torch.abs,
    "reciprocal": torch.reciprocal,
    "sigmoid": torch.sigmoid,
    "clip": lambda x: torch.clamp(x, -0.5, 1.5),
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "where": lambda a, b: torch.where(torch.arange(len(a)) % 3 == 0, a, b),
}
OVER_CLASSES: dict[str, Callable[[Tensor], Tensor]] = {  # on (cases, classes), as in PyTorch
    "softmax": lambda z: torch.softmax(z, dim=1),
    "sum": lambda z: z.sum(dim=1),
    "amax": lambda z: torch.amax(z, dim=1),
    "pick": lambda z: z.gather(1, (torch.arange(len(z)) % z.shape[1])[:, None])[:, 0],
    "sub-sum": lambda z: z - z.sum(dim=1, keepdim=True),
}


def main() -> None:
    """Evaluate every primitive in every dtype and write the file beside this script."""
    document: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version(), "dtypes": {}}
    for name in NAMES:
        dtype = getattr(torch, name)
        generator = torch.Generator().manual_seed(20)
        x = unary_inputs(dtype, generator)
        a, b = binary_inputs(dtype, generator)
        z = class_inputs(dtype, generator)
        document["dtypes"][name] = {
            "unary": {"x": write(x), "upstream": write(upstream_for(x))} | {k: unary(f, x) for k, f in UNARY.items()},
            "binary": {"a": write(a), "b": write(b), "upstream": write(upstream_for(a))}
            | {k: binary(f, a, b) for k, f in BINARY.items()},
            "over_classes": {"z": [write(row) for row in z.T]} | {k: over_classes(f, z) for k, f in OVER_CLASSES.items()},
        }
    path = Path(__file__).with_name("torch_primitives.json")
    path.write_text(json.dumps(document, allow_nan=False, separators=(",\n", ":")).replace('",\n"', '","') + "\n")


def unary_inputs(dtype: Any, generator: Any) -> Tensor:
    """Specials, edges of the dtype, points of interest, and 16 seeded numbers."""
    edges = [torch.finfo(dtype).max, torch.finfo(dtype).tiny, torch.finfo(dtype).tiny * torch.finfo(dtype).eps]
    points = [0.5, 1.0, 1.5, 2.0, 11.0, 17.0, 88.75, 103.0, 710.0]  # bounds of clip; where exp over- and underflows
    signed = [s * v for v in (*edges, *points) for s in (1, -1)]
    draws = torch.randn(16, generator=generator, dtype=torch.float64) * 4
    return torch.cat((torch.tensor((*SPECIAL, *signed), dtype=torch.float64), draws)).to(dtype)


def binary_inputs(dtype: Any, generator: Any) -> tuple[Tensor, Tensor]:
    """All pairs of a few numbers (ties, infinities, NaN and 0 among them) and 16 seeded pairs."""
    few = (*SPECIAL, 1.0, -1.5, torch.finfo(dtype).max)
    pairs = [(p, q) for p in few for q in few]
    draws = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    both = torch.cat((torch.tensor(pairs, dtype=torch.float64), draws)).to(dtype)
    return both[:, 0].contiguous(), both[:, 1].contiguous()


def class_inputs(dtype: Any, generator: Any) -> Tensor:
    """(cases, 5) multiples of 1/8 up to 8, so that sums of a column are exact in every order; ties; masks; ±inf; NaN."""
    draws = torch.randint(-64, 64, (16, 5), generator=generator) / 8
    rows = [
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [2.0, -1.0, 2.0, 0.0, 2.0],
        [0.0, -math.inf, 1.0, -math.inf, 1.0],
        [math.inf, 0.0, 0.0, 0.0, 0.0],
        [0.0, math.nan, 0.0, 0.0, 0.0],
        [100.0, 0.0, -100.0, 12.0, 90.0],
        [-math.inf] * 5,
    ]
    return torch.cat((torch.tensor(rows, dtype=torch.float64), draws.to(torch.float64))).to(dtype)


def upstream_for(like: Tensor, values: tuple[float, ...] = UPSTREAM) -> Tensor:
    """The four upstream gradients in turn."""
    return torch.tensor(values, dtype=torch.float64).to(like.dtype).repeat(like.numel())[: like.numel()].reshape(like.shape)


def unary(f: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, list[str]]:
    """Value and derivative."""
    leaf = x.clone().requires_grad_()
    value = f(leaf)
    value.backward(upstream_for(value))
    return {"value": write(value), "gradient": write(leaf.grad)}


def binary(f: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> dict[str, list[str]]:
    """Value and both derivatives."""
    first, second = a.clone().requires_grad_(), b.clone().requires_grad_()
    value = f(first, second)
    value.backward(upstream_for(value))
    return {"value": write(value), "gradient_a": write(first.grad), "gradient_b": write(second.grad)}


def over_classes(f: Callable[[Tensor], Tensor], z: Tensor) -> dict[str, Any]:
    """Value and derivative, transposed to classes first; the upstream gradient as well."""
    leaf = z.clone().requires_grad_()
    value = f(leaf)
    upstream = upstream_for(value, EXACT_UPSTREAM)
    value.backward(upstream)
    return {"value": write_rows(value), "upstream": write_rows(upstream), "gradient": write_rows(leaf.grad)}


def write_rows(x: Tensor) -> list[Any]:
    """(cases,) as one list, (cases, classes) as one list a class."""
    return write(x) if x.ndim == 1 else [write(row) for row in x.T]


def write(x: Tensor) -> list[str]:
    """Hexadecimal floats without trailing zeros."""
    return [shorten(v.hex()) for v in x.detach().to(torch.float64).tolist()]


def shorten(text: str) -> str:
    """0x1.8000000000000p+0 → 0x1.8p+0."""
    if "." not in text:
        return text
    digits, exponent = text.split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}"


if __name__ == "__main__":
    main()
