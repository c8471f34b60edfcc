"""`reproduce` of the findings of many reports, run as a shell would run it: explain reports that very finding.

Run are the commands that `choose_commands` picks: every formulation, and every kind with every format, pattern, ….
"""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cestab.capture import record

pytestmark = pytest.mark.thorough
Command = Callable[..., Any]

SWEEPS = [
    "sweep --dtype float16,bfloat16,float32,float64 --classes 2 --logits=-1e3:1e3:17",
    "sweep --dtype float8_e4m3fn,float8_e5m2,float8_e4m3b11fnuz --classes 3 --pattern margin --logits=-50:50:17",
    "sweep --dtype float8_e4m3fn,float8_e4m3fnuz --classes 3 --fp8-overflow saturate --logits=-50:50:17",
    "sweep --dtype float16,float32 --classes 4 --pattern spread,equal,gaussian,masked --seed 7 --logits=-300:300:9",
    "sweep --dtype float16 --classes 3 --target smooth:0.1,soft:0.9,uniform,one-hot-wrong --logits=-300:300:9",
    "sweep --dtype float32 --classes 3 --pattern masked --target smooth:0.1,one-hot-wrong --logits=-300:300:9",
    "sweep --dtype float16,bfloat16 --classes 3 --loss-scale 1024,0.5 --compute float32 --flush-subnormals --logits=-200:200:9",
    "sweep --dtype float16 --classes 3 --rtol 1e-9 --atol 0 --compute float64 --logits=-30:30:9",
    "sweep --dtype float16,float32 --classes 20 --summation sequential,pairwise --atol 0 --logits=-100:100:9",
    "sweep -f clipped:eps=1e-8,bounds=closed -f log-eps:eps=1e-12 -f online:chunk=2 --dtype float16,float32 --classes 3",
    "sweep --dtype float16,bfloat16 --classes 3 --summation sequential --batch 300 -f naive -f clipped --logits=-200:200:9",
    "sweep --objective focal-loss --dtype float16 --classes 3 --batch 40000 --reduction sum --logits=-200:200:9",
    "sweep -f focal-naive:gamma=0.5 -f focal-log-softmax:gamma=3 --dtype float16,float32 --classes 3 --logits=-99:99:9",
    "sweep --objective z-loss --dtype float16,bfloat16,float32 --classes 3 --logits=-1e4:1e4:17",
    "sweep --objective softmax-mean-squared-error --dtype float16,bfloat16,float32 --classes 3,5 --atol 0 --logits=-50:50:65",
    "sweep --objective sigmoid-mean-squared-error --dtype float16,bfloat16,float32 --target correct,wrong,soft:0.25",
    "sweep --objective binary-cross-entropy --dtype float16,float32 --target correct,wrong,soft:0:1:3 --logits=-99:99:33",
]


FIELDS = ("dtype", "compute", "summation", "pattern", "classes", "target", "loss_scale")  # an audit has not all of them


def choose_commands(settings: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield (kind, command) of findings until every formulation was there, and every kind with every value of every field.

    In the order of the report, without chance: a finding that adds neither formulation nor pair is left out.
    """
    covered: set[tuple[str, ...]] = set()
    for setting in settings:
        for finding in setting["findings"]:
            news = {(finding["kind"], field, str(setting.get(field))) for field in FIELDS} | {(setting["formulation"],)}
            if not news <= covered:
                covered |= news
                yield finding["kind"], finding["first"]["reproduce"]


def check_findings(cestab: Command, *arguments: str) -> int:
    """Run a report, then the commands chosen of its findings; return how many findings there were."""
    report = cestab(*arguments, "--json")
    assert report.status == 0, report.err
    settings = json.loads(report.out)["settings"]
    for kind, line in choose_commands(settings):
        outcome = cestab(*shlex.split(line)[1:], "--json")
        assert outcome.status == 0, f"{line}\n{outcome.err}"
        assert kind in [found["kind"] for found in json.loads(outcome.out)["findings"]], line
    return sum(len(setting["findings"]) for setting in settings)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_finding_of_a_sweep_is_found_again(sweep: str, cestab: Command) -> None:
    assert check_findings(cestab, *shlex.split(sweep)) >= 10


@pytest.fixture
def logits() -> np.ndarray[Any, Any]:
    """Rows that break formulations in every way: large gaps, offsets, masks, equal logits."""
    rows = np.random.default_rng(3).standard_normal((8, 5)) * np.array([1, 20, 50, 100, 300, 1000, 5, 30]).reshape(-1, 1)
    rows[2] += 3000
    rows[4, 3] = -np.inf
    rows[6] = 0
    return np.array(rows, dtype=np.float32)


LABELS = np.array([0, 1, -1, 3, 4, 0, 1, 2])  # −1 is ignored


@pytest.mark.parametrize("options", [[], ["--compute", "float32"], ["--loss-scale", "512", "--flush-subnormals"]], ids=str)
def test_every_finding_of_an_audit_is_found_again(
    options: list[str], cestab: Command, logits: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    np.save(tmp_path / "my logits.npy", logits)
    np.save(tmp_path / "the $labels.npy", LABELS)
    files = (str(tmp_path / "my logits.npy"), "--labels", str(tmp_path / "the $labels.npy"))
    assert check_findings(cestab, "audit", *files, "--dtype", "float16,bfloat16", "--ignore-index=-1", *options) >= 10


def test_so_it_is_with_classes_first(cestab: Command, logits: np.ndarray[Any, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "recorded.npz", logits=logits.T, labels=LABELS)
    arguments = (str(tmp_path / "recorded.npz"), "--axis", "0", "--ignore-index=-1", "--dtype", "float32,float8_e5m2")
    assert check_findings(cestab, "audit", *arguments) >= 10


def test_so_it_is_with_a_binary_file(cestab: Command, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "recorded.npz", logits=np.array([50.0, -50.0, 0.5, 300.0], dtype=np.float32), labels=np.array([0, 1, 1, 1])
    )
    arguments = ("--objective", "binary-cross-entropy", "--dtype", "float16,float32")
    assert check_findings(cestab, "audit", str(tmp_path / "recorded.npz"), *arguments) >= 10


@pytest.mark.parametrize("sample", [(), ("--sample", "5", "--seed", "2")], ids=["all", "sample"])
def test_so_it_is_with_what_was_captured(
    sample: tuple[str, ...], cestab: Command, logits: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    with record(tmp_path / "logits.safetensors") as keep:
        keep(logits.astype(ml_dtypes.bfloat16), LABELS)
    arguments = (str(tmp_path / "logits.safetensors"), "--ignore-index=-1", "--dtype", "float16,bfloat16", *sample)
    assert check_findings(cestab, "audit", *arguments) >= 10
