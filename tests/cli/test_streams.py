"""The standard streams as a shell can leave them: closed, full, abandoned; and an environment that makes no sense."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOSS = """
import numpy as np
def stable(z, y):
    m = z.max(1, keepdims=True)
    e = np.exp(z - m)
    p = e / e.sum(1, keepdims=True)
    g = p.copy()
    g[np.arange(len(y)), y] -= 1
    return np.log(e.sum(1)) + m[:, 0] - z[np.arange(len(y)), y], g
"""
SWEEP = "sweep -f losses.py:stable --dtype float32 --classes 2 --pattern margin"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "losses.py").write_text(LOSS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run `cestab COMMAND` in a shell, which closes and redirects."""
    line = f"{sys.executable} -m cestab {command}"
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, env=os.environ | environment, check=False)


def test_without_standard_input_a_right_loss_is_judged_as_with_it() -> None:
    with_input, without = shell(SWEEP), shell(f"{SWEEP} <&-")
    assert (without.returncode, without.stdout) == (0, with_input.stdout)


def test_without_standard_error_the_json_is_the_same() -> None:
    whole, without = shell(f"{SWEEP} --json"), shell(f"{SWEEP} --json 2>&-")
    assert (without.returncode, without.stdout) == (0, whole.stdout)
    assert json.loads(without.stdout)["schema"] == "cestab.sweep/1"


def test_without_standard_output_a_file_is_written() -> None:
    ended = shell("sweep -f naive --dtype float16 --classes 2 --json -o report.json >&-")
    assert ended.returncode == 0
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["schema"] == "cestab.sweep/1"


def test_without_any_stream_the_gate_is_the_same() -> None:
    assert shell(f"{SWEEP} --fail-on warn <&- >&- 2>&-").returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    "command", ["--help", "sweep --help", "list formulations", "sweep -f naive --dtype float16 --classes 2"]
)
def test_a_full_disk_is_a_sentence(command: str) -> None:
    ended = shell(f"{command} >/dev/full")
    assert ended.returncode == 2
    assert ended.stderr.decode().splitlines()[-1] == "cestab: cannot write the result: No space left on device"
    assert b"Traceback" not in ended.stderr


def test_a_name_that_is_no_utf_8_is_shown_escaped() -> None:
    ended = shell("audit \"$(printf '\\377.npz')\" --json")
    assert ended.returncode == 2
    assert ended.stderr.decode() == "cestab: there is no file '\\udcff.npz'\n"
    assert json.loads(ended.stdout)["message"] == "there is no file '\\udcff.npz'"


def test_a_width_beyond_every_terminal_is_no_request_for_memory() -> None:
    ended = shell("sweep -f naive --dtype float16 --classes 2 --pattern margin", COLUMNS="99999999999")
    assert ended.returncode == 0
    assert len(ended.stdout) < 10_000


def test_a_completion_without_words_ends_well() -> None:
    ended = shell("", _CESTAB_COMPLETE="complete_bash")
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_reader_that_leaves_ends_nothing_badly() -> None:
    for command in ("--help", "list formulations", "sweep -f naive --dtype float16 --classes 2 --json"):
        ended = shell(f'{command} | head -c 10 >/dev/null; test "$?" -eq 0')
        assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
