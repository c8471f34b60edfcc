"""The `reproduce` of a finding: the `cestab explain` command line that shows the same case."""

import shlex

from cestab.commands.option_groups import write_words
from cestab.commands.options import ExplainOptions
from cestab.evaluation.blocks import Conditions
from cestab.external.formulation import find_any_formulation
from cestab.vocabulary.loss_options import DEFAULT_IGNORE_INDEX
from cestab.vocabulary.objectives import DEFAULT_OBJECTIVE
from cestab.vocabulary.requests import DEFAULT_CLASS_AXIS, AuditRequest, rules_of
from cestab.vocabulary.settings import Place


def sweep_command(conditions: Conditions, formulation: str, place: Place) -> str:
    """Return the command for the case at a place of a setting."""
    if place.pair is not None:
        logits = ",".join(own.decimal for own in place.pair)
        return shlex.join([*_start(conditions, formulation), f"--logits={logits}", f"--target={conditions.target}"])
    case = {
        "pattern": conditions.pattern,
        "classes": conditions.classes,
        "target": conditions.target,
        "seed": conditions.seed or None,
    }
    return shlex.join([*_start(conditions, formulation), *write_words(ExplainOptions, case), f"--at={place.decimal}"])


def row_command(conditions: Conditions, formulation: str, request: AuditRequest, row: int) -> str:
    """Return the command for one row of recorded logits."""
    case = {
        "file": request.file,
        "row": row,
        "labels": request.labels,
        "logits_key": request.logits_key,
        "labels_key": request.labels_key,
    }
    words = [*_start(conditions, formulation), *write_words(ExplainOptions, case)]
    if request.class_axis != DEFAULT_CLASS_AXIS:
        words.append(f"--axis={request.class_axis}")
    if request.ignore_index != DEFAULT_IGNORE_INDEX:
        words.append(f"--ignore-index={request.ignore_index}")
    return shlex.join(words)


def _start(conditions: Conditions, formulation: str) -> list[str]:
    """Return the command with the options that differ from their defaults."""
    fmt, objective, rows = conditions.fmt, conditions.objective, conditions.options
    is_implied = objective in (find_any_formulation(formulation).objective, DEFAULT_OBJECTIVE)
    arithmetic = {
        "objective": None if is_implied else objective.name,
        "compute": None if conditions.compute == fmt else conditions.compute.name,
        "summation": conditions.summation,
        "loss_scale": conditions.loss_scale,
        "rtol": None if conditions.rtol == fmt.rtol else conditions.rtol,
        "atol": None if conditions.atol == fmt.atol else conditions.atol,
        **rules_of(conditions),
    }
    if fmt.has_infinity:
        del arithmetic["fp8_overflow"]
    words = ["cestab", "explain", "-f", formulation, "--dtype", fmt.name, *write_words(ExplainOptions, arithmetic)]
    if rows.batch > 1:
        words += ["--batch", str(rows.batch), "--reduction", rows.reduction]
    return words
