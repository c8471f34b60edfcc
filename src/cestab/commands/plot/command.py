"""`cestab plot`: a figure of a report in JSON, or of two in comparison."""

from pathlib import Path
from typing import Annotated

import typer

from cestab.commands.option_groups import fields_of
from cestab.commands.options import FormatOptions
from cestab.commands.output import open_output
from cestab.commands.plot.kinds import FigureKind
from cestab.errors import UsageError
from cestab.reports.extras import require_extras
from cestab.vocabulary.phrases import show_list

ENDINGS = ("svg", "png", "pdf")
Files = Annotated[
    list[str], typer.Argument(metavar="FILE.json", help="Report of sweep, or an old and a new one; - is standard input.")
]
Output = Annotated[
    str, typer.Option("-o", "--output", metavar="FILE", help="The figure: .svg, .png or .pdf.", rich_help_panel="Output")
]
Kind = Annotated[
    FigureKind, typer.Option("--figure", help="map: what is wrong along |t|; errors: curves of a report made with --curves.")
]
Dtypes = Annotated[list[str] | None, typer.Option("--dtype", metavar="FORMAT,…", help="Only these. Default: all.")]


def plot(files: Files, *, output: Output, figure: Kind = FigureKind.MAP, dtype: Dtypes = None) -> None:
    """Draw a figure of a report, one column of a paper wide and readable in grey.

    Examples:
    cestab plot report.json -o figure.svg

    cestab plot report.json --figure errors --dtype float32 -o errors.pdf

    cestab plot main.json branch.json -o comparison.png

    """
    require_extras("a figure", ("matplotlib",))
    form = Path(output).suffix.lower().removeprefix(".")
    if form not in ENDINGS:
        raise UsageError(f"-o '{output}' ends for no figure; {show_list([f'.{ending}' for ending in ENDINGS])} do")
    if len(files) > 2 or len(set(files)) < len(files):
        raise UsageError(f"plot takes one report, or an old and a new one, not {' '.join(files)}")
    from cestab.commands.plot.draw import draw_report
    from cestab.commands.sweep.restore import load_report

    field = fields_of(FormatOptions)["dtypes"]
    dtypes = () if dtype is None else field.read(field.parse(dtype))
    with open_output(output, files) as stream:
        reports = [load_report(file) for file in files]
        stream.buffer.write(draw_report(reports, files, figure, dtypes, form))
