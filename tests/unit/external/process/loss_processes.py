"""Processes of targets, which no test leaves behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from cestab.external.engines.base import Numbers
from cestab.external.evaluation import Work
from cestab.external.names import ExternalName, parse_external_name
from cestab.external.process.client import end_losses, evaluate_loss
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.target import IndexTarget
from cestab.vocabulary.external import Guard
from cestab.vocabulary.kinds import Summation
from cestab.vocabulary.loss_options import NO_OPTIONS

DATA = Path(__file__).parents[3] / "data" / "targets.py"
LOGITS = np.array([[0.0, 2.0], [0.0, -1.0]], dtype=np.float32)
PATIENT = Guard(timeout_seconds=120.0)
QUARTER_GIBIBYTE = Guard(timeout_seconds=120.0, max_memory_bytes=2**28)


def find_children() -> list[psutil.Process]:
    """Every process that this one, or one of its processes, has started and that runs, but for the watchdog."""
    children = psutil.Process().children(recursive=True)
    running = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    losses = [child for child in running if not str(child.cmdline()[-1:]).rstrip("']").endswith("watchdog.py")]
    return [child for child in losses if "multiprocessing.resource_tracker" not in str(child.cmdline())]  # of --jobs


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    assert find_children() == []
    yield
    end_losses()
    assert find_children() == []


def name_of(function: str) -> ExternalName:
    return parse_external_name(f"{DATA}:{function}")


def work_of(logits: Numbers = LOGITS, summation: Summation = Summation.WIDE) -> Work:
    cases = logits.shape[1]
    return Work(
        arithmetic=Arithmetic(fmt=FORMATS["float32"], summation=summation),
        logits=logits,
        target=IndexTarget(index=np.zeros(cases, dtype=np.intp)),
        upstream=1.0,
        options=NO_OPTIONS,
    )


def ask(function: str, guard: Guard = PATIENT) -> tuple[Numbers, Numbers | None]:
    return evaluate_loss(name_of(function), work_of(), guard)
