"""Run the audits of a project, separately, and keep what was finished."""

from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from cestab.commands.audit.run import run_audit
from cestab.commands.check.answer import CheckAudit, CheckConfig
from cestab.commands.check.config import spell_option
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.run import run_sweep
from cestab.errors import UsageError
from cestab.evaluation.environment import count_cores, ignore_progress
from cestab.vocabulary.requests import SweepRequest

STEPS = 1000  # of one audit on the progress bar


def run_audits(config: CheckConfig, *, progress: Callable[[int, int], Any] = ignore_progress) -> list[Report]:
    """Return the report of every audit of a configuration, or of those before Ctrl-C.

    `progress` is called with the numbers of steps done and of all steps. Losses are named relative to the configuration; an
    error names the line of its audit.
    """
    reports: list[Report] = []
    here = Path.cwd()
    for index, audit in enumerate(config.audits):

        def report_progress(done: int, total: int, start: int = STEPS * index) -> None:
            progress(start + STEPS * done // max(1, total), STEPS * len(config.audits))

        try:
            with chdir(config.folder):
                reports.append(_run_audit(audit, here, report_progress))
        except UsageError as error:
            raise UsageError(
                f"{config.file}:{audit.location.line}: audit '{audit.name}': {error.spell(spell_option)}"
            ) from None
        except KeyboardInterrupt:
            if not reports:
                raise
            break
        if reports[-1].is_interrupted:
            break
    return reports


def _run_audit(audit: CheckAudit, here: Path, progress: Callable[[int, int], Any]) -> Report:
    """Return the report of one audit, whose recorded files are named relative to `here`."""
    request = audit.request
    if isinstance(request, SweepRequest):
        return run_sweep(request, progress=progress, cores=count_cores())
    return run_audit(request, progress=progress, folder=here)


def is_interrupted(config: CheckConfig, reports: Sequence[Report]) -> bool:
    """Whether Ctrl-C ended the audits before their end."""
    return len(reports) < len(config.audits) or any(report.is_interrupted for report in reports)
