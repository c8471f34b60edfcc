"""`cestab report`: a page of one report in JSON, or of two, one over the other."""

from typing import Annotated

import typer

from cestab.commands.diff.command import MAX_GROWTH
from cestab.commands.output import open_output, write_text
from cestab.errors import UsageError
from cestab.reports.extras import PAGE, require_extras
from cestab.reports.forms import OutputFormat

Files = Annotated[list[str], typer.Argument(metavar="FILE.json", help="Report of sweep or audit, or two; - is standard input.")]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="FILE", help="Write the page to FILE.", rich_help_panel="Output")
]


def report(files: Files, *, output: Output = None) -> None:
    """Write one self-contained HTML page of a report, or of two reports of the same request, old and new.

    Examples:
    cestab report report.json -o report.html

    cestab report main.json branch.json -o report.html

    """
    require_extras("a page", PAGE)
    if output not in (None, "-") and OutputFormat.of_file(output) is not OutputFormat.HTML:
        raise UsageError(f"-o '{output}' ends for no page; .html does")
    if len(files) > 2 or len(set(files)) < len(files):
        raise UsageError(f"report takes one report, or an old and a new one, not {' '.join(files)}")
    from cestab.commands.diff.page import to_page as to_diff_page
    from cestab.commands.diff.run import compare_reports
    from cestab.commands.sweep.page import to_page
    from cestab.commands.sweep.restore import load_report
    from cestab.reports.page.render import render_page

    with open_output(output, files) as stream:
        reports = [load_report(file) for file in files]
        if len(reports) == 1:
            page = to_page(reports[0], derives=False)
        else:
            old, new = reports
            page = to_diff_page(compare_reports(old, new, (files[0], files[1]), MAX_GROWTH), (old, new))
        write_text(render_page(page), stream)
