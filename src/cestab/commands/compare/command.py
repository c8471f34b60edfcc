"""`cestab compare`: the same cases through a reference formulation and others."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import CompareOptions, PlottedOutput, form_option
from cestab.commands.output import deliver, tell
from cestab.reports.forms import OutputFormat

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="Formulation to compare with.")]
Others = Annotated[list[str], typer.Argument(metavar="OTHER…", help="Formulations that are compared with it.")]
FailOnWorse = Annotated[
    bool,
    typer.Option("--fail-on-worse", help="Exit 1 if an OTHER is worse in some setting.", rich_help_panel="Judgement"),
]


@dataclass(frozen=True, kw_only=True)
class CompareOutput(PlottedOutput):
    """Where the comparison goes; it has no form for CI."""

    forms: ClassVar = (OutputFormat.TABLE, OutputFormat.JSON, OutputFormat.MARKDOWN, OutputFormat.CSV, OutputFormat.HTML)
    output_format: Annotated[OutputFormat | None, form_option(forms)]


@takes_options
def compare(
    reference: Reference,
    other: Others,
    options: CompareOptions,
    *,
    fail_on_worse: FailOnWorse = False,
    output: CompareOutput,
) -> None:
    """Say how OTHER formulations do beside REFERENCE: equal, nearer the truth, better or worse, and where.

    Worse is a worse verdict in some setting, a kind of warning or failure that REFERENCE lacks, or a hard finding (nan,
    inf, vanishing or underflowing, or an overflowing gradient) that begins at a smaller |t|.

    Examples:
    cestab compare naive log-sum-exp

    cestab compare log-sum-exp compensated online:chunk=64 --dtype bfloat16 --pattern offset --detail

    cestab compare log-softmax clipped --fail-on-worse --json -o comparison.json

    """
    from cestab.commands.compare.forms import make_forms
    from cestab.commands.compare.run import make_pair, run_comparison
    from cestab.commands.sweep.request import make_sweep_request
    from cestab.external.names import list_loss_files

    request = make_sweep_request(make_pair(reference, other), **options)
    if output.form is OutputFormat.HTML:
        request = replace(request, curves=True)
    run = partial(run_comparison, request, fails_on_worse=fail_on_worse, announce=tell)
    deliver(
        run,
        make_forms(detail=output.detail, plot=output.plot),
        output,
        ("comparing", "cases"),
        list_loss_files(request.formulations),
    )
