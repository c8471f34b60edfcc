"""`cestab audit`: the same judgement on recorded logits."""

from typing import Annotated

import typer

from cestab.commands import options
from cestab.commands.output import exit_with, open_output, show_progress, write_report
from cestab.vocabulary.requests import DEFAULT_IGNORE_INDEX

FILE_HELP = "Logits and labels: .safetensors, .npz, .npy, .parquet, .arrow or .pt."
File = Annotated[str, typer.Argument(metavar="FILE", help=FILE_HELP)]
Axis = Annotated[
    int,
    typer.Option("--axis", help="Axis of the classes: 1 for cases first, 0 for classes first.", rich_help_panel=options.CASES),
]
IgnoreIndex = Annotated[
    int, typer.Option("--ignore-index", help="Rows with this label are not judged.", rich_help_panel=options.CASES)
]
Sample = Annotated[
    int | None, typer.Option("--sample", metavar="N", help="Judge N rows drawn by --seed.", rich_help_panel=options.CASES)
]
SampleSeed = Annotated[int, typer.Option("--seed", help="Seed of --sample.", rich_help_panel=options.CASES)]


def audit(
    file: File,
    labels: options.Labels = None,
    axis: Axis = 1,
    ignore_index: IgnoreIndex = DEFAULT_IGNORE_INDEX,
    sample: Sample = None,
    seed: SampleSeed = 0,
    formulation: options.Formulations = None,
    objective: options.ObjectiveName = None,
    dtype: options.Dtypes = None,
    compute: options.Compute = None,
    summation: options.Summations = None,
    loss_scale: options.LossScales = None,
    rtol: options.Rtol = None,
    atol: options.Atol = None,
    fp8_overflow: options.Fp8Overflow = "nan",
    flush_subnormals: options.FlushSubnormals = False,
    timeout: options.Timeout = None,
    max_memory: options.MaxMemory = None,
    fail_on: options.FailOn = None,
    output_format: options.Format = None,
    json: options.Json = False,
    output: options.Output = None,
    detail: options.Detail = False,
) -> None:
    """Judge formulations on recorded logits: how many rows get which finding, and what rounding the logits cost.

    Examples:
    cestab audit logits.npz

    cestab audit logits.npy --labels labels.npy --dtype bfloat16 -f log-sum-exp --fail-on fail

    cestab audit logits.safetensors --sample 10000

    """
    from cestab.commands.audit.request import make_audit_request
    from cestab.commands.audit.run import run_audit
    from cestab.commands.resolve import make_arithmetics, make_guard

    form = options.choose_format(output_format, json=json, detail=detail)
    arithmetics = make_arithmetics(
        options.split_list(dtype),
        compute,
        options.split_list(summation),
        options.split_floats(loss_scale, "--loss-scale"),
        rtol,
        atol,
        fp8_overflow,
        flush_subnormals=flush_subnormals,
    )
    gates, guard = options.split_list(fail_on), make_guard(timeout, max_memory)
    source = file, labels, formulation, objective, arithmetics, axis, ignore_index, gates, sample, seed
    request = make_audit_request(*source, guard)
    with open_output(output) as stream:
        with show_progress("auditing") as progress:
            report = run_audit(request, progress=progress)
        write_report(report, stream, form, detail=detail)
    exit_with(report)
