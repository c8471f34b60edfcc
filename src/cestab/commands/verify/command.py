"""`cestab verify`: boundaries, findings and largest errors of a report, decided again in ball arithmetic."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import OutputOptions, form_option
from cestab.commands.output import deliver, tell
from cestab.reports.forms import OutputFormat

File = Annotated[str, typer.Argument(metavar="REPORT.json", help="Report of sweep; - is standard input.")]
RunsAll = Annotated[bool, typer.Option("--all", help="Run the whole request again, too, and compare every count.")]


@dataclass(frozen=True, kw_only=True)
class VerifyOutput(OutputOptions):
    """The output of a command that has two forms."""

    forms: ClassVar = (OutputFormat.TABLE, OutputFormat.JSON)
    output_format: Annotated[OutputFormat | None, form_option(forms)]


@takes_options
def verify(report: File, *, runs_all: RunsAll = False, output: VerifyOutput) -> None:
    """Run the places that a report names again, decide them in ball arithmetic, and exit 1 if a figure is not confirmed.

    Examples:
    cestab verify report.json

    cestab sweep --json | cestab verify -

    cestab verify report.json --all --json -o verified.json

    """
    from cestab.commands.sweep.restore import load_report
    from cestab.commands.verify import table, wire
    from cestab.commands.verify.run import run_verification
    from cestab.evaluation.environment import count_cores
    from cestab.reports.forms import Forms

    loaded = load_report(report)
    run = partial(run_verification, loaded, report, runs_all=runs_all, announce=tell, cores=count_cores())
    deliver(run, Forms(table=table.render, json=wire.render), output, ("verifying", "settings"), (report,))
