"""Every option of every group says the same in the shell, in Python and in cestab.toml, and changes the request."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import cestab
from cestab import api
from cestab.commands.app import app, run
from cestab.commands.audit.request import make_audit_request
from cestab.commands.case_options import CaseOptions, RecordingOptions, RowOptions
from cestab.commands.check.config import RECORDED, SWEEP, make_config
from cestab.commands.check.config_file import find_source
from cestab.commands.explain.request import make_explain_request
from cestab.commands.option_groups import Field, fields_of
from cestab.commands.options import (
    AuditOptions,
    CertifyOptions,
    CompareOptions,
    CurveOptions,
    DetailedOutput,
    EvaluationOptions,
    ExplainOptions,
    FormulationOptions,
    GateOptions,
    OutputOptions,
    SweepOptions,
    WorkOptions,
)
from cestab.commands.reproduce import sweep_command
from cestab.commands.resolve import make_arithmetics
from cestab.commands.sweep.request import make_sweep_request
from cestab.errors import UsageError
from cestab.evaluation.assemble import place_float
from cestab.evaluation.plan import plan_arithmetics
from cestab.numerics.rounding import to_ordinal
from cestab.vocabulary.objectives import SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import Rules

DIGITS = Path(__file__).parents[2] / "data" / "digits_logits.npz"
PARAMETERS = {command.name: command.params for command in typer.main.get_command(app).commands.values()}  # type: ignore[attr-defined]

# a value of every option that is not its default, as Python is given it
SAMPLES: dict[str, Any] = {
    "formulations": ["naive", "clipped:eps=1e-6,bounds=closed"],
    "objective": "softmax-cross-entropy",
    "dtypes": ["float16", "bfloat16"],
    "compute": "float64",
    "summations": ["pairwise", "sequential"],
    "loss_scales": [2.0, 0.5],
    "rtol": 0.375,
    "atol": 0.125,
    "fp8_overflow": "saturate",
    "flush_subnormals": True,
    "timeout": 3.5,
    "max_memory": "2G",
    "curves": True,
    "exhaustive": True,
    "certify": True,
    "jobs": 3,
    "logits": "-5.0:5.0:3:linear",
    "patterns": ["spread", "equal"],
    "classes": [3, 5],
    "targets": ["uniform", "smooth:0.25"],
    "seed": 7,
    "batch": 4,
    "reduction": "sum",
    "fail_on": ["warn", "nan-loss"],
    "labels": str(DIGITS),
    "logits_key": "logits",
    "labels_key": "labels",
    "class_axis": 0,
    "ignore_index": 3,
    "sample": 5,
}
SINGLE = {
    "dtype": "bfloat16",
    "summation": "pairwise",
    "loss_scale": 8.0,
    "against": "compensated",
    "target": "correct",
    "pattern": "spread",
    "classes": 4,
    "seed": 9,
}
UNRESOLVED = {"objective"}  # what the request holds is found from the formulation, too


def shell_words(field: Field, value: Any) -> list[str]:
    """Return an option as it is typed; of a list that commas do not separate each value by itself."""
    items = value if isinstance(value, list) else [value]
    if value is True:
        return [field.flag]
    texts = [",".join(map(str, items))] if field.option.is_split else map(str, items)
    return [word for text in texts for word in (field.flag, text)]


class SeenError(UsageError):
    """Raised instead of the work; the request is kept."""


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that reach the work, none of which is done."""
    seen: list[Any] = []

    def keep(request: Any, **_: Any) -> None:
        seen.append(request)
        raise SeenError("seen")

    for place in ("sweep.run.run_sweep", "audit.run.run_audit", "compare.run.run_comparison", "explain.case.run_explain"):
        monkeypatch.setattr(f"cestab.commands.{place}", keep)
        monkeypatch.setattr(api, place.rpartition(".")[2], keep)
    return seen


def ask_both(requests: list[Any], words: list[str], call: Callable[..., object], options: Mapping[str, Any]) -> Any:
    """Return the one request that a command line and a call of Python make."""
    assert run(words) == 2
    with pytest.raises(SeenError):
        call(**options)
    shell, python = requests
    assert shell == python
    return shell


@pytest.mark.parametrize("name", ["formulations", *fields_of(SweepOptions)])
def test_an_option_of_sweep_means_the_same_to_every_caller(
    name: str, requests: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cestab.commands.check.config._check_request", lambda _: None)  # every float64 is refused
    field, value = (fields_of(FormulationOptions) | fields_of(SweepOptions))[name], SAMPLES[name]
    asked = ask_both(requests, ["sweep", *shell_words(field, value)], cestab.sweep, {name: value})
    text = f"[[audit]]\n{field.key} = {json.dumps(value)}\nfail-on = 'fail'\n".replace(
        "\nfail-on = 'fail'", "", name == "fail_on"
    )
    Path("cestab.toml").write_text(text, encoding="utf-8")
    (audit,) = make_config(find_source("cestab.toml")).audits
    gated = make_sweep_request(**{"fail_on": "fail", name: value})
    assert audit.request == gated
    assert (asked == make_sweep_request()) is (name in UNRESOLVED)


@pytest.mark.parametrize("name", fields_of(CompareOptions))
def test_an_option_of_compare_means_the_same_to_every_caller(name: str, requests: list[Any]) -> None:
    words = ["compare", "naive", "compensated", *shell_words(fields_of(CompareOptions)[name], SAMPLES[name])]
    asked = ask_both(
        requests, words, lambda **options: cestab.compare("naive", "compensated", **options), {name: SAMPLES[name]}
    )
    assert asked == make_sweep_request(("naive", "compensated"), **{name: SAMPLES[name]})


@pytest.mark.parametrize("name", fields_of(AuditOptions))
def test_an_option_of_audit_means_the_same_to_every_caller(
    name: str, requests: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cestab.commands.check.config._check_request", lambda _: None)  # classes first do not fit the file
    field, value = fields_of(AuditOptions)[name], SAMPLES[name]
    asked = ask_both(
        requests,
        ["audit", str(DIGITS), *shell_words(field, value)],
        lambda **options: cestab.audit(str(DIGITS), **options),
        {name: value},
    )
    Path("cestab.toml").write_text(f"[[audit]]\nfile = '{DIGITS}'\n{field.key} = {json.dumps(value)}\n", encoding="utf-8")
    (audit,) = make_config(find_source("cestab.toml")).audits
    assert [getattr(audit.request, key) for key in ("objective", "formulations", "arithmetics", "sample", "seed", "guard")] == [
        getattr(asked, key) for key in ("objective", "formulations", "arithmetics", "sample", "seed", "guard")
    ]
    assert (asked == make_audit_request(str(DIGITS))) is (name in UNRESOLVED)


@pytest.mark.parametrize("name", [name for name in fields_of(ExplainOptions) if name not in ("logits", "at")])
def test_an_option_of_explain_means_the_same_to_every_caller(name: str, requests: list[Any]) -> None:
    is_recorded = name in ("file", "row", "labels", "logits_key", "labels_key", "class_axis", "ignore_index")
    way: dict[str, Any] = {"file": str(DIGITS), "row": 2} if is_recorded else {"at": 1.5}
    options = way if name in way else way | {name: (SAMPLES | SINGLE)[name]}
    words = [word for key, value in options.items() for word in shell_words(fields_of(ExplainOptions)[key], value)]
    asked = ask_both(requests, ["explain", "-f", "naive", *words], lambda **given: cestab.explain("naive", **given), options)
    assert (asked == make_explain_request("naive", **way)) is (name in UNRESOLVED or name in way)


def test_logits_are_the_same_in_the_shell_and_in_python(requests: list[Any]) -> None:
    words = ["explain", "-f", "naive", "--logits", "1.5,-inf", "--target", "0"]
    call = {"logits": [1.5, -float("inf")], "target": 0}
    asked = ask_both(requests, words, lambda **options: cestab.explain("naive", **options), call)
    assert asked.case.logits == (1.5, -float("inf"))


@pytest.mark.parametrize(
    ("command", "function", "group"),
    [
        ("sweep", cestab.sweep, SweepOptions),
        ("compare", cestab.compare, CompareOptions),
        ("audit", cestab.audit, AuditOptions),
        ("explain", cestab.explain, ExplainOptions),
    ],
)
def test_an_option_is_in_help_and_signature_with_its_default(
    command: str, function: Callable[..., object], group: type
) -> None:
    shell = {parameter.name: parameter for parameter in PARAMETERS[command]}
    python = inspect.signature(function).parameters
    for name, field in fields_of(group).items():
        assert shell[name].opts == [*([field.option.short] if field.option.short else []), field.flag]
        assert shell[name].help == field.option.help
        assert shell[name].default == python[name].default == field.option.default
        assert python[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_the_keys_of_a_configuration_are_those_of_the_groups() -> None:
    shared = [FormulationOptions, EvaluationOptions, GateOptions]
    for keys, groups, others in (
        (SWEEP, [*shared, CaseOptions, RowOptions, CertifyOptions, CurveOptions, WorkOptions], {"name", "allow"}),
        (RECORDED, [*shared, RecordingOptions], {"name", "allow", "file"}),
    ):
        assert set(keys) == others | {field.key for group in groups for field in fields_of(group).values()}


ARITHMETIC = "dtype compute summation loss-scale fp8-overflow flush-subnormals"
RECORDED_CASES = "labels logits-key labels-key axis ignore-index sample seed"
GENERATED_CASES = "logits pattern classes target seed exhaustive batch reduction"
SINGLE_CASE = "logits target pattern classes at seed from row labels logits-key labels-key axis ignore-index batch reduction"
OUTPUT = "output-format json output"
HELP: dict[str, dict[str | None, str]] = {  # the options of each panel in their order
    "sweep": {
        "Cases": f"formulation objective {GENERATED_CASES}",
        "Judgement": "rtol atol fail-on certify",
        "Output": f"curves jobs {OUTPUT} detail plot",
    },
    "audit": {
        "Cases": f"{RECORDED_CASES} formulation objective",
        "Judgement": "rtol atol fail-on",
        "Output": f"{OUTPUT} detail",
    },
    "compare": {
        "Cases": f"objective {GENERATED_CASES}",
        "Judgement": "rtol atol fail-on-worse",
        "Output": f"{OUTPUT} detail plot",
    },
    "explain": {
        None: "formulation against",
        "Cases": f"objective {SINGLE_CASE}",
        "Judgement": "rtol atol",
        "Output": f"{OUTPUT} hex",
    },
    "check": {None: "config update-baseline", "Output": OUTPUT},
    "diff": {"Judgement": "max-growth", "Output": OUTPUT},
}
EVALUATING: dict[str | None, str] = {"Arithmetic": ARITHMETIC, "External losses": "timeout max-memory"}


@pytest.mark.parametrize("command", HELP)
def test_help_shows_the_options_in_their_panels_and_order(command: str) -> None:
    panels: dict[str | None, list[str]] = {}
    for parameter in PARAMETERS[command]:
        if parameter.opts[-1].startswith("--"):
            panels.setdefault(parameter.rich_help_panel, []).append(parameter.opts[-1].removeprefix("--"))
    assert {panel: " ".join(names) for panel, names in panels.items()} == HELP[command] | (
        {} if command in ("check", "diff") else EVALUATING
    )


def test_only_commands_with_a_longer_table_have_detail() -> None:
    for command in ("sweep", "audit", "compare"):
        assert {*fields_of(DetailedOutput)} <= {parameter.name for parameter in PARAMETERS[command]}
    for command in ("check", "diff", "explain"):
        names = {parameter.name for parameter in PARAMETERS[command]}
        assert {*fields_of(OutputOptions)} <= names
        assert "detail" not in names


@pytest.mark.parametrize("name", ["compute", "rtol", "atol", *Rules.__dataclass_fields__])
def test_every_rule_is_in_the_command_that_reproduces_a_finding(name: str) -> None:
    dtype = "float8_e4m3fn"
    for value in (SAMPLES[name], None):
        given: Any = {"dtypes": dtype} | ({} if value is None else {name: value})
        conditions = next(plan_arithmetics(make_arithmetics(given), SOFTMAX_CROSS_ENTROPY))
        command = sweep_command(conditions, "naive", place_float(int(to_ordinal(1.0, conditions.fmt)), conditions.fmt))
        assert (fields_of(ExplainOptions)[name].flag in command) is (value is not None)


WRONG = [  # of sweep: the option in Python, its value, the option in the shell and its text, its key, and the rest
    ("rtol", -1.0, "--rtol", "-1", "rtol", " -1.0 is not a finite number from 0 on"),
    ("timeout", 0.0, "--timeout", "0", "timeout", " 0.0 is not a finite number of seconds above 0"),
    ("max_memory", "x", "--max-memory", "x", "max-memory", " 'x' is not a number of bytes, e.g. 512M or 2G"),
    ("seed", -1, "--seed", "-1", "seed", " -1 is negative"),
    ("compute", "", "--compute", "", None, " takes a text that is not empty, not ''"),
]


@pytest.mark.parametrize(("name", "value", "flag", "text", "key", "rest"), WRONG, ids=[row[0] for row in WRONG])
def test_a_mistake_is_told_by_the_name_that_the_caller_knows(
    name: str, value: Any, flag: str, text: str, key: str | None, rest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: Any = {name: value}
    with pytest.raises(UsageError) as caught:
        cestab.sweep("naive", **options)
    assert str(caught.value) == name + rest
    assert run(["sweep", "-f", "naive", f"{flag}={text}"]) == 2
    assert capsys.readouterr().err == f"cestab: {flag}{rest}\n"
    if key is not None:
        file = tmp_path / "cestab.toml"
        file.write_text(f"[[audit]]\n{key} = {json.dumps(value)}\n", encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            make_config(find_source(str(file)))
        assert str(caught.value).endswith(f"audit 'audit-1': {key}{rest}")


def test_a_mistake_deep_in_the_work_is_told_by_the_name_that_the_caller_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cestab.toml").write_text(f"[[audit]]\nfile = '{DIGITS}'\naxis = 0\n", encoding="utf-8")
    sentence = "there are 10 rows of logits but labels of shape (899,); are the classes on another axis ({})?"
    with pytest.raises(UsageError) as caught:
        cestab.audit(DIGITS, class_axis=0)
    assert str(caught.value) == sentence.format("class_axis=1")
    assert run(["audit", str(DIGITS), "--axis", "0"]) == 2
    assert capsys.readouterr().err == f"cestab: {sentence.format('--axis 1')}\n"
    assert run(["check"]) == 2
    assert sentence.format("axis = 1") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sweep -f sigmoid-c", {"sigmoid-clipped", "sigmoid-clamped-log", "sigmoid-compensated"}),
        ("sweep --pattern mar", {"margin"}),
    ],
)
def test_a_shell_completes_registered_names(words: str, offered: set[str]) -> None:
    environment = {"_CESTAB_COMPLETE": "complete_bash", "COMP_WORDS": f"cestab {words}", "COMP_CWORD": "3"}
    completed = CliRunner().invoke(app, [], env=environment, prog_name="cestab")
    assert set(completed.stdout.split()) == offered
