"""Forms: every row is written, an interruption shows in each form for CI, and a command has the forms that it says."""

from io import StringIO
from typing import Any

import pytest

from cestab import api
from cestab.commands.check import forms as check_forms
from cestab.commands.compare.command import CompareOutput
from cestab.commands.compare.forms import make_forms as make_compare_forms
from cestab.commands.diff.forms import make_forms as make_diff_forms
from cestab.commands.options import DetailedOutput, OutputOptions, PlottedOutput
from cestab.commands.sweep.forms import make_forms as make_sweep_forms
from cestab.errors import ExitStatus, UsageError
from cestab.reports.forms import Forms, OutputFormat
from cestab.reports.gate import GateCase, GateReport

CI = [form for form in OutputFormat if form.render_gate is not None]


def make_gate(status: ExitStatus) -> GateReport:
    case = GateCase(group="naive", name="float16", problems=())
    return GateReport(command="sweep", version="0", headline="one setting", cases=(case,), status=status)


REPORT = api.sweep("naive", dtypes="float16", classes=2, logits="-1:1:3")
FORMS: Forms[ExitStatus] = Forms(
    table=lambda status, stream: f"table {status}\n{stream.getvalue() if isinstance(stream, StringIO) else ''}",
    json=lambda status: f"json {status}",
    csv=lambda status: f"csv {status}",
    markdown=lambda status: f"markdown {status}",
    gate=make_gate,
)


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_a_form_is_written_by_its_own_function(form: str) -> None:
    assert FORMS.render(ExitStatus.DONE, OutputFormat(form), StringIO()) == (f"{form} 0", None)
    assert FORMS.render(ExitStatus.DONE, OutputFormat.TABLE, StringIO("x")) == ("table 0\nx", None)


@pytest.mark.parametrize("form", CI)
def test_an_interruption_is_shown_in_every_form_for_ci(form: OutputFormat) -> None:
    done, interrupted = (FORMS.render(status, form, StringIO())[0] for status in (ExitStatus.DONE, ExitStatus.INTERRUPTED))
    assert "interrupted" in interrupted
    assert "interrupted" not in done


def test_only_github_adds_to_the_page_of_a_job() -> None:
    assert [form.value for form in CI if FORMS.render(ExitStatus.DONE, form, StringIO())[1]] == ["github"]
    assert [form.value for form in CI] == ["junit", "sarif", "github"]


def test_an_answer_that_is_none_is_refused_in_every_form() -> None:
    def refuse(_: ExitStatus) -> None:
        raise UsageError("nothing could be judged")

    forms = Forms(table=FORMS.table, json=FORMS.json, gate=make_gate, refuse=refuse)
    for form in (OutputFormat.TABLE, OutputFormat.JSON, *CI):
        with pytest.raises(UsageError, match="nothing could be judged"):
            forms.render(ExitStatus.USAGE, form, StringIO())


@pytest.mark.parametrize(
    ("output", "forms"),
    [
        (DetailedOutput, make_sweep_forms(detail=False)),
        (PlottedOutput, make_sweep_forms(detail=False)),
        (CompareOutput, make_compare_forms(detail=False)),
        (OutputOptions, check_forms.FORMS),
        (OutputOptions, make_diff_forms((REPORT, REPORT))),
    ],
)
def test_a_command_has_the_forms_that_its_help_names(output: type[OutputOptions], forms: Forms[Any]) -> None:
    written = [form for form in ("table", "json", "csv", "markdown", "html") if getattr(forms, form) is not None]
    assert {*written, *(CI if forms.gate is not None else [])} == {*output.forms}
