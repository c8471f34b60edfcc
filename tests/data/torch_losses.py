"""The losses of torch_eager.md, written in PyTorch as there: the log is taken of the whole vector, then indexed."""

import torch


def _pick(log_p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -log_p.gather(1, target[:, None])[:, 0]


def naive(z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """−log(exp(z)/Σ exp(z))[target], exp(z) formed twice."""
    return _pick(torch.log(torch.exp(z) / torch.exp(z).sum(1, keepdim=True)), target)


def softmax_log(z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """−log(softmax(z))[target]."""
    return _pick(torch.log(torch.softmax(z, 1)), target)


def clipped(z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """−log(clamp(softmax(z), 1e-7, 1 − 1e-7))[target]."""
    return _pick(torch.log(torch.clamp(torch.softmax(z, 1), 1e-7, 1 - 1e-7)), target)
