"""Every exit status as a shell script sees it, pipes that close early, and interrupts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "-f naive --dtype float16 --classes 2 --logits 0:20:9"
LONG = "--classes 1000,3000 --dtype float32,float64"
SCRIPT = f"""
cestab sweep {SMALL} > sweep.txt                                          # 0
cestab sweep {SMALL} --json -o old.json                                   # 0
cestab sweep {SMALL} --fail-on fail                                       # 1
cestab sweep {SMALL} --fail-on vanishing-gradient                         # 0
cestab compare naive compensated --dtype float16 --logits 0:20:9          # 0
cestab compare compensated naive --dtype float16 --logits 0:20:9 --fail-on-worse  # 1
cestab explain -f naive --logits 100,0 --target 1                         # 0
cestab explain                                                            # 0
cestab diff old.json old.json                                             # 0
sed 's/"cases": 9/"cases": 9, "verdict_of_nobody": 1/' old.json | cestab diff old.json -  # 0
cestab sweep {SMALL} --dtype bfloat16 --json -o new.json                  # 0
cestab diff old.json new.json                                             # 0
cestab diff new.json old.json                                             # 1
cestab check                                                              # 2
printf '[[audit]]\\nformulations="naive"\\ndtypes="float16"\\nlogits="0:20:9"\\nclasses=2\\n' > cestab.toml  # 0
cestab check                                                              # 1
sed -i s/naive/compensated/ cestab.toml                                   # 0
cestab check                                                              # 0
cestab list findings                                                      # 0
cestab schema sweep                                                       # 0
cestab --version                                                          # 0
cestab                                                                    # 0
cestab swep                                                               # 2
cestab sweep --dtype half                                                 # 2
cestab sweep -o missing/report.json                                       # 2
cestab diff old.json missing.json                                         # 2
head -c 1000 old.json | cestab diff old.json -                            # 2
cestab list findings | head -n 1                                          # 0
cestab sweep {SMALL} --fail-on fail 2>&1 | true                           # 1
cestab check --config missing.toml 2>&1 | true                            # 2
cestab compare compensated naive --dtype float16 --logits 0:20:9 --fail-on-worse 2>&1 | true  # 1
cestab sweep {SMALL} --json | head -c 1                                   # 0
timeout --preserve-status -s INT 1 cestab sweep {LONG}                    # 130
timeout --preserve-status -s TERM 1 cestab sweep {LONG} -o report.txt     # 130
"""
LINES = [line.rsplit("#", 1) for line in SCRIPT.strip().splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
def test_every_status_is_what_a_script_expects(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    seen = []
    for line, _ in LINES:
        words = [bash, "-o", "pipefail", "-c", line]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, (line, done.stderr)
        seen.append((line.strip(), done.returncode))
    assert seen == [(line.strip(), int(status)) for line, status in LINES]
    assert not list(tmp_path.glob(".*.part"))
