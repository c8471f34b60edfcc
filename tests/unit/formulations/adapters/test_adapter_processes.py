"""Targets that cannot be loaded, and the processes of all the targets of a request."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from cestab.audit.targets import loaded_targets
from cestab.errors import UsageError
from cestab.formulations.adapters.client import describe_target, end_targets, evaluate_target
from cestab.formulations.adapters.engine import Numbers, TargetError
from cestab.formulations.adapters.evaluation import Work
from cestab.formulations.adapters.names import TargetName, parse_target_name
from cestab.numerics.arithmetic import Arithmetic
from cestab.numerics.formats import FORMATS
from cestab.numerics.target import IndexTarget
from cestab.results import NO_OPTIONS, Guard, Summation

DATA = Path(__file__).parents[3] / "data" / "targets.py"
LOGITS = np.array([[0.0, 2.0], [0.0, -1.0]], dtype=np.float32)
PATIENT = Guard(30.0)
QUARTER_GIBIBYTE = Guard(30.0, 2**28)


def find_children() -> list[psutil.Process]:
    """Every process that this one, or one of its processes, has started and that runs."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    assert find_children() == []
    yield
    end_targets()
    assert find_children() == []


def name_of(function: str) -> TargetName:
    return parse_target_name(f"{DATA}:{function}")


def work_of(logits: Numbers = LOGITS, summation: Summation = Summation.WIDE) -> Work:
    cases = logits.shape[1]
    return Work(Arithmetic(FORMATS["float32"], summation), logits, IndexTarget(np.zeros(cases, dtype=np.intp)), 1.0, NO_OPTIONS)


def ask(function: str, guard: Guard = PATIENT) -> tuple[Numbers, Numbers | None]:
    return evaluate_target(name_of(function), work_of(), guard)


def loader(folder: Path, source: str) -> TargetName:
    (folder / "loads.py").write_text(f"{source}\ndef f(z, target):\n    return z[:, 0]\n", encoding="utf-8")
    return parse_target_name(f"{folder}/loads.py:f")


COUNTING = "from pathlib import Path\nwith Path(__file__).with_name('loads').open('a') as file:\n    file.write('x')\n"


@pytest.mark.parametrize(
    ("source", "guard", "words"),
    [
        ("import os\nos._exit(3)", PATIENT, "it ended its process: status 3"),
        ("raise SystemExit(3)", PATIENT, "it raised SystemExit: 3"),
        ("while True: pass", Guard(2.0), "it did not return within 2 s"),
    ],
)
def test_what_cannot_be_loaded_is_not_tried_again_until_targets_are_ended(
    source: str, guard: Guard, words: str, tmp_path: Path
) -> None:
    name = loader(tmp_path, COUNTING + source)
    for _ in range(2):
        with pytest.raises(TargetError) as caught:
            describe_target(name, guard)
        assert str(caught.value) == words
        with pytest.raises(TargetError) as caught:
            evaluate_target(name, work_of(), guard)
        assert str(caught.value) == words
    assert (tmp_path / "loads").read_text(encoding="utf-8") == "x"
    end_targets()
    loader(tmp_path, "")
    assert evaluate_target(name, work_of(), guard)[0].tolist() == [0.0, 2.0]


def test_loaded_targets_are_described_in_order_and_ended_whatever_happens() -> None:
    names = [f"{DATA}:prints", "naive", f"{DATA}:stable", "clipped:eps=1e-8"]
    with loaded_targets(names, PATIENT) as facts:
        assert [fact.formulation for fact in facts] == [names[0], names[2]]
        assert len(find_children()) == 2
    assert find_children() == []
    with pytest.raises(ZeroDivisionError), loaded_targets(names, PATIENT):
        raise ZeroDivisionError
    assert find_children() == []
    with pytest.raises(UsageError), loaded_targets([*names, f"{DATA}:nothing"], PATIENT):
        pytest.fail("a name that is not there")
    assert find_children() == []


def test_a_target_that_cannot_be_loaded_has_no_facts(tmp_path: Path) -> None:
    name = loader(tmp_path, "raise SystemExit")
    with loaded_targets([name.text, f"{DATA}:stable"], PATIENT) as facts:
        assert [fact.formulation for fact in facts] == [f"{DATA}:stable"]
        with pytest.raises(TargetError, match="it raised SystemExit"):
            evaluate_target(name, work_of(), PATIENT)
