"""`cestab explain`: one case, operation by operation."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import ExplainOptions, OutputOptions, form_option, of_output
from cestab.commands.output import open_output, write_answer, write_text
from cestab.errors import UsageError
from cestab.reports.forms import Forms, OutputFormat

Formulation = Annotated[
    list[str] | None, typer.Option("-f", "--formulation", metavar="NAME[:KEY=VALUE,…]", help="Formulation, e.g. naive.")
]


Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The same without -f; by default the naive one.")]


@dataclass(frozen=True, kw_only=True)
class ExplainOutput(OutputOptions):
    """Where the explanation goes; it has only two forms."""

    forms: ClassVar = (OutputFormat.TABLE, OutputFormat.JSON)
    output_format: Annotated[OutputFormat | None, form_option(forms)]
    hexadecimal: Annotated[bool, of_output(flag="--hex", default=False, help="Show computed values in hexadecimal.")]


def asks_for_page(context: typer.Context) -> bool:
    """Whether no option was given but the format and the place of the output."""
    sources = (context.get_parameter_source(name) for name in context.params if name not in ("output", "dtype"))
    return not any(source is not None and source.name == "COMMANDLINE" for source in sources)


def choose_one(formulations: list[str], objective: str | None) -> str:
    """Return the one formulation that is named; without a name the first of the family, which is there for contrast."""
    if not formulations:
        from cestab.commands.resolve import find_objective
        from cestab.formulations import families

        return families()[find_objective([], objective)][0]
    if len(formulations) > 1:
        raise UsageError(
            f"explain takes one formulation, not {' and '.join(formulations)}: --against NAME shows another beside it"
        )
    return formulations[0]


@takes_options
def explain(
    context: typer.Context,
    name: Name = None,
    formulation: Formulation = None,
    *,
    options: ExplainOptions,
    output: ExplainOutput,
) -> None:
    """Show one case operation by operation beside exact arithmetic, and say which operation broke it.

    Without a case: why cross-entropy is fused with softmax, on a page of numbers computed in --dtype.

    Examples:
    cestab explain

    cestab explain naive --logits 100,0 --target 1

    cestab explain -f log-sum-exp --dtype bfloat16 --pattern offset --classes 2 --target correct --at 300

    cestab explain -f softmax-log --dtype float16 --from logits.npz --row 17

    """
    if asks_for_page(context) and output.form is OutputFormat.TABLE:
        from cestab.commands.explain import walkthrough, walkthrough_page

        page = walkthrough.compute_walkthrough(options.get("dtype", "float32"))
        with open_output(output.output) as stream:
            write_text(walkthrough_page.render(page, stream), stream)
        return
    named = [*([] if name is None else [name]), *(formulation or [])]
    chosen = choose_one(named, options.get("objective"))
    from cestab.commands.explain import table, wire
    from cestab.commands.explain.case import run_explain
    from cestab.commands.explain.request import list_files, make_explain_request

    request = make_explain_request(chosen, **options)
    forms = Forms(table=partial(table.render, hexadecimal=output.hexadecimal), json=wire.render)
    with open_output(output.output, list_files(request)) as stream:
        write_answer(run_explain(request), forms, output.form, stream)
