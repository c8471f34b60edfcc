"""Progress where there is no terminal: a line a minute, with the rate and the time that is left."""

from pathlib import Path

import numpy as np
import pytest

import cestab
from cestab.commands.audit.request import make_audit_request
from cestab.commands.audit.run import run_audit
from cestab.commands.progress import LineProgress
from cestab.vocabulary.phrases import show_duration


def test_a_line_a_minute_says_how_far_how_fast_and_how_long() -> None:
    now, lines = [0.0], list[str]()
    progress = LineProgress(what="auditing", unit="rows", tell=lines.append, clock=lambda: now[0])
    for second in range(0, 200, 10):
        now[0] = float(second)
        progress.report(100 * second, 100_000)
    assert lines == [
        "auditing: 6,000 of 100,000 rows, 100/s, 16 min left",
        "auditing: 12,000 of 100,000 rows, 100/s, 15 min left",
        "auditing: 18,000 of 100,000 rows, 100/s, 14 min left",
    ]
    now[0] = 1000.0
    progress.report(100_000, 100_000)
    assert len(lines) == 3, "what is finished needs no line"


def test_slow_work_is_counted_by_the_minute() -> None:
    now, lines = [0.0], list[str]()
    progress = LineProgress(what="sweeping", unit="groups of settings", tell=lines.append, clock=lambda: now[0])
    now[0] = 120.0
    progress.report(3, 8)
    assert lines == ["sweeping: 3 of 8 groups of settings, 1.5/min, 3 min left"]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (5400, "1.5 h")])
def test_durations_are_short(seconds: float, words: str) -> None:
    assert show_duration(seconds) == words


def test_long_work_is_announced_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", logits=np.zeros((30, 4)), labels=np.zeros(30, dtype=int))
    request = make_audit_request(str(tmp_path / "a.npz"), formulations=["naive", "clipped"], dtypes=["float32"])
    said = list[str]()
    run_audit(request, announce=said.append)
    assert said == []
    monkeypatch.setattr("cestab.commands.audit.run.LONG_NUMBERS", 240)
    run_audit(request, announce=said.append)
    assert said == ["30 rows of 4 classes in 2 settings: 240 numbers, about 0 s"]
    assert cestab.audit(str(tmp_path / "a.npz"), formulations="naive", dtypes="float32").rows == 30
