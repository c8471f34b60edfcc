"""`cestab check`: the gate of a whole project, from its configuration."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cestab.commands import options
from cestab.commands.output import open_output, show_progress, tell, write_gate, write_text
from cestab.errors import ExitStatus, UsageError
from cestab.vocabulary.phrases import show_count
from cestab.vocabulary.settings import explain_unjudged

if TYPE_CHECKING:
    from cestab.commands.check.answer import Baseline, CheckConfig, CheckReport
    from cestab.commands.sweep.answer import Report

MOST_CHANGES = 20  # of a baseline that are listed

Config = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="Default: the nearest cestab.toml, or pyproject.toml with \\[tool.cestab], upwards."
    ),
]
Update = Annotated[
    bool, typer.Option("--update-baseline", help="Write the baseline anew: accept all that is found now, and say what changed.")
]


def check(
    config: Config = None,
    update_baseline: Update = False,
    output_format: options.Format = None,
    json: options.Json = False,
    output: options.Output = None,
) -> None:
    """Run all audits that the project's configuration lists; exit 1 on any finding that it does not accept.

    Examples:
    cestab check

    cestab check --config ci/cestab.toml --output-format junit -o cestab.xml

    cestab check --update-baseline

    """
    from cestab.commands.check.baseline import read_baseline
    from cestab.commands.check.config import make_config
    from cestab.commands.check.config_file import find_source
    from cestab.commands.check.decide import decide_check
    from cestab.commands.check.run import is_interrupted, run_audits

    form = options.choose_format(output_format, json=json, detail=False)
    source = find_source(config)
    if source.note is not None:
        tell(source.note)
    found = make_config(source)
    if update_baseline and found.baseline is None:
        raise source.error('there is no baseline to update; name its file, e.g. baseline = "cestab-baseline.json"')
    baseline: Baseline = {}
    if found.baseline is not None:
        baseline = read_baseline(found.baseline, found.baseline_name or "", may_be_missing=update_baseline)
    with ExitStack() as stack:
        stream = stack.enter_context(open_output(output))
        baseline_stream = stack.enter_context(open_output(found.baseline)) if update_baseline else None
        with show_progress("checking") as progress:
            reports = run_audits(found, progress=progress)
        if baseline_stream is not None and is_interrupted(found, reports):
            raise KeyboardInterrupt  # a baseline of half of the findings would gate the rest
        if baseline_stream is not None:
            baseline = _update(found, reports, baseline, baseline_stream)
        report = decide_check(found, reports, baseline)
        _write(report, stream, form)
    _exit_with(report)


def _update(config: "CheckConfig", reports: "list[Report]", old: "Baseline", stream: TextIO) -> "Baseline":
    """Write the baseline that accepts what was found; say what changed."""
    from cestab.commands.check.baseline import list_changes, make_baseline, write_baseline
    from cestab.commands.check.decide import decide_check

    report = decide_check(config, reports, {})
    _refuse_unjudged(report)
    new = make_baseline(report, old)
    changes = list(list_changes(old, new))
    write_text(write_baseline(new), stream)
    lines = [
        f"{config.baseline_name} holds {show_count(len(new), 'finding')}; {len(changes) or 'none'} changed",
        *changes[:MOST_CHANGES],
    ]
    if len(changes) > MOST_CHANGES:
        lines.append(f"… and {len(changes) - MOST_CHANGES} more")
    tell("\n  ".join(lines))
    return new


def _refuse_unjudged(report: "CheckReport") -> None:
    """Raise where the status is 2: an audit of which nothing could be judged is an error, no result."""
    if report.exit_status() is ExitStatus.USAGE:
        checked = report.unjudged()[0]
        raise UsageError(f"nothing of '{checked.audit.name}' could be judged: {explain_unjudged(checked.report.settings)}")


def _write(report: "CheckReport", stream: TextIO, output_format: options.OutputFormat) -> None:
    """Write the check in the form asked for."""
    _refuse_unjudged(report)
    match output_format:
        case options.OutputFormat.TABLE:
            from cestab.commands.check import table as check_table

            write_text(check_table.render(report, stream), stream)
        case options.OutputFormat.JSON:
            from cestab.commands.check import wire as check_json

            write_text(check_json.render(report), stream)
        case options.OutputFormat.CSV:
            from cestab.commands.check import rows as check_rows

            write_text(check_rows.render_csv(report), stream)
        case options.OutputFormat.MARKDOWN:
            from cestab.commands.check import rows as check_rows

            write_text(check_rows.render_markdown(report), stream)
        case _:
            from cestab.commands.check.gate import to_gate

            write_gate(to_gate(report), stream, output_format)


def _exit_with(report: "CheckReport") -> None:
    """Say on standard error what the gate found and exit with the report's status."""
    status, gated = report.exit_status(), report.gated()
    if status is ExitStatus.GATE_FAILED:
        failed = len({(checked.audit.name, problem.result.setting) for checked, problem in gated})
        settings = sum(1 for _ in report.results())
        rules = ", ".join(dict.fromkeys(problem.rule for _, problem in gated))
        tell(f"gate failed in {failed} of {show_count(settings, 'setting')}: {rules}")
    raise typer.Exit(status)
