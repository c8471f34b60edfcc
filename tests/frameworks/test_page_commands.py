"""Every command of docs/targets.md that names a framework runs, and judges something."""

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if re.search(r"-f (torch|jax|keras|tensorflow):", line)]

for module in ("torch", "jax", "optax", "keras", "tensorflow"):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed", allow_module_level=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cestab", *shlex.split(command)[1:]], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Run by" in done.stdout
    assert "error" not in done.stdout.split("Run by", maxsplit=1)[0]


def test_each_framework_has_a_command() -> None:
    assert len(COMMANDS) >= 4
