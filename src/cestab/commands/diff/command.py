"""`cestab diff`: what is new, fixed, moved or grown from one report to another; a gate by nature."""

from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cestab.commands import options
from cestab.commands.options import OutputFormat
from cestab.commands.output import open_output, tell, write_gate, write_text
from cestab.errors import ExitStatus, UsageError
from cestab.vocabulary.phrases import show_count

if TYPE_CHECKING:
    from cestab.commands.diff.answer import Difference

Old = Annotated[str, typer.Argument(metavar="OLD.json", help="Report of sweep or audit to compare with; - is standard input.")]
New = Annotated[str, typer.Argument(metavar="NEW.json", help="Report of the same request; - is standard input.")]
MaxGrowth = Annotated[
    float,
    typer.Option(
        "--max-growth",
        metavar="FACTOR",
        rich_help_panel=options.JUDGEMENT,
        help="By what factor a setting's largest error in ulps, or the number of cases of a kind, may grow.",
    ),
]


def diff(
    old: Old,
    new: New,
    max_growth: MaxGrowth = 2.0,
    output_format: options.Format = None,
    json: options.Json = False,
    output: options.Output = None,
) -> None:
    """Compare two reports of the same request and exit 1 if anything became worse.

    Examples:
    cestab diff old.json new.json

    cestab sweep --json | cestab diff main.json - --max-growth 1.5

    """
    form = options.choose_format(output_format, json=json, detail=False)
    from cestab.commands.diff.run import compare_reports
    from cestab.commands.sweep.restore import load_report

    if old == new == "-":
        raise UsageError("OLD.json and NEW.json are both '-': only one of them can be standard input")
    with open_output(output) as stream:
        difference = compare_reports(load_report(old), load_report(new), (old, new), max_growth)
        _write(difference, stream, form)
    _exit(difference)


def _write(difference: "Difference", stream: TextIO, output_format: OutputFormat) -> None:
    from cestab.commands.diff import sentences as forms
    from cestab.commands.diff import table as difference_table
    from cestab.commands.diff import wire as difference_json

    match output_format:
        case OutputFormat.TABLE:
            write_text(difference_table.render(difference, stream), stream)
        case OutputFormat.JSON:
            write_text(difference_json.render(difference), stream)
        case OutputFormat.CSV:
            write_text(forms.render_csv(difference), stream)
        case OutputFormat.MARKDOWN:
            write_text(forms.render_markdown(difference), stream)
        case _:
            write_gate(forms.to_gate(difference), stream, output_format)


def _exit(difference: "Difference") -> None:
    """Say on standard error what became worse and exit."""
    worse = difference.worse()
    if worse:
        settings = len({setting for setting, _ in worse})
        rules = ", ".join(dict.fromkeys(change.rule.label for _, change in worse))
        tell(f"worse in {settings} of {show_count(len(difference.settings), 'setting')}: {rules}")
        raise typer.Exit(ExitStatus.GATE_FAILED)
