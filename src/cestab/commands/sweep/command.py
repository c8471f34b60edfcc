"""`cestab sweep`: logits and labels across ranges and formats, every formulation judged."""

from cestab.commands import options
from cestab.commands.output import exit_with, open_output, show_progress, write_report


def sweep(
    formulation: options.Formulations = None,
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
    fail_on: options.FailOn = None,
    output_format: options.Format = None,
    json: options.Json = False,
    output: options.Output = None,
    detail: options.Detail = False,
) -> None:
    """Sweep logits and labels through formulations and say which break, where that begins, and what to use instead.

    Examples:
    cestab sweep

    cestab sweep -f naive -f clipped:eps=1e-8 --dtype float16,float32 --logits -100:100

    cestab sweep -f torch:torch.nn.functional.cross_entropy -f losses.py:my_loss --classes 2

    cestab sweep --objective binary-cross-entropy --target soft:0:1:11 --detail

    cestab sweep -f log-sum-exp --dtype bfloat16 --compute float32 --fail-on fail --json -o report.json

    """
    from cestab.commands.resolve import make_arithmetics, make_guard
    from cestab.commands.sweep.request import make_sweep_request
    from cestab.commands.sweep.run import run_sweep

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
    request = make_sweep_request(
        formulation,
        objective,
        arithmetics,
        logits,
        options.split_list(pattern),
        options.split_integers(classes, "--classes"),
        options.split_list(target),
        seed,
        options.split_list(fail_on),
        batch,
        reduction,
        make_guard(timeout, max_memory),
    )
    with open_output(output) as stream:
        with show_progress("sweeping") as progress:
            report = run_sweep(request, progress=progress)
        write_report(report, stream, form, detail=detail)
    exit_with(report)
