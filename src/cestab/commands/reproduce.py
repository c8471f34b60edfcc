"""The `reproduce` of a finding: the `cestab explain` command line that shows the same case."""

import shlex

from cestab.evaluation.blocks import Conditions
from cestab.external.formulation import find_any_formulation
from cestab.vocabulary.kinds import Fp8Overflow, Summation
from cestab.vocabulary.objectives import DEFAULT_OBJECTIVE
from cestab.vocabulary.requests import DEFAULT_IGNORE_INDEX, AuditRequest


def sweep_command(conditions: Conditions, formulation: str, t: str) -> str:
    """Return the command for the case at magnitude t of a setting."""
    case = ["--pattern", conditions.pattern, "--classes", str(conditions.classes), "--target", conditions.target]
    if conditions.seed:
        case += ["--seed", str(conditions.seed)]
    return shlex.join([*_start(conditions, formulation), *case, f"--at={t}"])


def row_command(conditions: Conditions, formulation: str, request: AuditRequest, row: int) -> str:
    """Return the command for one row of recorded logits."""
    source = ["--from", request.file, "--row", str(row)]
    if request.labels is not None:
        source += ["--labels", request.labels]
    if request.class_axis != 1:
        source += ["--axis", str(request.class_axis)]
    if request.ignore_index != DEFAULT_IGNORE_INDEX:
        source.append(f"--ignore-index={request.ignore_index}")
    return shlex.join([*_start(conditions, formulation), *source])


def _start(conditions: Conditions, formulation: str) -> list[str]:
    """Return the command with the options that differ from their defaults."""
    words = ["cestab", "explain", "-f", formulation, "--dtype", conditions.fmt.name]
    if find_any_formulation(formulation).objective != conditions.objective and conditions.objective != DEFAULT_OBJECTIVE:
        words += ["--objective", conditions.objective.name]
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
    if conditions.options.batch > 1:
        words += ["--batch", str(conditions.options.batch), "--reduction", conditions.options.reduction]
    return words
