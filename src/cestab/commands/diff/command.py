"""`cestab diff`: what is new, fixed, moved or grown from one report to another; a gate by nature."""

from typing import Annotated

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import OutputOptions
from cestab.commands.output import finish, open_output, write_answer
from cestab.errors import UsageError

MAX_GROWTH = 2.0
Old = Annotated[str, typer.Argument(metavar="OLD.json", help="Report of sweep or audit to compare with; - is standard input.")]
New = Annotated[str, typer.Argument(metavar="NEW.json", help="Report of the same request; - is standard input.")]
MaxGrowth = Annotated[
    float,
    typer.Option(
        "--max-growth",
        metavar="FACTOR",
        rich_help_panel="Judgement",
        help="By what factor a setting's largest error in ulps, or the number of cases of a kind, may grow.",
    ),
]


@takes_options
def diff(old: Old, new: New, *, max_growth: MaxGrowth = MAX_GROWTH, output: OutputOptions) -> None:
    """Compare two reports of the same request and exit 1 if anything became worse.

    Examples:
    cestab diff old.json new.json

    cestab sweep --json | cestab diff main.json - --max-growth 1.5

    """
    from cestab.commands.diff.forms import make_forms
    from cestab.commands.diff.run import compare_reports
    from cestab.commands.sweep.restore import load_report

    if old == new == "-":
        raise UsageError("OLD.json and NEW.json are both '-': only one of them can be standard input")
    with open_output(output.output, (old, new)) as stream:
        reports = load_report(old), load_report(new)
        difference = compare_reports(*reports, (old, new), max_growth)
        forms = make_forms(reports)
        write_answer(difference, forms, output.form, stream)
    finish(difference, forms)
