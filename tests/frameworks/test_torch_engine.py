"""The adapter of PyTorch: its losses against cestab's truth, its modes and layouts, its facts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engines import (
    DTYPES,
    benign_logits,
    check_against_truth,
    check_batch,
    check_binary,
    check_rows,
    check_softmax,
    check_upstream,
    describe,
    evaluate,
    index_target,
    soft_target,
    zeroing_margin,
)

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError, UnsupportedError
from cestab.external.loss_options import read_options
from cestab.external.names import parse_external_name
from cestab.external.process.client import end_losses
from cestab.numerics.target import DenseTarget, IndexTarget
from cestab.truth.tiers import evaluate_truth
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY

pytest.importorskip("torch", reason="PyTorch is not installed")

FUNCTIONAL = "torch:torch.nn.functional."
CROSS_ENTROPY = f"{FUNCTIONAL}cross_entropy"


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    yield
    end_losses()


@pytest.mark.parametrize("mode", ["eager", "vmap"])
@pytest.mark.parametrize("name", ["torch:torch.nn.CrossEntropyLoss", f"{FUNCTIONAL}log_softmax", "torch:torch.log"])
def test_softmax_losses_are_the_true_ones(name: str, mode: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{name}:mode={mode}", dtype)


@pytest.mark.parametrize("name", [CROSS_ENTROPY, f"{FUNCTIONAL}log_softmax"])
def test_the_layout_of_segmentation_has_the_true_losses(name: str) -> None:
    for dtype in DTYPES:
        check_softmax(f"{name}:layout=NCL", dtype)


def test_losses_of_integers_and_of_one_logit_are_the_true_ones() -> None:
    for dtype in DTYPES:
        check_softmax(f"{FUNCTIONAL}nll_loss", dtype, takes_dense=False)
        check_binary(f"{FUNCTIONAL}binary_cross_entropy_with_logits", dtype)
        check_binary("torch:torch.nn.BCELoss", dtype)


def test_options_have_their_own_truth() -> None:
    name = f"{CROSS_ENTROPY}:label_smoothing=0.1,weight=0.25:0.75"
    for dtype in ("float64", "float32"):
        check_against_truth(name, dtype, index_target(), soft_target())


@pytest.mark.parametrize("reduction", list(Reduction))
def test_so_they_have_in_batches(reduction: Reduction) -> None:
    """Every second row of a batch is ignored; a mean divides by the weights of the others."""
    name = f"{CROSS_ENTROPY}:label_smoothing=0.1,weight=0.25:0.75,ignore_index=1"
    options = replace(read_options(parse_external_name(name)), batch=6, reduction=reduction)
    logits, target = benign_logits("float64")[:, :8], IndexTarget(index=np.array([0, 2, 3, 4] * 2))
    truth = evaluate_truth(SOFTMAX_CROSS_ENTROPY, logits, target, 1 / options.divisor, precise=False, options=options)
    loss, gradient = evaluate(name, logits, target, "float64", options=options)
    np.testing.assert_allclose(loss, truth.loss, rtol=1e-14)
    both = np.concatenate((truth.gradient, truth.gradient))  # of the first row, and of the one that differs most from it
    np.testing.assert_allclose(gradient, both, rtol=1e-13, atol=1e-15)


def test_compiled_losses_are_the_true_ones() -> None:
    check_softmax(f"{CROSS_ENTROPY}:mode=compile", "float32")


def test_a_mean_squared_error_is_mapped_over_rows_too() -> None:
    for mode in ("eager", "vmap"):
        check_against_truth(f"{FUNCTIONAL}mse_loss:input=softmax,mode={mode}", "float64", index_target())


def test_upstream_rows_and_batch() -> None:
    check_upstream(CROSS_ENTROPY)
    check_rows(CROSS_ENTROPY, atol=0.0)
    check_batch(CROSS_ENTROPY)


@pytest.mark.parametrize("loss", [f"{FUNCTIONAL}log_softmax", f"{FUNCTIONAL}mse_loss:input=softmax", f"{FUNCTIONAL}nll_loss"])
def test_so_is_a_batch_in_the_layout_of_segmentation(loss: str) -> None:
    check_batch(f"{loss}{',' if '=' in loss else ':'}layout=NCL")


USERS_OWN = """
import torch
class Loss(torch.nn.Module):
    def forward(self, target, logits):
        return torch.nn.functional.cross_entropy(logits, target, reduction="none")
loss = Loss()
smoothed = torch.nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([0.25, 0.75]), reduction="none")
plain = torch.nn.CrossEntropyLoss()
weighted = torch.nn.CrossEntropyLoss(weight=torch.tensor([0.25, 0.75]))
ignoring = torch.nn.CrossEntropyLoss(ignore_index=9)
def mean(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, weight=torch.arange(1.0, 6.0))
def raises(logits, target):
    raise RuntimeError("my kernel is not supported for training yet")
def nothing(logits, target):
    return None
def number(logits, target):
    return 0.5
def detached(logits, target):
    return logits.detach().sum(1)
"""


def test_modules_of_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(USERS_OWN, encoding="utf-8")
    for name in ("Loss", "loss"):
        check_against_truth(f"torch:{path}:{name}", "float32", index_target())
    check_against_truth(f"torch:{path}:smoothed:label_smoothing=0.1,weight=0.25:0.75", "float32", index_target(2), classes=2)
    for dtype in DTYPES:
        check_against_truth(f"torch:{path}:weighted:weight=0.25:0.75", dtype, index_target(2), classes=2)
    check_against_truth(f"torch:{path}:ignoring:ignore_index=9", "float64", index_target())
    check_batch(f"torch:{path}:plain")
    with pytest.raises(UnsupportedError, match="use --batch N"):
        evaluate(
            f"torch:{path}:mean:weight=0.25:0.75",
            benign_logits(),
            index_target(),
            options=LossOptions(class_weights=(0.25, 0.75)),
        )
    with pytest.raises(UsageError, match=r"smoothed has label_smoothing=0[.]1, which changes the objective"):
        describe(f"torch:{path}:smoothed")
    for name, words in (
        ("raises", "it raised RuntimeError: my kernel is not supported for training yet"),
        ("nothing", "it returned a NoneType; a Tensor is needed"),
        ("number", "it returned a float; a Tensor is needed"),
        ("detached", "its loss does not depend on the logits"),
    ):
        with pytest.raises(ExternalError, match=words):
            evaluate(f"torch:{path}:{name}", benign_logits(), index_target())


def test_what_it_does_not_compute_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="PyTorch computes no loss in float8_e5m2"):
        evaluate(CROSS_ENTROPY, benign_logits("float8_e5m2"), index_target(), "float8_e5m2")
    with pytest.raises(UnsupportedError, match="mode=vmap maps a function of one row; it has no batch"):
        evaluate(f"{CROSS_ENTROPY}:mode=vmap", benign_logits(), index_target(), options=LossOptions(batch=2))


def test_facts() -> None:
    facts = describe(CROSS_ENTROPY)
    assert [package for package, _ in facts.versions] == ["torch"]
    assert facts.flushes_subnormals is False
    assert facts.threads is not None


def test_a_confident_gradient_is_zero_from_53_log_2_on() -> None:
    assert zeroing_margin(CROSS_ENTROPY) == (False, True)


def test_the_clamped_backward_of_a_binary_loss() -> None:
    _, gradient = evaluate("torch:torch.nn.BCELoss", np.array([[-50.0]]), DenseTarget(weights=np.ones((1, 1))))
    assert gradient[0, 0] == pytest.approx(-1.93e-10, rel=1e-2)  # truly −1


def test_a_mean_in_float16_is_infinite_where_its_sum_is() -> None:
    """4096 rows with a loss of 16 sum to 65536; float16 ends at 65504."""
    logits, target = np.array([[16.0], [0.0]]), IndexTarget(index=np.ones(1, dtype=np.intp))
    for rows, mean in ((4096, np.inf), (1024, 16.0)):
        assert evaluate(CROSS_ENTROPY, logits, target, "float16", options=LossOptions(batch=rows))[0].tolist() == [mean]
