"""Every exit status as a shell script sees it, pipes that close early, and interrupts."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

SMALL = "-f naive --dtype float16 --classes 2 --logits 0:20:9"
LONG = "--classes 1000,3000 --dtype float32,float64"
# Lines after $ are run by a shell, the others in this process: every command is run by a shell with every status that the
# tests of no other file see there.
# The shell becomes the sweep, which gets a signal from the shell's child as soon as its temporary file is there.
STARTED = "(for _ in $(seq 6000); do ls .cestab-*.part && break; sleep 0.05; done; kill -{signal} $$) > signals.txt 2>&1 & exec"
SCRIPTS = {
    "reports": f"""
$ cestab sweep {SMALL} > sweep.txt                                        # 0
cestab sweep {SMALL} --json -o old.json                                   # 0
$ cestab sweep {SMALL} --fail-on fail                                     # 1
cestab sweep {SMALL} --fail-on vanishing-gradient                         # 0
cestab compare naive compensated --dtype float16 --logits 0:20:9          # 0
$ cestab compare compensated naive --dtype float16 --logits 0:20:9 --fail-on-worse  # 1
$ cestab explain -f naive --logits 100,0 --target 1                       # 0
cestab explain                                                            # 0
cestab diff old.json old.json                                             # 0
$ sed 's/"cases": 9/"cases": 9, "verdict_of_nobody": 1/' old.json | cestab diff old.json -  # 0
cestab sweep {SMALL} --dtype bfloat16 --json -o new.json                  # 0
cestab diff old.json new.json                                             # 0
$ cestab diff new.json old.json                                           # 1
cestab list findings                                                      # 0
cestab schema sweep                                                       # 0
cestab --version                                                          # 0
cestab                                                                    # 0
$ cestab swep                                                             # 2
cestab sweep --dtype half                                                 # 2
cestab sweep -o missing/report.json                                       # 2
cestab diff old.json missing.json                                         # 2
$ head -c 1000 old.json | cestab diff old.json -                          # 2
""",
    "check": """
$ cestab check                                                            # 2
$ printf '[[audit]]\\nformulations="naive"\\ndtypes="float16"\\nlogits="0:20:9"\\nclasses=2\\n' > cestab.toml  # 0
$ cestab check                                                            # 1
$ sed -i s/naive/compensated/ cestab.toml                                 # 0
$ cestab check                                                            # 0
$ cestab check --config missing.toml 2>&1 | true                          # 2
""",
    "pipes": f"""
$ cestab list findings | head -n 1                                        # 0
$ cestab sweep {SMALL} --fail-on fail 2>&1 | true                         # 1
$ cestab compare compensated naive --dtype float16 --logits 0:20:9 --fail-on-worse 2>&1 | true  # 1
$ cestab sweep {SMALL} --json | head -c 1                                 # 0
""",
    "signals": f"""
$ {STARTED.format(signal="INT")} cestab sweep {LONG} -o report.txt        # 130
$ {STARTED.format(signal="TERM")} cestab sweep {LONG} -o report.txt       # 130
""",
}


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_status_is_what_a_script_expects(
    name: str, cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.rsplit("#", 1) for line in SCRIPTS[name].strip().splitlines()]
    seen = []
    for line, _ in lines:
        status, err = run_in_shell(line[1:]) if line.startswith("$") else cestab(*shlex.split(line)[1:])[::2]
        assert "Traceback" not in err, (line, err)
        seen.append((line, status))
    assert seen == [(line, int(status)) for line, status in lines]
    assert not list(tmp_path.glob(".*.part"))


def run_in_shell(line: str) -> tuple[int, str]:
    """Return the exit status of a line, any of whose commands may fail, and what it tells on standard error."""
    bash = shutil.which("bash")
    assert bash
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([bash, "-o", "pipefail", "-c", line], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr
