"""`cestab explain`: one case, operation by operation."""

from typing import Annotated

import typer

from cestab.commands import options
from cestab.commands.options import OutputFormat
from cestab.commands.output import open_output, write_text
from cestab.errors import UsageError

FORMS = (OutputFormat.TABLE, OutputFormat.JSON)
Formulation = Annotated[
    list[str] | None, typer.Option("-f", "--formulation", metavar="NAME[:KEY=VALUE,…]", help="Formulation, e.g. naive.")
]
Against = Annotated[
    str | None, typer.Option("--against", metavar="NAME", help="Formulation to show beside it. Default: the best on the case.")
]
Dtype = Annotated[str, typer.Option("--dtype", metavar="FORMAT", help="Number format.", rich_help_panel=options.ARITHMETIC)]
SummationOrder = Annotated[
    str,
    typer.Option("--summation", metavar="wide|pairwise|sequential", help="Sum order.", rich_help_panel=options.ARITHMETIC),
]
LossScale = Annotated[float, typer.Option("--loss-scale", help="Factor on the gradient.", rich_help_panel=options.ARITHMETIC)]
GivenLogits = Annotated[
    str | None, typer.Option("--logits", metavar="Z,…", help="The logits, e.g. 100,0.", rich_help_panel=options.CASES)
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="T", help="Class, weights, label, or a target kind; wrong with --at.", rich_help_panel=options.CASES
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="NAME", help="Of a generated case. Default: margin.", rich_help_panel=options.CASES),
]
Classes = Annotated[
    int | None, typer.Option("--classes", metavar="N", help="Its classes. Default: 2.", rich_help_panel=options.CASES)
]
At = Annotated[float | None, typer.Option("--at", metavar="T", help="Its magnitude t.", rich_help_panel=options.CASES)]
Seed = Annotated[int | None, typer.Option("--seed", help="Its seed (gaussian). Default: 0.", rich_help_panel=options.CASES)]
Axis = Annotated[int | None, typer.Option("--axis", help="Axis of the classes, as in audit.", rich_help_panel=options.CASES)]
IgnoreIndex = Annotated[
    int | None, typer.Option("--ignore-index", help="Label of rows that are no case.", rich_help_panel=options.CASES)
]
Source = Annotated[
    str | None, typer.Option("--from", metavar="FILE", help="Recorded logits, as in audit.", rich_help_panel=options.CASES)
]
Row = Annotated[int | None, typer.Option("--row", metavar="N", help="Row of the file, from 0.", rich_help_panel=options.CASES)]
Hexadecimal = Annotated[
    bool, typer.Option("--hex", help="Show computed values in hexadecimal.", rich_help_panel=options.OUTPUT)
]


def is_called_alone(context: typer.Context) -> bool:
    """Whether no option was given but the place of the output."""
    sources = (context.get_parameter_source(name) for name in context.params if name != "output")
    return not any(source is not None and source.name == "COMMANDLINE" for source in sources)


def choose_one(formulations: list[str] | None) -> str:
    """Return the one formulation that is named."""
    if not formulations:
        raise UsageError("explain needs a formulation: -f NAME (`cestab list formulations` names them)")
    if len(formulations) > 1:
        raise UsageError(
            f"explain takes one formulation, not {' and '.join(formulations)}: --against NAME shows another beside it"
        )
    return formulations[0]


def explain(
    context: typer.Context,
    formulation: Formulation = None,
    against: Against = None,
    objective: options.ObjectiveName = None,
    logits: GivenLogits = None,
    target: Target = None,
    pattern: Pattern = None,
    classes: Classes = None,
    at: At = None,
    seed: Seed = None,
    source: Source = None,
    row: Row = None,
    labels: options.Labels = None,
    axis: Axis = None,
    ignore_index: IgnoreIndex = None,
    batch: options.Batch = 1,
    reduction: options.Reduction = "mean",
    dtype: Dtype = "float32",
    compute: options.Compute = None,
    summation: SummationOrder = "wide",
    loss_scale: LossScale = 1.0,
    rtol: options.Rtol = None,
    atol: options.Atol = None,
    fp8_overflow: options.Fp8Overflow = "nan",
    flush_subnormals: options.FlushSubnormals = False,
    timeout: options.Timeout = None,
    max_memory: options.MaxMemory = None,
    output_format: options.ExplainForm = None,
    json: options.Json = False,
    output: options.Output = None,
    hexadecimal: Hexadecimal = False,
) -> None:
    """Show one case operation by operation beside exact arithmetic, and say which operation broke it.

    Without arguments: why cross-entropy is fused with softmax, on a page of real numbers.

    Examples:
    cestab explain

    cestab explain -f naive --logits 100,0 --target 1

    cestab explain -f log-sum-exp --dtype bfloat16 --pattern offset --classes 2 --target correct --at 300

    cestab explain -f softmax-log --dtype float16 --from logits.npz --row 17

    """
    is_json = options.choose_format(output_format, json=json, detail=False, allowed=FORMS) is OutputFormat.JSON
    if is_called_alone(context):
        with open_output(output) as stream:
            from cestab.commands.explain import walkthrough
            from cestab.commands.explain.walkthrough import compute_walkthrough

            write_text(walkthrough.render(compute_walkthrough(), stream), stream)
        return
    name = choose_one(formulation)
    from cestab.commands.explain.case import run_explain
    from cestab.commands.explain.request import make_case, make_explain_request
    from cestab.commands.resolve import make_arithmetics, make_guard

    arithmetics = make_arithmetics(
        [dtype], compute, [summation], [loss_scale], rtol, atol, fp8_overflow, flush_subnormals=flush_subnormals
    )
    case = make_case(
        name,
        logits=options.split_floats(None if logits is None else [logits], "--logits"),
        target=target,
        pattern=pattern,
        classes=classes,
        at=at,
        seed=seed,
        file=source,
        row=row,
        labels=labels,
        class_axis=axis,
        ignore_index=ignore_index,
        objective=objective,
    )
    guard = make_guard(timeout, max_memory)
    request = make_explain_request(name, arithmetics, case, against, batch, reduction, objective, guard)
    with open_output(output) as stream:
        explanation = run_explain(request)
        if is_json:
            from cestab.commands.explain import wire as explanation_json

            text = explanation_json.render(explanation)
        else:
            from cestab.commands.explain import table as explanation_table

            text = explanation_table.render(explanation, stream, hexadecimal=hexadecimal)
        write_text(text, stream)
