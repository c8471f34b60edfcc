"""The options of every command, once, in groups: name, type, default, help, completion and check; of cases: case_options.py.

What a Python function takes is a typed dictionary, so that its keywords are typed; what only the shell has is a dataclass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, TypedDict

from cestab.commands import values
from cestab.commands.case_options import CaseOptions, RecordingOptions, RowOptions, SingleCaseOptions, of_cases
from cestab.commands.option_groups import Names, Numbers, Option, Size, registered
from cestab.errors import UsageError
from cestab.reports.extras import PAGE, require_extras
from cestab.reports.forms import OutputFormat
from cestab.vocabulary.kinds import Fp8Overflow, Summation

of_arithmetic = partial(Option, panel="Arithmetic")
of_judgement = partial(Option, panel="Judgement")
of_guards = partial(Option, panel="External losses")
of_output = partial(Option, panel="Output")
_FORMATS = registered("cestab.numerics.formats", "FORMATS")

Compute = Annotated[
    str | None,
    of_arithmetic(
        metavar="FORMAT",
        complete=_FORMATS,
        read=values.read_compute,
        help="Compute in this wider format and round back once. Default: the dtype, op by op.",
    ),
]


Dtypes = Annotated[
    Names | None,
    of_arithmetic(
        flag="--dtype",
        metavar="FORMAT,…",
        complete=_FORMATS,
        read=values.read_format,
        help="Number formats. Default: float16,bfloat16,float32,float64.",
    ),
]


class FormulationOptions(TypedDict, total=False):
    """What is evaluated."""

    formulations: Annotated[
        Names | None,
        of_cases(
            flag="--formulation",
            short="-f",
            metavar="NAME[:KEY=VALUE,…]",
            is_split=False,  # a comma separates parameters
            complete=registered("cestab.formulations", "FORMULATIONS"),
            help="Formulation, e.g. clipped:eps=1e-8, or a loss of yours, e.g. losses.py:my_loss or torch:pkg.my_loss; "
            "repeatable. Default: the whole family.",
        ),
    ]


class ObjectiveOptions(TypedDict, total=False):
    """The loss as a real function."""

    objective: Annotated[str | None, of_cases(metavar="NAME", help="Loss, e.g. focal-loss. Default: that of -f.")]


class FormatOptions(TypedDict, total=False):
    """The arithmetics, each a set of settings of its own."""

    dtypes: Dtypes
    compute: Compute
    summations: Annotated[
        Names | None,
        of_arithmetic(
            flag="--summation",
            metavar="ORDER,…",
            read=values.one_of(Summation, "summation"),
            help="sequential, pairwise or wide. Default: wide.",
        ),
    ]
    loss_scales: Annotated[
        Numbers | None, of_arithmetic(flag="--loss-scale", metavar="S,…", help="Factor on the gradient. Default: 1.")
    ]


class RuleOptions(TypedDict, total=False):
    """The rules of judgement and of rounding, the same in all settings of a request."""

    rtol: Annotated[float | None, of_judgement(read=values.read_tolerance, help="Relative tolerance. Default: the dtype's.")]
    atol: Annotated[float | None, of_judgement(read=values.read_tolerance, help="Absolute tolerance. Default: the dtype's.")]
    fp8_overflow: Annotated[
        str,
        of_arithmetic(
            metavar="nan|saturate",
            default="nan",
            read=values.one_of(Fp8Overflow, "fp8 overflow"),
            help="Overflow in formats without infinity.",
        ),
    ]
    flush_subnormals: Annotated[bool, of_arithmetic(default=False, help="Flush subnormal results to zero.")]


class ArithmeticOptions(FormatOptions, RuleOptions, total=False):
    """How numbers are computed and judged."""


class GuardOptions(TypedDict, total=False):
    """What a call of an external loss may use."""

    timeout: Annotated[
        float | None,
        of_guards(metavar="SECONDS", read=values.read_seconds, help="Longest call of a loss, or loading of it. Default: 120."),
    ]
    max_memory: Annotated[
        Size | None,
        of_guards(metavar="SIZE", read=values.read_bytes, help="Most memory of its process, e.g. 2G. Default: no limit."),
    ]


class EvaluationOptions(ObjectiveOptions, ArithmeticOptions, GuardOptions, total=False):
    """What sweep, audit and compare have in common."""


class GateOptions(TypedDict, total=False):
    """What makes the exit status 1."""

    fail_on: Annotated[
        Names | None,
        of_judgement(
            metavar="FINDING,…",
            noun="finding",
            complete=lambda: values.GATE_WORDS,
            read=values.read_gate,
            help="Exit 1 on these findings; fail, warn (or worse), nan, inf, vanishing, hard, loss and gradient name several.",
        ),
    ]


class SingleFormatOptions(TypedDict, total=False):
    """One arithmetic: FormatOptions with one value each."""

    dtype: Annotated[str, of_arithmetic(metavar="FORMAT", default="float32", read=values.read_format, help="Number format.")]
    compute: Compute
    summation: Annotated[
        str,
        of_arithmetic(
            metavar="wide|pairwise|sequential", default="wide", read=values.one_of(Summation, "summation"), help="Sum order."
        ),
    ]
    loss_scale: Annotated[float, of_arithmetic(default=1.0, help="Factor on the gradient.")]


class CompareOptions(EvaluationOptions, CaseOptions, RowOptions, total=False):
    """The options of compare, and of a sweep but for its formulations and its gate."""


class CurveOptions(TypedDict, total=False):
    """What else a report holds."""

    curves: Annotated[bool, of_output(default=False, help="Add curves of the errors against t to the JSON.")]


class CertifyOptions(TypedDict, total=False):
    """What is proven again."""

    certify: Annotated[
        bool, of_judgement(default=False, help="Decide boundaries, findings and largest errors again in ball arithmetic.")
    ]


class WorkOptions(TypedDict, total=False):
    """How long work is done, which changes no result."""

    jobs: Annotated[
        int | None,
        of_output(metavar="N", read=values.read_jobs, help="Processes for long work. Default: one per core; in Python 1."),
    ]


class SweepOptions(CompareOptions, GateOptions, CertifyOptions, CurveOptions, WorkOptions, total=False):
    """The options of sweep but for its formulations."""


class AuditOptions(RecordingOptions, FormulationOptions, EvaluationOptions, GateOptions, total=False):
    """The options of audit but for its file."""


class AdviseOptions(ObjectiveOptions, RowOptions, GuardOptions, total=False):
    """The options of advise but for its formulations."""

    dtypes: Dtypes
    compute: Compute
    logits: Annotated[
        str,
        of_cases(
            metavar="LO:HI[:N][:log|linear]",
            default="-100:100",
            read=values.read_range,
            help="Range of the magnitude t, as of sweep: what the logits of the run are.",
        ),
    ]
    classes: Annotated[int | None, of_cases(metavar="N", read=values.read_classes, help="Number of classes. Default: 1000.")]


class ExplainOptions(
    ObjectiveOptions, SingleCaseOptions, RowOptions, SingleFormatOptions, RuleOptions, GuardOptions, total=False
):
    """The options of explain but for its formulation."""

    against: Annotated[
        str | None,
        Option(metavar="NAME", read=values.read_name, help="Formulation to show beside it. Default: the best on the case."),
    ]


def form_option(forms: Sequence[OutputFormat] = ()) -> Option:
    """Return the option of the form, of a command that has only some."""
    metavar = f"[{'|'.join(forms)}]" if forms else None
    return of_output(metavar=metavar, help="Form of the report. Default: by FILE's ending, else table.")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where the report goes, and in which of the command's `forms`."""

    forms: ClassVar[Sequence[OutputFormat]] = tuple(OutputFormat)
    output_format: Annotated[OutputFormat | None, form_option()]
    json: Annotated[bool, of_output(default=False, help="Short for --output-format json.")]
    output: Annotated[str | None, of_output(short="-o", metavar="FILE", help="Write the report to FILE.")]

    def __post_init__(self) -> None:
        """Refuse a form that the command does not have, and two of them."""
        if self.json and self.output_format not in (None, OutputFormat.JSON):
            raise UsageError(f"--json asks for json, --output-format for {self.output_format}; give one of them")
        if self.form not in self.forms:
            asked = "" if self.output_format else f", which '{self.output}' ends for"
            raise UsageError(f"this command has no form {self.form}{asked}; it has {', '.join(self.forms)}")
        if self.form is OutputFormat.HTML:
            require_extras("the form html", PAGE)

    @property
    def form(self) -> OutputFormat:
        """The form that is asked for."""
        if self.json:
            return OutputFormat.JSON
        return self.output_format or OutputFormat.of_file(self.output or "")


@dataclass(frozen=True, kw_only=True)
class DetailedOutput(OutputOptions):
    """The same of a command whose table has a longer form."""

    detail: Annotated[bool, of_output(default=False, help="One row per setting.")]

    def __post_init__(self) -> None:
        """Refuse details of another form."""
        super().__post_init__()
        if self.detail and self.form is not OutputFormat.TABLE:
            raise UsageError(f"--detail is a form of the table, not of {self.form}")


@dataclass(frozen=True, kw_only=True)
class PlottedOutput(DetailedOutput):
    """The same of a command whose table can have strips."""

    plot: Annotated[bool, of_output(default=False, help="Add strips: along |t|, a letter for what is wrong.")]

    def __post_init__(self) -> None:
        """Refuse strips in another form."""
        super().__post_init__()
        if self.plot and self.form is not OutputFormat.TABLE:
            raise UsageError(f"--plot is a part of the table, not of {self.form}")
