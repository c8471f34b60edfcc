"""What the commands print: strict JSON, the same bytes every time, tables that fit, lists that are complete."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest

import cestab as package
from cestab.cases.patterns import ALL_PATTERNS
from cestab.cases.target_kinds import TARGET_KINDS
from cestab.commands.sweep import run as sweep_module
from cestab.commands.sweep.answer import Report
from cestab.formulations import FORMULATIONS
from cestab.formulations.registry import families
from cestab.numerics.formats import FORMATS, REFUSED_FORMATS
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.objectives import OBJECTIVES, SOFTMAX_CROSS_ENTROPY
from cestab.vocabulary.requests import SweepRequest

Command = Callable[..., Any]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SMALL = ("sweep", "-f", "naive", "--dtype", "float16", "--logits", "-20:20", "--classes", "2")
EVERY_FORMULATION = ("sweep", "--dtype", "float16,float32", "--logits", "-20:20:65", "--classes", "2", "--pattern", "margin")
ESCAPE = "\x1b"

# DESIGN section 8, in its order; "fields are only added", and these were
TOP = ["schema", "version", "environment", "request", "settings", "summary", "recommendation"]
SETTING = ["formulation", "objective", "dtype", "compute", "summation", "pattern", "classes", "target", "loss_scale", "cases"]
SETTING += ["undefined", "coverage", "verdict", "findings", "intervals", "max_error"]
FINDING = ["kind", "severity", "cases", "first", "first_positive", "first_negative", "lowest", "highest", "worst"]
ULPS = ["loss_ulps", "loss_at", "gradient_ulps", "gradient_at"]
ADDED = {"causes", "ties", "interval_count", "unrefined_boundaries", "batch", "reduction", "options"}
OPTIONS = {
    "sweep": ["--pattern", "--classes", "--target", "--logits", "--seed"],
    "audit": ["--labels", "--axis", "--ignore-index", "--sample", "--seed"],
}
SHARED = ["-f", "--formulation", "--objective", "--dtype", "--compute", "--summation", "--loss-scale", "--flush-subnormals"]
SHARED += [
    "--fp8-overflow",
    "--rtol",
    "--atol",
    "--fail-on",
    "--output-format",
    "--json",
    "-o",
    "--output",
    "--detail",
    "--help",
]


def refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def parse_strictly(text: str) -> dict[str, Any]:
    """Parse JSON by RFC 8259: no NaN, no Infinity, no name twice in one object."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)
    return parsed


def without_additions(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in ADDED]


def shell(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "cestab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_json_is_strict_and_has_the_designed_fields(cestab: Command) -> None:
    outcome = cestab(*SMALL, "--json")
    assert outcome.status == 0
    assert outcome.out.endswith("}\n")
    report = parse_strictly(outcome.out)
    assert without_additions(report) == TOP
    assert report["schema"] == "cestab.sweep/1"
    assert report["version"] == metadata.version("cestab")
    assert list(report["environment"]) == ["python", "numpy", "platform", "cpu", "simd"]
    assert report["environment"]["simd"] == sorted(set(report["environment"]["simd"]))
    assert [set(setting) - ADDED for setting in report["settings"]] == [set(SETTING)] * 4
    assert without_additions(report["settings"][0]) == SETTING
    findings = [finding for setting in report["settings"] for finding in setting["findings"]]
    assert findings
    for finding in findings:
        assert list(finding) == FINDING
        assert list(finding["first"]) == ["t", "hex", "bound", "reproduce"]
        assert list(finding["lowest"]) == list(finding["highest"]) == ["t", "hex"]
        assert list(finding["worst"]) == ["t", "hex", "ulps"]
        assert finding["lowest"]["t"] <= finding["first"]["t"] <= finding["highest"]["t"]
    assert list(report["settings"][0]["max_error"]) == [*ULPS, "loss_relative", "gradient_relative"]
    assert list(report["settings"][0]["intervals"][0]) == ["from", "to", "loss", "gradient"]
    assert list(report["recommendation"][0]) == ["dtype", "formulation", "why", "cure"]
    counts = report["summary"]
    assert counts["pass"] + counts["warn"] + counts["fail"] == 4
    assert counts["cases"] == sum(setting["cases"] for setting in report["settings"])


def test_every_option_as_resolved_is_in_the_request(cestab: Command) -> None:
    wanted = ("--rtol", "0.5", "--seed", "7", "--fail-on", "inf-loss", "--summation", "pairwise", "--compute", "float32")
    request = parse_strictly(cestab(*SMALL, *wanted, "--loss-scale", "8", "--json").out)["request"]
    assert request["objective"] == "softmax-cross-entropy"
    assert (request["formulation"], request["dtype"], request["compute"]) == (["naive"], ["float16"], "float32")
    assert (request["pattern"], request["classes"], request["target"]) == (["margin", "offset"], [2], ["correct", "wrong"])
    assert (request["summation"], request["loss_scale"], request["rtol"]) == (["pairwise"], [8.0], 0.5)
    assert (request["seed"], request["fail_on"], request["fp8_overflow"]) == (7, ["inf-loss"], "nan")
    assert request["flush_subnormals"] is False


def test_intervals_cover_the_range_without_gaps_and_hexadecimals_are_exact(cestab: Command) -> None:
    report = parse_strictly(cestab(*SMALL, "--dtype", "bfloat16", "--json").out)
    for setting in report["settings"]:
        places = [place for interval in setting["intervals"] for place in (interval["from"], interval["to"])]
        numbers = [float.fromhex(place["hex"]) for place in places]
        assert numbers == sorted(numbers)
        assert (numbers[0], numbers[-1]) == (-20.0, 20.0)
        assert [place["t"] for place in places] == pytest.approx(numbers, rel=2.0**-8)


def test_the_same_request_gives_the_same_bytes(cestab: Command) -> None:
    first, second = (shell(*SMALL, "--json", PYTHONHASHSEED=seed) for seed in "12")
    assert first.stdout == second.stdout == cestab(*SMALL, "--json").out != ""


def test_a_file_has_the_bytes_of_standard_output(cestab: Command, tmp_path: Path) -> None:
    target = tmp_path / "report with a space"
    for form in (("--json",), (), ("--detail",), ("--output-format", "json")):
        printed = cestab(*SMALL, *form).out
        written = cestab(*SMALL, *form, "-o", str(target))
        assert (written.status, written.out) == (0, "")
        assert target.read_bytes().decode() == printed
    assert cestab(*SMALL, "-o", "-").out == cestab(*SMALL).out
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


def test_a_link_is_written_through(cestab: Command, tmp_path: Path) -> None:
    (tmp_path / "latest.json").symlink_to(tmp_path / "real.json")
    assert cestab(*SMALL, "--json", "-o", str(tmp_path / "latest.json")).status == 0
    assert (tmp_path / "latest.json").is_symlink()
    assert (tmp_path / "real.json").is_file()


def test_comma_lists_equal_repeated_options(cestab: Command) -> None:
    options = {"--dtype": ("float16", "bfloat16"), "--pattern": ("margin", "equal"), "--classes": ("2", "3")}
    options |= {"--target": ("wrong", "uniform"), "--summation": ("wide", "sequential"), "--loss-scale": ("1", "8")}
    base = ("sweep", "-f", "log-softmax", "--logits", "0:4:3", "--json")
    commas = [word for option, values in options.items() for word in (option, ", ".join(values))]
    repeated = [word for option, values in options.items() for value in values for word in (option, value)]
    printed = cestab(*base, *commas).out
    assert printed == cestab(*base, *repeated).out
    assert len(parse_strictly(printed)["settings"]) == 2**6
    twice = cestab(*base, "--dtype", "float16,float16", "--classes", "2,2").out
    assert twice == cestab(*base, "--dtype", "float16", "--classes", "2").out


def test_the_python_function_gives_the_bytes_of_the_command(cestab: Command) -> None:
    printed = cestab(*SMALL, "-f", "clipped:eps=1e-8", "--fail-on", "inf-loss", "--json").out
    formulations = ["naive", "clipped:eps=1e-8"]
    report = package.sweep(formulations, dtypes=["float16"], logits="-20:20", classes=[2], fail_on=["inf-loss"])
    assert report.to_json() == printed


def test_lists_hold_every_registered_name(cestab: Command) -> None:
    formulations = [name for family in families().values() for name in family]
    assert sorted(formulations) == sorted(FORMULATIONS)
    registries: dict[str, Iterable[str]] = {
        "formulations": formulations,
        "dtypes": [*FORMATS, *REFUSED_FORMATS],
        "patterns": ALL_PATTERNS,
        "targets": TARGET_KINDS,
        "findings": [kind.label for kind in FindingKind],
        "objectives": OBJECTIVES,
    }
    for registry, names in registries.items():
        status, out, err = cestab("list", registry)
        listed = [line.split()[0].partition(":")[0] for line in out.splitlines() if not line.startswith(" ")]
        assert (status, err) == (0, "")
        assert sorted(listed) == sorted(names)
        assert max(map(len, out.splitlines())) <= 80
        assert all(len(line.split()) > 1 for line in out.splitlines() if not line.startswith(" ")), "a name without a word"


def test_the_version_is_that_of_the_package(cestab: Command) -> None:
    line = f"cestab {metadata.version('cestab')}\n"
    assert cestab("--version") == (0, line, "")
    module = shell("--version")
    assert (module.returncode, module.stdout, module.stderr) == (0, line, "")


def test_the_command_line_starts_without_numpy() -> None:
    heavy = ("numpy", "ml_dtypes", "flint", "numpy_quaddtype", "msgspec")
    program = f"import sys, cestab.commands.app; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["sweep", "audit"])
def test_help_names_every_option(command: str, cestab: Command) -> None:
    status, out, err = cestab(command, "--help")
    assert (status, err) == (0, "")
    words = set(re.findall(r"(?<![\w-])--?[a-z0-9][\w-]*", out))
    assert [option for option in SHARED + OPTIONS[command] if option not in words] == []
    assert max(map(len, out.splitlines())) <= 80


def test_help_of_diff_names_every_option(cestab: Command) -> None:
    status, out, err = cestab("diff", "--help")
    assert (status, err) == (0, "")
    words = set(re.findall(r"(?<![\w-])--?[a-z0-9][\w-]*", out))
    assert {"--max-growth", "--output-format", "--json", "-o", "--output", "--help"} <= words
    assert max(map(len, out.splitlines())) <= 80


def test_help_tells_the_defaults(cestab: Command) -> None:
    text = " ".join(cestab("sweep", "--help").out.replace("│", " ").split())
    assert "margin,offset" in text
    assert "float16,bfloat16,float32,float64" in text


def check_fit(table: str) -> None:
    lines = table.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert ESCAPE not in table
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.thorough
def test_a_table_of_every_formulation_fits_the_screen(cestab: Command) -> None:
    for objective in OBJECTIVES.values():
        outcome = cestab("sweep", "--objective", objective, "--dtype", "float16,float32", "--logits", "-20:20:65")
        assert outcome.status == 0
        check_fit(outcome.out)
        rows = [line.split()[0] for line in outcome.out.splitlines()[1:] if line and line[0] != " "]
        rows = [name for name in rows if name in FORMULATIONS]
        family = list(families()[objective])
        assert rows == family * (len(rows) // len(family))  # with the verdicts, and in each table of one dtype or two
        assert len(rows) >= 2 * len(family)


def test_the_default_sweep_fits_the_screen_finds_what_is_known_and_reads_back(
    cestab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "run_sweep", cache_report(sweep_module.run_sweep))  # once for both forms
    status, out, err = cestab("sweep")
    assert status == 0
    assert "nothing was gated" in err
    check_fit(out)
    assert f"```text\n{out}```\n" in README
    lines = out.splitlines()
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:16] if line[0] != " "}
    assert [name for name in said if name in FORMULATIONS] == list(families()[SOFTMAX_CROSS_ENTROPY])
    assert said["softmax-log"] == "breaks: −y / p overflows"
    assert said["log-softmax"] == "loses digits in float16, bfloat16; else small values lost"
    assert said["compensated"] == "loses digits in float16; small values lost in bfloat16; else sound"
    (start,) = [number for number, line in enumerate(lines) if line.split()[2:] == ["float32", "float64"]]
    assert lines[start + 1].split()[2:] == ["NaN", "inf", "g", "=", "0", ">", "10%", "digits"] * 2
    rows = {line.split()[0]: line.split()[1:] for line in lines[start + 2 : start + 11]}
    assert list(rows) == list(families()[SOFTMAX_CROSS_ENTROPY])
    assert rows["clipped"][:3] == ["·", "·", "16.1"]  # ln 1e7
    assert rows["softmax-log"][:4] == ["88.7", "104", "·", "·"]  # 1/p and p: ln of the largest and half the smallest float32
    assert rows["naive"][5:9] == ["709", "709", "·", "≤372"]  # exp(t) overflows; exp(−2·372) is 0
    assert rows["compensated"] == ["·"] * 10
    assert "1000 classes: NaN from 0: naive, softmax-log, clipped, log-eps (float16)" in out
    assert lines[-1] == "Use instead  compensated (float16, bfloat16, float32, float64)"
    path = str(tmp_path / "default.json")
    assert cestab("sweep", "--json", "-o", path).status == 0
    outcome = cestab("diff", path, path)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith("288 settings, no differences\n")


def cache_report(run_sweep: Callable[..., Report]) -> Callable[..., Report]:
    """Run a sweep at the first call, and answer every further call for the same request with that report."""
    reports: dict[SweepRequest, Report] = {}

    def run_once(request: SweepRequest, **options: Any) -> Report:
        if request not in reports:
            reports[request] = run_sweep(request, **options)
        return reports[request]

    return run_once


def test_detail_has_one_row_per_setting(cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    request = ("sweep", "-f", "naive", "-f", "clipped:eps=1e-8", "--dtype", "float16,float32", "--classes", "2,3")
    out = cestab(*request, "--logits", "-20:20:9", "--target", "wrong,smooth:0.1", "--detail").out
    rows = [line.split() for line in out.partition("Why they fail")[0].splitlines()[2:]]
    expected = [
        [formulation, dtype, pattern, classes, target]
        for formulation in ("naive", "clipped:eps=1e-8")
        for dtype in ("float16", "float32")
        for pattern in ("margin", "offset")
        for classes in ("2", "3")
        for target in ("wrong", "smooth:0.1")
    ]
    assert [row[:5] for row in rows] == expected
    assert {row[5] for row in rows} <= {"pass", "warn", "fail"}


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "60"}, {"TERM": "xterm-256color"}], ids=str)
def test_a_piped_table_has_no_escape_codes_and_obeys_its_width(
    variables: dict[str, str], cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shell(*SMALL, "--detail", **variables)  # through a pipe; the other tables in this process
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tables = [(done.returncode, done.stdout, done.stderr)]
    tables += [cestab(*arguments) for arguments in (SMALL, (*SMALL, "--detail"), ("list", "findings"))]
    for status, out, err in tables:
        assert status == 0
        assert ESCAPE not in out + err
        assert max(map(len, out.splitlines())) <= int(variables.get("COLUMNS", "80"))
    assert tables[0] == tables[2]


def test_the_choice_for_formats_without_infinity_is_printed(cestab: Command) -> None:
    request = ("sweep", "-f", "log-softmax", "--logits", "0:4", "--pattern", "margin", "--classes", "2", "--dtype")

    def words(*choice: str) -> str:
        return " ".join(cestab(*request, *choice).out.split())

    assert "overflow without infinity: saturate" in words("float8_e4m3fn", "--fp8-overflow", "saturate")
    assert "overflow without infinity: nan" in words("float8_e4m3fn")
    assert "overflow without infinity" not in words("float8_e5m2")


def test_a_batch_and_the_options_of_the_objective_are_in_the_report_and_read_back(cestab: Command, tmp_path: Path) -> None:
    arguments = ("-f", "focal-naive:gamma=1", "-f", "focal-naive", "--dtype", "float16", "--logits", "-9:9", "--classes", "2")
    file = str(tmp_path / "report.json")
    assert cestab("sweep", *arguments, "--batch", "8", "--reduction", "sum", "--json", "-o", file).status == 0
    report = parse_strictly(Path(file).read_text(encoding="utf-8"))
    assert (report["request"]["batch"], report["request"]["reduction"]) == (8, "sum")
    shown = [(own["formulation"], own["batch"], own["reduction"], own["options"]) for own in report["settings"]]
    gammas = {"focal-naive:gamma=1": {"gamma": 1.0}, "focal-naive": {"gamma": 2.0}}
    assert shown == [(name, 8, "sum", options) for name, options in gammas.items() for _ in range(4)]
    assert cestab("diff", file, file).status == 0
    assert "sum of 8 rows" in cestab("sweep", *arguments, "--batch", "8", "--reduction", "sum", "--detail").out.replace(
        "\n", " "
    )


def test_an_unknown_batch_or_reduction_is_one_sentence(cestab: Command) -> None:
    assert cestab(*SMALL, "--batch", "0").err.splitlines() == ["cestab: a batch of 0 rows is not one of 1 to 16777216"]
    assert "did you mean sum?" in cestab(*SMALL, "--reduction", "sume").err
