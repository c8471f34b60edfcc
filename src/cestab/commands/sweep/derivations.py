"""The first failures of a report, operation by operation, as `cestab explain` shows them."""

import io
from collections.abc import Iterator
from contextlib import suppress

from cestab.commands.explain.case import run_explain
from cestab.commands.explain.table import render
from cestab.commands.interruption import HURRY
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.causes import find_first_failure, make_explain
from cestab.errors import UsageError

MOST = 20


def derive(report: Report) -> Iterator[tuple[str, str]]:
    """Yield a title and the explanation of the first case of each cause, at most MOST; after Ctrl-C no more."""
    for cause in report.causes[:MOST]:
        own = [result for result in report.settings if result.setting.formulation == cause.formulation]
        failure = find_first_failure(own, cause.dtypes[0])
        if failure is None:
            continue
        if HURRY.is_set():
            return
        with suppress(UsageError, OSError):  # a file that is gone meanwhile
            explanation = run_explain(make_explain(*failure, report.request))
            yield f"{cause.formulation}, {cause.dtypes[0]}: {cause.operation}", render(explanation, io.StringIO())
