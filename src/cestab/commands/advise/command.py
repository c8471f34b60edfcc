"""`cestab advise`: what to use in a format, without a file."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from cestab.commands.option_groups import takes_options
from cestab.commands.options import AdviseOptions, FormulationOptions, OutputOptions, form_option
from cestab.commands.output import deliver, tell
from cestab.reports.forms import Forms, OutputFormat

if TYPE_CHECKING:
    from cestab.commands.advise.answer import Advice


@dataclass(frozen=True, kw_only=True)
class AdviseOutput(OutputOptions):
    """Where the advice goes; it has no form for CI."""

    forms: ClassVar = (OutputFormat.TABLE, OutputFormat.JSON, OutputFormat.HTML)
    output_format: Annotated[OutputFormat | None, form_option(forms)]


@takes_options
def advise(formulation: FormulationOptions, options: AdviseOptions, output: AdviseOutput) -> None:
    """Say which formulation, epsilon, loss scales and accumulator hold in a format, each with the case that proves it.

    Examples:
    cestab advise --dtype float16

    cestab advise --dtype float16,bfloat16 --classes 50257 --batch 4096 --logits -50:50

    cestab advise -f torch:torch.nn.functional.cross_entropy --dtype bfloat16 --classes 1000

    """
    from cestab.commands.advise import table, wire
    from cestab.commands.advise.request import make_advise_request
    from cestab.commands.advise.run import run_advise
    from cestab.external.names import list_loss_files

    request = make_advise_request(**formulation, **options)
    forms = Forms(table=table.render, json=wire.render, html=_render_html)
    inputs = list_loss_files(request.formulations)
    deliver(partial(run_advise, request, announce=tell), forms, output, ("advising", "formats"), inputs)


def _render_html(advice: "Advice") -> str:
    from cestab.commands.advise.page import to_page
    from cestab.reports.page.render import render_page

    return render_page(to_page(advice))
