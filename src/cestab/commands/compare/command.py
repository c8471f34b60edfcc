"""`cestab compare`: the same cases through a reference formulation and others."""

from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cestab.commands import options
from cestab.commands.options import OutputFormat
from cestab.commands.output import open_output, show_progress, tell, write_text
from cestab.errors import ExitStatus, UsageError
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import explain_unjudged

if TYPE_CHECKING:
    from cestab.commands.compare.answer import Comparison

FORMS = (OutputFormat.TABLE, OutputFormat.JSON, OutputFormat.MARKDOWN, OutputFormat.CSV)
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="Formulation to compare with.")]
Others = Annotated[list[str], typer.Argument(metavar="OTHER…", help="Formulations that are compared with it.")]
FailOnWorse = Annotated[
    bool,
    typer.Option("--fail-on-worse", help="Exit 1 if an OTHER is worse in some setting.", rich_help_panel=options.JUDGEMENT),
]


def compare(
    reference: Reference,
    other: Others,
    objective: options.ObjectiveName = None,
    dtype: options.Dtypes = None,
    compute: options.Compute = None,
    summation: options.Summations = None,
    logits: options.Logits = "all",
    pattern: options.Patterns = None,
    classes: options.Classes = None,
    target: options.Targets = None,
    loss_scale: options.LossScales = None,
    rtol: options.Rtol = None,
    atol: options.Atol = None,
    seed: options.Seed = 0,
    batch: options.Batch = 1,
    reduction: options.Reduction = "mean",
    fp8_overflow: options.Fp8Overflow = "nan",
    flush_subnormals: options.FlushSubnormals = False,
    timeout: options.Timeout = None,
    max_memory: options.MaxMemory = None,
    fail_on_worse: FailOnWorse = False,
    output_format: options.CompareForm = None,
    json: options.Json = False,
    output: options.Output = None,
    detail: options.Detail = False,
) -> None:
    """Say how OTHER formulations do beside REFERENCE: equal, nearer the truth, better or worse, and where.

    Worse is a worse verdict in some setting, a kind of warning or failure that REFERENCE lacks, or a hard finding (nan,
    inf, vanishing or underflowing, or an overflowing gradient) that begins at a smaller |t|.

    Examples:
    cestab compare naive log-sum-exp

    cestab compare log-sum-exp compensated online:chunk=64 --dtype bfloat16 --pattern offset --detail

    cestab compare log-softmax clipped --fail-on-worse --json -o comparison.json

    """
    form = options.choose_format(output_format, json=json, detail=detail, allowed=FORMS)
    from cestab.commands.compare.run import make_pair, run_comparison
    from cestab.commands.resolve import make_arithmetics, make_guard
    from cestab.commands.sweep.request import make_sweep_request

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
    request = make_sweep_request(
        make_pair(reference, other),
        objective,
        arithmetics,
        logits,
        options.split_list(pattern),
        options.split_integers(classes, "--classes"),
        options.split_list(target),
        seed,
        batch=batch,
        reduction=reduction,
        guard=make_guard(timeout, max_memory),
    )
    with open_output(output) as stream:
        with show_progress("comparing") as progress:
            comparison = run_comparison(request, fails_on_worse=fail_on_worse, progress=progress)
        if comparison.exit_status() is ExitStatus.USAGE:
            reasons = explain_unjudged(setting.other for setting in comparison.settings)
            raise UsageError(f"nothing could be compared: {reasons}")
        write_text(_render(comparison, stream, form, detail=detail), stream)
    _exit_with(comparison)


def _render(comparison: "Comparison", stream: TextIO, form: OutputFormat, *, detail: bool) -> str:
    from cestab.commands.compare import table as comparison_table
    from cestab.commands.compare import wire as comparison_json

    match form:
        case OutputFormat.JSON:
            return comparison_json.render(comparison)
        case OutputFormat.CSV:
            return comparison_table.render_csv(comparison)
        case OutputFormat.MARKDOWN:
            return comparison_table.render_markdown(comparison)
        case _:
            return comparison_table.render(comparison, stream, detail=detail)


def _exit_with(comparison: "Comparison") -> None:
    """Say on standard error what is worse, and exit with the comparison's status."""
    worse = comparison.worse()
    if not comparison.fails_on_worse and not comparison.is_interrupted:
        tell("nothing was gated; --fail-on-worse makes the exit status 1 if an OTHER is worse")
    elif worse:
        names = ", ".join(dict.fromkeys(setting.other.setting.formulation for setting in worse))
        found = f"worse than {comparison.reference} in {len(worse)} of {show_count(len(comparison.settings), 'setting')}"
        tell(f"{names}: {found}, e.g. {worse[0].worse[0]}")
    raise typer.Exit(comparison.exit_status())
