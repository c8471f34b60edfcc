"""The `reproduce` of a finding: the `cestab explain` command line that shows the same case."""

import shlex

from cestab.audit.evaluate import Conditions
from cestab.results import Fp8Overflow, Summation


def sweep_command(conditions: Conditions, formulation: str, t: str) -> str:
    """Return the command for the case at magnitude t of a setting."""
    case = ["--pattern", conditions.pattern, "--classes", str(conditions.classes), "--target", conditions.target]
    if conditions.seed:
        case += ["--seed", str(conditions.seed)]
    return shlex.join([*_start(conditions, formulation), *case, f"--at={t}"])


def row_command(conditions: Conditions, formulation: str, file: str, labels: str | None, row: int, axis: int) -> str:
    """Return the command for one row of recorded logits."""
    source = ["--from", file, "--row", str(row)]
    if labels is not None:
        source += ["--labels", labels]
    if axis != 1:
        source += ["--axis", str(axis)]
    return shlex.join([*_start(conditions, formulation), *source])


def _start(conditions: Conditions, formulation: str) -> list[str]:
    """Return the command with the options that differ from their defaults."""
    words = ["cestab", "explain", "-f", formulation, "--dtype", conditions.fmt.name]
    if conditions.compute != conditions.fmt:
        words += ["--compute", conditions.compute.name]
    if conditions.summation is not Summation.WIDE:
        words += ["--summation", conditions.summation]
    if conditions.loss_scale != 1:
        words += ["--loss-scale", repr(conditions.loss_scale)]
    if conditions.rtol != conditions.fmt.rtol:
        words += ["--rtol", repr(conditions.rtol)]
    if conditions.atol != conditions.fmt.atol:
        words += ["--atol", repr(conditions.atol)]
    if conditions.fp8_overflow is not Fp8Overflow.NAN and not conditions.fmt.has_infinity:
        words += ["--fp8-overflow", conditions.fp8_overflow]
    if conditions.flush:
        words.append("--flush-subnormals")
    return words
