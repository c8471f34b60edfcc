"""The application: commands, and the one place where errors become sentences and exit statuses."""

import errno
import sys
import traceback
from itertools import pairwise
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cestab.commands.advise.command import advise
from cestab.commands.audit.command import audit
from cestab.commands.capture import capture
from cestab.commands.check.command import check
from cestab.commands.compare.command import compare
from cestab.commands.diff.command import diff
from cestab.commands.explain.command import explain
from cestab.commands.list import list_registry
from cestab.commands.output import drop_output, tell, write_text
from cestab.commands.plot.command import plot
from cestab.commands.report.command import report
from cestab.commands.schema import schema
from cestab.commands.sweep.command import sweep
from cestab.commands.verify.command import verify
from cestab.errors import ExitStatus, UsageError
from cestab.streams import is_abandoned
from cestab.vocabulary.escaping import shorten_sentence

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="cestab",
    help="Numerical stability auditor for cross-entropy loss and its backpropagation.",
    epilog="Exit status: 0 done, 1 the gate found something, 2 wrong usage or input, 3 a setting could not be audited, "
    "70 a defect of cestab, 130 interrupted.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(sweep)
app.command()(compare)
app.command()(explain)
app.command()(audit)
app.command()(advise)
app.command()(capture)
app.command()(diff)
app.command()(check)
app.command()(report)
app.command()(plot)
app.command()(verify)
app.command("list")(list_registry)
app.command()(schema)


def _print_version(value: bool) -> None:
    if value:
        from importlib import metadata

        typer.echo(f"cestab {metadata.version('cestab')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Numerical stability auditor for cross-entropy loss and its backpropagation."""


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit status."""
    try:
        status = int(app(arguments or ["--help"], standalone_mode=False) or 0)
        sys.stdout.flush()
    except UsageError as error:
        return _refuse(str(error), arguments, error.status)
    except TyperException as error:
        return _refuse(error.format_message().replace("Value error, ", ""), arguments)  # pydantic's words
    except MemoryError as error:
        hint = "fewer --classes, a smaller N of --logits LO:HI:N or a smaller --batch need less"
        return _refuse(f"not enough memory for this request; {hint} ({error})", arguments)
    except (KeyboardInterrupt, typer.Abort):
        status = ExitStatus.INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the last resort: a defect must not look like a failed gate
        return _report_defect(error, arguments)
    if status == ExitStatus.INTERRUPTED:  # caught by typer or here
        tell("interrupted")
    return status


def _report_defect(error: BaseException, arguments: list[str]) -> ExitStatus:
    """Return the status of what nothing else has caught: help that nobody reads, a full disk, or a defect of cestab."""
    is_rich_ending = isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
    if is_rich_ending or (isinstance(error, BrokenPipeError) and is_abandoned(1)):
        drop_output(sys.stdout)
        return ExitStatus.DONE
    if isinstance(error, OSError) and error.errno in FULL:
        drop_output(sys.stdout)
        return ExitStatus(_refuse(f"cannot write the result: {error.strerror}", arguments))
    traceback.print_exception(error)
    tell(f"a defect of cestab itself, please report it: {type(error).__name__}: {error}")
    return ExitStatus.INTERNAL


def _refuse(sentence: str, arguments: list[str], status: ExitStatus = ExitStatus.USAGE) -> int:
    """Tell in one sentence why there is no result, to a caller who asked for JSON as `cestab.error/1`, too."""
    sentence = shorten_sentence(sentence.replace("\n", "\\n"))  # of a name, say
    tell(sentence)
    if "--json" in arguments or "--output-format=json" in arguments or ("--output-format", "json") in pairwise(arguments):
        from cestab.reports.json import write_json
        from cestab.reports.wire.types import Error

        write_text(write_json(Error(status=int(status), message=sentence)), sys.stdout)
    return status
