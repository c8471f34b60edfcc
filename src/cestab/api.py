"""The public Python functions."""

from dataclasses import replace
from io import StringIO
from typing import TypeVar, Unpack

from cestab.commands.advise.answer import Advice
from cestab.commands.advise.request import make_advise_request
from cestab.commands.advise.run import run_advise
from cestab.commands.audit.request import make_audit_request
from cestab.commands.audit.run import run_audit
from cestab.commands.compare.answer import Comparison
from cestab.commands.compare.run import make_pair, run_comparison
from cestab.commands.explain.answer import Explanation
from cestab.commands.explain.case import run_explain
from cestab.commands.explain.request import make_explain_request
from cestab.commands.option_groups import FilePath, Names, spreads_options
from cestab.commands.options import AdviseOptions, AuditOptions, CompareOptions, ExplainOptions, SweepOptions
from cestab.commands.sweep import table
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.request import make_sweep_request
from cestab.commands.sweep.run import run_sweep
from cestab.errors import ExitStatus, UsageError
from cestab.formulations.registry import Recipe, add_formulation
from cestab.vocabulary import settings as results_report


@spreads_options
def sweep(formulations: Names | None = None, **options: Unpack[SweepOptions]) -> Report:
    """Sweep logits through formulations and judge every loss and gradient, as `cestab sweep` does.

    None means the default of the command's option of the same name (its singular); a single value counts as a list of one.
    A loss that is not cestab's is named as on the command line; `timeout` (seconds of a call) and `max_memory` bound it.
    Raises UsageError.

    >>> report = sweep(["naive"], dtypes=["float16"], patterns=["margin"], classes=[2], targets=["wrong"])
    >>> report.settings[0].verdict.value
    'fail'
    """
    return _finished(run_sweep(make_sweep_request(formulations, **options)))


@spreads_options
def audit(file: FilePath, **options: Unpack[AuditOptions]) -> Report:
    """Judge formulations on recorded logits, as `cestab audit` does.

    None means the default, as of sweep. Raises errors.UsageError.
    """
    return _finished(run_audit(make_audit_request(file, **options)))


@spreads_options
def advise(formulations: Names | None = None, **options: Unpack[AdviseOptions]) -> Advice:
    """Say which formulation, epsilon, loss scales and accumulator hold in each format, as `cestab advise` does.

    None means the default; without formulations the sound ones of the family are asked about. Raises errors.UsageError.

    >>> advise(dtypes="float32", classes=10).statements[0].topic.value
    'formulation'
    """
    return _finished(run_advise(make_advise_request(formulations, **options)))


@spreads_options
def compare(reference: str, *others: str, fail_on_worse: bool = False, **options: Unpack[CompareOptions]) -> Comparison:
    """Compare formulations with a reference on the same cases, as `cestab compare` does; options as of sweep.

    Raises errors.UsageError.

    >>> compare("log-sum-exp", "compensated", dtypes=["bfloat16"], patterns=["offset"], classes=[2]).dtypes[0].relation.value
    'dominates'
    """
    request = make_sweep_request(make_pair(reference, others), **options)
    return _finished(run_comparison(request, fails_on_worse=fail_on_worse))


@spreads_options
def explain(formulation: str, **options: Unpack[ExplainOptions]) -> Explanation:
    """Explain one case operation by operation, as `cestab explain` does. Raises errors.UsageError, or its NotAuditedError.

    The case is given by `logits` and `target` (a class, weights, a label, or a target kind), by `at` (with pattern, classes
    and a target kind), or by `file` and `row`.

    >>> explain("naive", logits=[100.0, 0.0], target=1).root_cause.operation
    'v1 = exp(z)'
    """
    return run_explain(make_explain_request(formulation, **options))


@spreads_options
def assert_stable(formulations: Names, *, fail_on: Names = ("fail",), **options: Unpack[CompareOptions]) -> None:
    """Raise an AssertionError with a short table if a sweep finds what `fail_on` names: for use in any test suite.

    A setting that crashed fails, too, and so does a loss without a gradient; where nothing could be judged, a UsageError is
    raised. Options as of sweep.

    >>> assert_stable("compensated", dtypes="float32", logits="-100:100")
    """
    if fail_on is None:
        raise UsageError("fail_on is None; an assertion that gates nothing cannot fail, name 'fail', 'warn' or findings")
    report = sweep(formulations, fail_on=fail_on, **options)
    status = report.exit_status()
    if status is ExitStatus.USAGE:
        raise UsageError(f"nothing could be judged: {results_report.explain_unjudged(report.settings)}")
    problem = _describe_problem(report, status)
    if problem is not None:
        shown = table.render(replace(report, recommendations=()), StringIO())  # it was not asked what to use instead
        raise AssertionError(f"{problem}\n{shown}")


def _describe_problem(report: Report, status: ExitStatus) -> str | None:
    """Return why a report is no proof of stability: what is gated, what crashed, gradients that were not judged."""
    if status is not ExitStatus.DONE:
        kinds = ", ".join(dict.fromkeys(finding.kind.label for _, finding in report.gated()))
        return kinds or results_report.explain_unjudged(report.settings)
    partly = dict.fromkeys(r.setting.formulation for r in report.settings if r.verdict.is_judged and not r.is_wholly_judged)
    return f"the gradient of {' and of '.join(partly)} was not judged" if partly else None


def formulation(recipe: Recipe) -> Recipe:
    """Make a function on cestab's own array type a formulation of softmax cross-entropy, under its name with dashes.

    It takes logits z (classes, cases) and a target and returns the loss (cases,), written in the primitives of
    `cestab.primitives`; its gradient is the chain rule over them, and every step is rounded to the format. Keyword-only
    parameters with annotations and defaults can be set by name, e.g. `-f python:losses.mine:eps=1e-6`.

    >>> from cestab.primitives import log, pick, softmax
    >>> @formulation
    ... def my_loss(z, target):
    ...     return -pick(log(softmax(z)), target)
    >>> sweep("my-loss", dtypes="float16", patterns="margin", classes=2).settings[0].verdict.value
    'fail'
    """
    return add_formulation(recipe)


Finished = TypeVar("Finished", Report, Comparison, Advice)


def _finished(report: Finished) -> Finished:
    """Return a whole report; a caller's Ctrl-C is passed on, only the command line prints what was finished."""
    if report.is_interrupted:
        raise KeyboardInterrupt
    return report
