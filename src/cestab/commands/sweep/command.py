"""`cestab sweep`: logits and labels across ranges and formats, every formulation judged."""

from dataclasses import replace
from functools import partial

from cestab.commands.option_groups import takes_options
from cestab.commands.options import FormulationOptions, PlottedOutput, SweepOptions
from cestab.commands.output import deliver, tell
from cestab.reports.forms import OutputFormat


@takes_options
def sweep(formulation: FormulationOptions, options: SweepOptions, output: PlottedOutput) -> None:
    """Sweep logits and labels through formulations and say which break, where that begins, and what to use instead.

    Examples:
    cestab sweep

    cestab sweep -f naive -f clipped:eps=1e-8 --dtype float16,float32 --logits -100:100

    cestab sweep -f torch:torch.nn.functional.cross_entropy -f losses.py:my_loss --classes 2

    cestab sweep -f naive -f clipped -f log-softmax --dtype float32 --plot

    cestab sweep --objective binary-cross-entropy --target soft:0:1:11 --detail

    cestab sweep -f log-sum-exp --dtype bfloat16 --compute float32 --fail-on fail --json -o report.json

    cestab sweep -f log-sum-exp --dtype float32 --classes 2 --pattern margin --logits all --exhaustive

    cestab sweep -o report.html

    """
    from cestab.commands.sweep.forms import make_forms
    from cestab.commands.sweep.request import make_sweep_request
    from cestab.commands.sweep.run import run_sweep
    from cestab.evaluation.environment import count_cores
    from cestab.external.names import list_loss_files

    request = make_sweep_request(**formulation, **options)
    if output.form is OutputFormat.HTML:
        request = replace(request, curves=True)
    inputs = list_loss_files(request.formulations)
    deliver(
        partial(run_sweep, request, announce=tell, cores=count_cores()),
        make_forms(detail=output.detail, plot=output.plot),
        output,
        ("sweeping", "cases"),
        inputs,
    )
