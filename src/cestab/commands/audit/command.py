"""`cestab audit`: the same judgement on recorded logits."""

from functools import partial
from typing import Annotated

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import AuditOptions, DetailedOutput
from cestab.commands.output import deliver, tell

FILE_HELP = "Logits and labels: .safetensors, .npz, .npy, .parquet, .arrow or .pt."
File = Annotated[str, typer.Argument(metavar="FILE", help=FILE_HELP)]


@takes_options
def audit(file: File, options: AuditOptions, output: DetailedOutput) -> None:
    """Judge formulations on recorded logits: how many rows get which finding, and what rounding the logits cost.

    Examples:
    cestab audit logits.npz

    cestab audit logits.npy --labels labels.npy --dtype bfloat16 -f log-sum-exp --fail-on fail

    cestab audit logits.safetensors --sample 10000

    """
    from cestab.commands.audit.request import list_recorded, make_audit_request
    from cestab.commands.audit.run import run_audit
    from cestab.commands.sweep.forms import make_forms
    from cestab.external.names import list_loss_files

    request = make_audit_request(file, **options)
    inputs = list_recorded(request) + list_loss_files(request.formulations)
    deliver(partial(run_audit, request, announce=tell), make_forms(detail=output.detail), output, ("auditing", "rows"), inputs)
