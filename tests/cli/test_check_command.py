"""`cestab check` as a shell sees it: statuses, forms, the baseline, and what is left behind."""

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cestab.commands.schema import read_schema
from cestab.commands.sweep import run as sweep_module
from cestab.vocabulary.kinds import FindingKind, Verdict
from cestab.vocabulary.settings import SettingResult
from events import wait_until

Command = Callable[..., Any]
ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "tests" / "data" / "digits_logits.npz"

# naive overflows from |t| = 11.09 on in float16 and is sound on small logits
CASES = 'dtypes = "float16"\npatterns = "margin"\nclasses = 2\ntargets = "wrong"\n'
SOUND = f'[[audit]]\nformulations = "naive"\nlogits = "-1:1:5"\n{CASES}'
BAD = f'[[audit]]\nformulations = "naive"\nlogits = "-20:20:9"\n{CASES}'
MASKED = '[[audit]]\nformulations = "naive"\ndtypes = "float8_e4m3fn"\npatterns = "masked"\n'
FILE = f'[[audit]]\nname = "digits"\nfile = "{DIGITS}"\nformulations = "naive"\ndtypes = "float32"\nfail-on = "nan-gradient"\n'
BASELINE = 'baseline = "b.json"\n'
FORMS = ["table", "json", "csv", "markdown", "junit", "sarif", "github"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every setting of log-softmax one that crashed."""
    real = sweep_module.run_group

    def run_group(*arguments: Any) -> Any:
        group = real(*arguments)
        results = {name: _crashed(own) if name == "log-softmax" else own for name, own in group.results.items()}
        return replace(group, results=results)

    def _crashed(result: SettingResult) -> SettingResult:
        return replace(result, verdict=Verdict.ERROR, findings=(), reason="it crashed")

    monkeypatch.setattr(sweep_module, "run_group", run_group)


def configure(*texts: str) -> None:
    Path("cestab.toml").write_text("".join(texts), encoding="utf-8")


CRASHING = SOUND.replace("naive", "log-softmax")


@pytest.mark.usefixtures("crash")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ((SOUND,), 0),
        ((SOUND, BAD), 1),
        ((FILE,), 1),
        ((SOUND, MASKED), 2),
        ((BAD, MASKED), 1),
        ((MASKED,), 2),
        ((CRASHING,), 3),
        ((SOUND, CRASHING), 3),
        ((BAD, CRASHING), 1),
        ((SOUND, "x = 1\n"), 2),
    ],
)
def test_every_form_has_the_same_status(cestab: Command, texts: tuple[str, ...], status: int, form: str) -> None:
    configure(*texts)
    outcome = cestab("check", "--output-format", form)
    assert outcome.status == status, outcome.err
    if status == 2:
        assert ("cestab.error/1" in outcome.out) if form == "json" else outcome.out == ""
        assert outcome.err.startswith("cestab: ")
    else:
        assert outcome.out
        assert ("gate failed" in outcome.err) == (status == 1)


OPTIONS = ["--dtype", "float16", "--pattern", "margin", "--classes", "2", "--target", "wrong", "--logits=-1:1:5"]
LOSS_ALONE = SOUND.replace("naive", f"{ROOT}/tests/data/targets.py:loss_only")


@pytest.mark.usefixtures("crash")
@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ((SOUND,), "passes"),
        ((SOUND, CRASHING), "could not audit 1 setting"),
        ((CRASHING, CRASHING), "could not audit 2 settings"),
        ((BAD, CRASHING), "fails: 3 gated findings, could not audit 1 setting"),
        ((SOUND, LOSS_ALONE), "passes, judged only the loss in 1 setting"),
        ((CRASHING, LOSS_ALONE), "could not audit 1 setting, judged only the loss in 1 setting"),
    ],
)
def test_the_headline_says_what_keeps_it_from_a_pass(cestab: Command, texts: tuple[str, ...], words: str) -> None:
    configure(*texts)
    assert cestab("check", "--output-format", "markdown").out.splitlines()[0] == f"## `cestab check` {words}"


def test_a_loss_without_a_gradient_is_named_in_every_form_that_people_read(cestab: Command) -> None:
    configure(LOSS_ALONE)
    for form in ("table", "markdown"):
        status, out, _ = cestab("check", "--output-format", form)
        assert status == 0
        shown = out.replace("**", "").replace("\n", "").replace(" ", "")
        assert "targets.py:loss_only:itreturnsnogradient:onlythelosswasjudged;1setting(float16)" in shown
    (audit,) = json.loads(cestab("check", "--json").out)["audits"]
    assert audit["settings"][0]["reason"] == "it returns no gradient: only the loss was judged"


@pytest.mark.parametrize("form", ["junit", "sarif", "github", "csv"])
def test_a_loss_without_a_gradient_is_not_silently_green(cestab: Command, form: str) -> None:
    configure(LOSS_ALONE)
    check = cestab("check", "--output-format", form)
    sweep = cestab("sweep", "-f", f"{ROOT}/tests/data/targets.py:loss_only", *OPTIONS, "--output-format", form)
    for status, out, _ in (check, sweep):
        assert status == 0
        assert "it returns no gradient: only the loss was judged" in out


@pytest.mark.usefixtures("crash")
def test_csv_ends_with_why_something_was_not_judged(cestab: Command) -> None:
    configure(SOUND, CRASHING, LOSS_ALONE)
    rows = list(csv.DictReader(io.StringIO(cestab("check", "--output-format", "csv").out)))
    assert list(rows[0])[-1] == "reason"
    assert list(dict.fromkeys(row["reason"] for row in rows)) == [
        "",
        "it crashed",
        "it returns no gradient: only the loss was judged",
    ]


@pytest.mark.parametrize("marks", [(".git",), ()], ids=["a-repository", "no-repository"])
@pytest.mark.parametrize("folder", [".", "sub", "sub/deep"])
def test_the_place_is_seen_from_the_root_wherever_it_is_run(
    cestab: Command, monkeypatch: pytest.MonkeyPatch, folder: str, marks: tuple[str, ...]
) -> None:
    configure(BAD)
    for name in (*marks, "sub/deep"):
        Path(name).mkdir(parents=True)
    monkeypatch.chdir(folder)
    (run,) = json.loads(cestab("check", "--output-format", "sarif").out)["runs"]
    places = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run["results"]]
    assert {(place["uri"], place["uriBaseId"]) for place in places} == {("cestab.toml", "%SRCROOT%")}
    commands = [line for line in cestab("check", "--output-format", "github").out.splitlines() if line.startswith("::")]
    assert [line for line in commands if " file=cestab.toml,line=1," not in line] == []
    assert 'file="cestab.toml"' in cestab("check", "--output-format", "junit").out


def test_a_configuration_in_a_folder_of_the_repository_is_named_with_it(
    cestab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".git", "ci", "other"):
        Path(name).mkdir()
    Path("ci/cestab.toml").write_text(BAD, encoding="utf-8")
    for folder, named in ((".", "ci/cestab.toml"), ("ci", "cestab.toml"), ("../other", "../ci/cestab.toml")):
        monkeypatch.chdir(folder)
        out = cestab("check", "--config", named, "--output-format", "github").out
        assert " file=ci/cestab.toml,line=1," in out


def test_what_the_numbers_of_targets_depend_on_is_told_once(cestab: Command) -> None:
    other = LOSS_ALONE.replace("loss_only", "stable")
    configure(LOSS_ALONE, other, LOSS_ALONE)
    targets = json.loads(cestab("check", "--json").out)["environment"]["targets"]
    assert [facts["formulation"].rpartition(":")[2] for facts in targets] == ["loss_only", "stable"]
    assert {facts["device"] for facts in targets} == {"cpu"}
    assert "Run by" in cestab("check").out
    configure(SOUND)
    assert "targets" not in json.loads(cestab("check", "--json").out)["environment"]
    assert "Run by" not in cestab("check").out


def test_the_update_accepts_what_is_there_and_says_what_changed(cestab: Command) -> None:
    configure(BASELINE, BAD, FILE)
    assert cestab("check").status == 2
    update = cestab("check", "--update-baseline")
    assert update.status == 0
    assert "b.json holds 4 findings; 4 changed" in update.err
    assert "  + audit-1: naive, float16, margin, 2 classes, wrong: nan-gradient from |t| = 11.09\n" in update.err
    written = Path("b.json").read_bytes()
    after = cestab("check")
    assert (after.status, after.err) == (0, "")
    again = cestab("check", "--update-baseline")
    assert "b.json holds 4 findings; none changed" in again.err
    assert Path("b.json").read_bytes() == written
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_a_boundary_that_moves_towards_zero_fails(cestab: Command) -> None:
    configure(BASELINE, BAD)
    cestab("check", "--update-baseline")
    known = json.loads(Path("b.json").read_text(encoding="utf-8"))
    finding = known["audits"]["audit-1"][0]["findings"][0]
    assert finding["kind"] == "nan-gradient"
    assert float.fromhex(finding["first"]["hex"]) == 11.09375
    finding["first"] = {"t": 11.1, "hex": "0x1.634p+3"}  # the next float16
    Path("b.json").write_text(json.dumps(known), encoding="utf-8")
    moved = cestab("check", "--json")
    assert moved.status == 1
    problems = [problem for problem in json.loads(moved.out)["problems"] if problem["gated"]]
    assert [(problem["rule"], problem["finding"]) for problem in problems] == [("moved-boundary", "nan-gradient")]
    assert "in the baseline from |t| = 11.1" in problems[0]["message"]


def test_entries_that_no_longer_occur_are_stale_and_leave(cestab: Command) -> None:
    configure(BASELINE, BAD)
    cestab("check", "--update-baseline")
    configure(BASELINE, SOUND)
    outcome = cestab("check")
    assert outcome.status == 0
    words = " ".join(outcome.out.split())
    assert "of the baseline, found over the range -20.0:20.0:9:log, are not in the range -1.0:1.0:5:log" in words
    assert "  - audit-1: " in cestab("check", "--update-baseline").err
    assert json.loads(Path("b.json").read_text(encoding="utf-8")) == {"schema": "cestab.baseline/1", "audits": {}}
    assert "Stale" not in cestab("check").out


@pytest.mark.usefixtures("crash")
def test_an_update_keeps_what_is_known_of_a_setting_that_crashed(cestab: Command) -> None:
    configure(BASELINE, BAD, CRASHING)
    known = Path("b.json")
    assert cestab("check", "--update-baseline").status == 3
    entries = json.loads(known.read_text(encoding="utf-8"))
    entries["audits"]["audit-2"] = json.loads(json.dumps(entries["audits"]["audit-1"]).replace('"naive"', '"log-softmax"'))
    known.write_text(json.dumps(entries), encoding="utf-8")
    assert cestab("check", "--update-baseline").status == 3
    assert json.loads(known.read_text(encoding="utf-8")) == entries


def test_nothing_judged_leaves_the_baseline_as_it_is(cestab: Command) -> None:
    Path("b.json").write_text('{"schema": "cestab.baseline/1", "audits": {}}', encoding="utf-8")
    configure(BASELINE, MASKED)
    outcome = cestab("check", "--update-baseline")
    assert outcome.status == 2
    assert outcome.err == "cestab: nothing of 'audit-1' could be judged: float8_e4m3fn has no infinity to mask with\n"
    assert Path("b.json").read_text(encoding="utf-8") == '{"schema": "cestab.baseline/1", "audits": {}}'


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "cestab.sweep/1"}'])
def test_a_damaged_baseline_is_no_pass_and_is_not_overwritten(cestab: Command, content: str) -> None:
    Path("b.json").write_text(content, encoding="utf-8")
    configure(BASELINE, SOUND)
    for options in ((), ("--update-baseline",)):
        outcome = cestab("check", *options)
        assert (outcome.status, outcome.out) == (2, "")
        assert "baseline 'b.json'" in outcome.err
        assert Path("b.json").read_text(encoding="utf-8") == content


def test_an_update_without_a_baseline_is_told(cestab: Command) -> None:
    configure(SOUND)
    outcome = cestab("check", "--update-baseline")
    assert outcome.status == 2
    assert "no baseline to update" in outcome.err


def test_all_requests_are_checked_before_any_work(cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "run_group", lambda _plan: pytest.fail("it worked"))
    for last in (BAD.replace("naive", "naiv"), '[[audit]]\nfile = "no.npz"\n', BAD.replace("-20:20:9", "20:-20")):
        configure(SOUND, last)
        outcome = cestab("check")
        assert outcome.status == 2
        assert outcome.err.startswith("cestab: cestab.toml:8: audit 'audit-2': ")
    configure(SOUND)
    assert "cannot write" in cestab("check", "-o", "no/folder.txt").err


LOSSES = """
from pathlib import Path
import numpy as np
def zero(z, target):
    return z[:, 0] * 0, z * 0
def raises(z, target):
    raise RuntimeError("planted")
def hangs(z, target):
    Path(__file__).with_name("called").touch()
    while True:
        pass
"""
OWN = SOUND.replace('"naive"', '["losses.py:zero", "python:losses.zero"]') + 'fail-on = "nan-loss"\n'
RECORDED = FILE.replace(str(DIGITS), "digits.npz").replace('"naive"', '"losses.py:raises"')


def test_paths_are_relative_to_the_configuration(cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(OWN, RECORDED)
    Path("losses.py").write_text(LOSSES, encoding="utf-8")
    Path("digits.npz").write_bytes(DIGITS.read_bytes())
    Path("below").mkdir()
    monkeypatch.chdir("below")
    outcome = cestab("check", "--json", "-o", "report.json")
    assert outcome.status == 3, outcome.err
    first, second = json.loads(Path("report.json").read_text(encoding="utf-8"))["audits"]
    assert [setting["formulation"] for setting in first["settings"]] == ["losses.py:zero", "python:losses.zero"]
    assert [setting["verdict"] for setting in first["settings"]] == ["other-objective"] * 2
    assert second["request"]["file"] == "../digits.npz"
    assert [setting["verdict"] for setting in second["settings"]] == ["error"]
    lines = cestab("check").out.splitlines()
    assert "  digits: losses.py:raises: it raised RuntimeError: planted; error in 1 setting" in lines


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("loses.py:zero", "there is no file 'loses.py' in '.'"),
        ("losses.py:zeros", "there is no 'zeros' in losses.py; did you mean zero?"),
    ],
)
def test_a_loss_that_is_not_there_is_told_with_the_line_of_its_audit(cestab: Command, name: str, sentence: str) -> None:
    Path("losses.py").write_text(LOSSES, encoding="utf-8")
    configure(SOUND, SOUND.replace("naive", name))
    line = SOUND.count("\n") + 1
    assert cestab("check")[:] == (2, "", f"cestab: cestab.toml:{line}: audit 'audit-2': {sentence}\n")


def test_an_interrupt_leaves_the_audits_that_were_finished() -> None:
    Path("losses.py").write_text(LOSSES, encoding="utf-8")
    configure(BASELINE, BAD, SOUND.replace("naive", "losses.py:hangs"))
    Path("b.json").write_text('{"schema": "cestab.baseline/1", "audits": {}}', encoding="utf-8")
    words = [sys.executable, "-m", "cestab", "check"]
    for more, has_report in (["--json"], True), (["--update-baseline"], False):
        before = Path("b.json").read_bytes()
        Path("called").unlink(missing_ok=True)
        with subprocess.Popen([*words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_until(Path("called").exists)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=300)
        assert process.returncode == 130
        assert Path("b.json").read_bytes() == before
        assert bool(out) is has_report
        if has_report:
            report = json.loads(out)
            assert (report["interrupted"], report["summary"]["fail"], report["stale"]) == (True, 1, [])
            assert [audit["name"] for audit in report["audits"]] == ["audit-1"]


def test_the_second_configuration_of_a_folder_is_noted(cestab: Command) -> None:
    configure(SOUND)
    Path("pyproject.toml").write_text("[tool.cestab]\n", encoding="utf-8")
    outcome = cestab("check")
    assert outcome.status == 0
    assert outcome.err == "cestab: cestab.toml is used; [tool.cestab] in pyproject.toml beside it is not\n"


def test_the_configuration_of_pyproject_is_found_from_below(cestab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pyproject.toml").write_text(BAD.replace("[[audit", "[[tool.cestab.audit"), encoding="utf-8")
    Path("a/b").mkdir(parents=True)
    monkeypatch.chdir("a/b")
    assert cestab("check").status == 1
    assert json.loads(cestab("check", "--json").out)["config"]["file"] == "../../pyproject.toml"
    assert cestab("check", "--config", "../../pyproject.toml").status == 1


def test_the_json_is_what_the_schema_says_and_holds_all(cestab: Command) -> None:
    allow = 'allow = [{finding = "inf-loss", reason = "known"}, {finding = "zeroed-loss", reason = "old", from = 3}]\n'
    configure(BASELINE, BAD, allow, FILE)
    Path("b.json").write_text('{"schema": "cestab.baseline/1", "audits": {}}', encoding="utf-8")
    report = json.loads(cestab("check", "--json").out)
    schema = json.loads((ROOT / "docs" / "schema" / "check.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(report)
    assert report["config"] == {"file": "cestab.toml", "baseline": "b.json"}
    assert [(audit["name"], audit["line"]) for audit in report["audits"]] == [("audit-1", 2), ("digits", 10)]
    assert [allowed["from"] for allowed in report["audits"][0]["allow"]] == [None, 3.0]
    accepted = [(problem["finding"], problem["accepted"]) for problem in report["problems"] if not problem["gated"]]
    assert accepted == [("inf-loss", "known")]
    assert [(stale["finding"], stale["source"]) for stale in report["stale"]] == [("zeroed-loss", "allow")]
    summary = report["summary"]
    gated = [problem for problem in report["problems"] if problem["gated"]]
    assert (summary["gated"], summary["accepted"], summary["stale"], summary["status"]) == (len(gated), 1, 1, 1)
    assert {problem["audit"] for problem in gated} == {"audit-1", "digits"}
    assert cestab("check", "--json").out == cestab("check", "--output-format", "json").out


def test_schemas_are_shipped_as_documented_and_refuse(cestab: Command) -> None:
    configure(BASELINE, BAD)
    cestab("check", "--update-baseline")
    for name, report in (("check", cestab("check", "--json").out), ("baseline", Path("b.json").read_text(encoding="utf-8"))):
        text = (ROOT / "docs" / "schema" / f"{name}.json").read_text(encoding="utf-8")
        assert text == read_schema(name)
        schema = json.loads(text)
        Draft202012Validator.check_schema(schema)
        parsed = json.loads(report)
        assert schema["$id"] == f"urn:cestab:{name}:1"
        for key in schema["required"]:
            assert not Draft202012Validator(schema).is_valid({k: v for k, v in parsed.items() if k != key})
        assert Draft202012Validator(schema).is_valid(parsed | {"later": 1})
        assert set(schema["$defs"]["Kind"]["enum"]) == {kind.label for kind in FindingKind}


def test_csv_has_a_line_per_finding_and_per_sound_setting(cestab: Command) -> None:
    configure(SOUND.replace("naive", "compensated"), BAD, 'allow = [{finding = "inf-loss", reason = "a, b"}]\n', FILE)
    rows = list(csv.DictReader(io.StringIO(cestab("check", "--output-format", "csv").out)))
    assert [row["finding"] for row in rows if row["audit"] == "audit-1"] == [""]
    assert {row["finding"]: row["accepted"] for row in rows if row["audit"] == "audit-2"}["inf-loss"] == "a, b"
    gated = {(row["audit"], row["finding"]) for row in rows if row["gated"] == "true"}
    assert gated == {("audit-2", "nan-gradient"), ("audit-2", "wrong-gradient"), ("digits", "nan-gradient")}
    assert {float(row["t"]) == pytest.approx(float.fromhex(row["hex"]), rel=1e-3) for row in rows if row["hex"]} == {True}
    assert {(row["pattern"], row["t"]) for row in rows if row["audit"] == "digits"} == {("", "")}


def test_the_report_can_go_to_a_file(cestab: Command) -> None:
    configure(BAD)
    outcome = cestab("check", "-o", "report.txt")
    assert (outcome.status, outcome.out) == (1, "")
    assert "nan-gradient from |t| = 11.09" in " ".join(Path("report.txt").read_text(encoding="utf-8").split())


def test_help_has_examples(cestab: Command) -> None:
    assert "cestab check --update-baseline" in cestab("check", "--help").out


def test_a_configuration_that_is_no_toml_is_status_2(cestab: Command) -> None:
    configure("[")
    assert cestab("check")[:2] == (2, "")  # the other statuses as a shell sees them: test_shell.py
