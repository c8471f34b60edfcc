"""`cestab check`: the gate of a whole project, from its configuration."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cestab.commands.option_groups import takes_options
from cestab.commands.options import OutputOptions
from cestab.commands.output import finish, open_output, tell, write_answer, write_text
from cestab.commands.output_file import open_file
from cestab.commands.progress import show_progress
from cestab.vocabulary.phrases import show_count

if TYPE_CHECKING:
    from cestab.commands.check.answer import Baseline, CheckConfig
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


@takes_options
def check(config: Config = None, update_baseline: Update = False, *, output: OutputOptions) -> None:
    """Run all audits that the project's configuration lists; exit 1 on any finding that it does not accept.

    Examples:
    cestab check

    cestab check --config ci/cestab.toml --output-format junit -o cestab.xml

    cestab check --update-baseline

    """
    from cestab.commands.check.baseline import read_baseline
    from cestab.commands.check.config import list_files, make_config
    from cestab.commands.check.config_file import find_source
    from cestab.commands.check.decide import decide_check
    from cestab.commands.check.forms import FORMS
    from cestab.commands.check.run import is_interrupted, run_audits

    source = find_source(config)
    if source.note is not None:
        tell(source.note)
    found = make_config(source)
    if update_baseline and found.baseline is None:
        raise source.error('there is no baseline to update; name its file, e.g. baseline = "cestab-baseline.json"')
    baseline: Baseline = {}
    if found.baseline is not None:
        baseline = read_baseline(found.baseline, found.baseline_name or "", may_be_missing=update_baseline)
    inputs = list_files(found)
    with ExitStack() as stack:
        baseline_stream = stack.enter_context(open_file(found.baseline_name or "", inputs)) if update_baseline else None
        stream = stack.enter_context(open_output(output.output, [*inputs, *filter(None, [found.baseline_name])]))
        with show_progress("checking", "audits", tell) as progress:
            reports = run_audits(found, progress=progress)
        if baseline_stream is not None and is_interrupted(found, reports):
            raise KeyboardInterrupt  # a baseline of half of the findings would gate the rest
        if baseline_stream is not None:
            baseline = _update(found, reports, baseline, baseline_stream)
        report = decide_check(found, reports, baseline)
        write_answer(report, FORMS, output.form, stream)
    finish(report, FORMS)


def _update(config: "CheckConfig", reports: "list[Report]", old: "Baseline", stream: TextIO) -> "Baseline":
    """Write the baseline that accepts what was found; say what changed."""
    from cestab.commands.check.baseline import list_changes, make_baseline, write_baseline
    from cestab.commands.check.decide import decide_check
    from cestab.commands.check.forms import refuse_unjudged

    report = decide_check(config, reports, {})
    refuse_unjudged(report)
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
