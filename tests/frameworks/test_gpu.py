"""Losses on a GPU: computed there, judged as everywhere, the card named. Skipped where there is none."""

import subprocess
import sys

import pytest

import cestab
from cestab.vocabulary.kinds import Verdict

PROBES = {
    "torch": "import torch; print(torch.cuda.is_available())",
    "jax": "import jax; print(any(d.platform == 'gpu' for d in jax.devices()))",
}


def need_gpu(framework: str) -> None:
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    found = subprocess.run([sys.executable, "-c", PROBES[framework]], capture_output=True, text=True, check=True)
    if found.stdout.strip() != "True":
        pytest.skip(f"no GPU that {framework} finds")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize(
    ("framework", "name"),
    [
        ("torch", "torch:torch.nn.functional.cross_entropy:device=cuda"),
        ("torch", "torch:torch.nn.functional.cross_entropy:device=cuda,mode=compile"),
        ("jax", "jax:optax.softmax_cross_entropy_with_integer_labels:device=cuda"),
    ],
)
def test_a_gpu_loss_is_judged_and_its_card_is_named(framework: str, name: str, dtype: str) -> None:
    need_gpu(framework)
    report = cestab.sweep(name, dtypes=dtype, classes=2, logits="-20:20:65")
    assert all(result.verdict.is_judged for result in report.settings)
    [facts] = report.environment.targets
    assert facts.device.startswith("cuda (")


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_without_a_gpu_nothing_is_judged_and_the_reason_is_told(framework: str) -> None:
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    found = subprocess.run([sys.executable, "-c", PROBES[framework]], capture_output=True, text=True, check=True)
    if found.stdout.strip() == "True":
        pytest.skip("no GPU is what this test needs")
    path = {"torch": "torch.nn.functional.cross_entropy", "jax": "jax.nn.log_softmax"}[framework]
    report = cestab.sweep(f"{framework}:{path}:device=cuda", dtypes="float32", classes=2)
    assert {result.verdict for result in report.settings} == {Verdict.UNSUPPORTED}
    assert all("device=cuda" in (result.reason or "") for result in report.settings)
