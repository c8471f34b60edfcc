"""Targets that cannot be loaded, and the processes of all the targets of a request."""

from pathlib import Path

import pytest
from loss_processes import DATA, PATIENT, find_children, no_process_is_left, work_of  # noqa: F401  # a fixture

from cestab.errors import UsageError
from cestab.external.engines.base import ExternalError
from cestab.external.loaded import loaded_losses
from cestab.external.names import ExternalName, parse_external_name
from cestab.external.process.client import describe_loss, end_losses, evaluate_loss
from cestab.vocabulary.external import Guard


def loader(folder: Path, source: str) -> ExternalName:
    (folder / "loads.py").write_text(f"{source}\ndef f(z, target):\n    return z[:, 0]\n", encoding="utf-8")
    return parse_external_name(f"{folder}/loads.py:f")


COUNTING = "from pathlib import Path\nwith Path(__file__).with_name('loads').open('a') as file:\n    file.write('x')\n"


@pytest.mark.parametrize(
    ("source", "guard", "words"),
    [
        ("import os\nos._exit(3)", PATIENT, "it ended its process: status 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", PATIENT, "it ended its process: signal SIGTERM"),
        ("while True: pass", Guard(timeout_seconds=2.0), "it did not load within 2 s"),
    ],
)
def test_what_cannot_be_loaded_is_not_tried_again_until_targets_are_ended(
    source: str, guard: Guard, words: str, tmp_path: Path
) -> None:
    name = loader(tmp_path, COUNTING + source)
    for _ in range(2):
        with pytest.raises(ExternalError) as caught:
            describe_loss(name, guard)
        assert str(caught.value) == words
        with pytest.raises(ExternalError) as caught:
            evaluate_loss(name, work_of(), guard)
        assert str(caught.value) == words
    assert (tmp_path / "loads").read_text(encoding="utf-8") == "x"
    end_losses()
    loader(tmp_path, "")
    assert evaluate_loss(name, work_of(), guard)[0].tolist() == [0.0, 2.0]


def test_loaded_targets_are_described_in_order_and_ended_whatever_happens() -> None:
    names = [f"{DATA}:prints", "naive", f"{DATA}:stable", "clipped:eps=1e-8"]
    with loaded_losses(names, PATIENT) as facts:
        assert [fact.formulation for fact in facts] == [names[0], names[2]]
        assert len(find_children()) == 2
    assert find_children() == []
    with pytest.raises(ZeroDivisionError), loaded_losses(names, PATIENT):
        raise ZeroDivisionError
    assert find_children() == []
    with pytest.raises(UsageError), loaded_losses([*names, f"{DATA}:nothing"], PATIENT):
        pytest.fail("a name that is not there")
    assert find_children() == []


WAITING = """
import time
from pathlib import Path
here = Path(__file__)
here.with_suffix(".started").touch()
while len(list(here.parent.glob("*.started"))) < 3:
    time.sleep(0.01)
def f(z, target):
    return z[:, 0]
"""


def test_targets_load_at_the_same_time(tmp_path: Path) -> None:
    """Each waits until all three are there, which one after the other never would be."""
    waits = "import time\nfrom pathlib import Path\nhere = Path(__file__)\nhere.with_suffix('.started').touch()\n"
    waits += (
        "while len(list(here.parent.glob('*.started'))) < 3:\n    time.sleep(0.01)\ndef f(z, target):\n    return z[:, 0]\n"
    )
    for number in range(3):
        (tmp_path / f"part{number}.py").write_text(waits, encoding="utf-8")
    with loaded_losses([f"{tmp_path}/part{number}.py:f" for number in range(3)], PATIENT) as facts:
        assert len(facts) == 3


def test_a_target_that_cannot_be_loaded_has_no_facts(tmp_path: Path) -> None:
    name = loader(tmp_path, "import os\nos._exit(4)")
    with loaded_losses([name.text, f"{DATA}:stable"], PATIENT) as facts:
        assert [fact.formulation for fact in facts] == [f"{DATA}:stable"]
        with pytest.raises(ExternalError, match="it ended its process: status 4"):
            evaluate_loss(name, work_of(), PATIENT)
