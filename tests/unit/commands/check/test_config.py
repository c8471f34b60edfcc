"""The configuration of `cestab check`: where it is found, how it is read, and the sentence for every mistake in it."""

import os
from pathlib import Path

import numpy as np
import pytest

from cestab.commands.check.answer import CheckConfig
from cestab.commands.check.config import make_config
from cestab.commands.check.config_file import find_source
from cestab.errors import UsageError
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import AuditRequest, SweepRequest

DIGITS = Path(__file__).parents[3] / "data" / "digits_logits.npz"
ONE = '[[audit]]\nformulations = ["naive"]\ndtypes = ["float16"]\n'
ALLOW = 'reason = "known", finding = "nan-loss"'

# text of a cestab.toml, the line that is told (None: none), and words that the sentence must hold
WRONG = [
    ("", None, ["names no audit", "[[audit]]"]),
    ("audit = []\n", 1, ["names no audit"]),
    ("\naudit = 3\n", 2, ["names no audit"]),
    ("audit = [1]\n", 1, ["names no audit"]),
    ("[audit]\nname = 'x'\n", None, ["names no audit"]),
    (f"baselin = 'b.json'\n{ONE}", 1, ["unknown key 'baselin'", "did you mean baseline?", "audit"]),
    (f"baseline = 3\n{ONE}", 1, ["baseline takes a text", "not 3"]),
    (f"baseline = ' '\n{ONE}", 1, ["baseline takes a text", "not ' '"]),
    (f"baseline = 'a\\u0000'\n{ONE}".replace("'a\\u0000'", '"a\\u0000"'), 1, ["baseline takes a text of one line"]),
    (f"{ONE}dtype = 'float32'\n", 4, ["unknown key of an audit 'dtype'", "did you mean dtypes?"]),
    (f"{ONE}'fail on' = 'fail'\n", 4, ["unknown key of an audit 'fail on'", "did you mean fail-on?"]),
    (f"{ONE}fail_on = 'fail'\n", 4, ["unknown key of an audit 'fail_on'", "did you mean fail-on?"]),
    (f"{ONE}labels = 'x.npy'\n", 4, ["unknown key of an audit 'labels'"]),
    (f"{ONE}classes = 2.5\n", 4, ["classes takes a whole number", "not 2.5"]),
    (f"{ONE}classes = [2, true]\n", 4, ["classes takes a whole number", "not True"]),
    (f"{ONE}classes = '2'\n", 4, ["classes takes a whole number", "not '2'"]),
    (f"{ONE}patterns = [1]\n", 4, ["patterns takes a name", "not 1"]),
    (f"{ONE}targets = {{wrong = 1}}\n", 4, ["targets takes a name", "wrong"]),
    (f"{ONE}rtol = 'x'\n", 4, ["rtol takes a number", "not 'x'"]),
    (f"{ONE}seed = 1.0\n", 4, ["seed takes a whole number", "not 1.0"]),
    (f"{ONE}flush-subnormals = 1\n", 4, ["flush-subnormals takes true or false", "not 1"]),
    (f"{ONE}logits = [-1, 1]\n", 4, ["logits takes a text", "[-1, 1]"]),
    (f"{ONE}loss-scales = 1{'0' * 400}\n", 4, ["loss-scales takes numbers that float64 holds"]),
    (f"{ONE}name = ''\n", 4, ["name takes a text", "not ''"]),
    (f'{ONE}name = "a\\nb"\n', 4, ["name takes a text of one line"]),
    (f"{ONE}name = 'a'\n{ONE}name = 'a'\n", 8, ["two audits are called 'a'"]),
    (f"{ONE}name = 'audit-2'\n{ONE}", 5, ["two audits are called 'audit-2'"]),
    (f"{ONE}fail-on = []\n", 1, ["audit 'audit-1'", "selection is empty", "finding"]),
    (f"{ONE}fail-on = 'nan-los'\n", 1, ["audit 'audit-1'", "'nan-los'", "did you mean nan-loss?"]),
    (f"{ONE}logits = '5:-5'\n", 1, ["audit 'audit-1'", "did you mean -5:5?"]),
    (f"{ONE}{ONE}name = 'b'\npatterns = 'margn'\n", 4, ["audit 'b'", "did you mean margin?"]),
    (f"{ONE}logits = '70000:80000'\n", 1, ["70000", "no finite float16"]),
    (f"{ONE}compute = 'bfloat16'\n", 1, ["bfloat16", "as wide or wider"]),
    (f"{ONE}classes = 1\n", 1, ["at least 2 classes"]),
    (f"{ONE}seed = -1\n", 1, ["seed -1 is negative"]),
    (f"{ONE}batch = 0\n", 1, ["a batch of 0 rows"]),
    (f"{ONE}batch = '2'\n", 4, ["batch takes a whole number", "not '2'"]),
    (f"{ONE}reduction = 'men'\n", 1, ["did you mean mean?"]),
    (f"{ONE}rtol = nan\n", 1, ["rtol nan is not a finite number"]),
    ("[[audit]]\nformulations = 'naiv'\n", 1, ["'naiv'", "did you mean naive?"]),
    ("[[audit]]\nformulations = 'a\\u0000'\n".replace("'a\\u0000'", '"a\\u0000"'), 1, ["'a\\x00'"]),
    ("[[audit]]\nfile = 'no.npz'\n", 1, ["audit 'audit-1'", "no file 'no.npz'"]),
    (f"[[audit]]\nfile = '{DIGITS}'\nlogits = 'all'\n", 3, ["unknown key of an audit of a file 'logits'", "labels"]),
    (f"[[audit]]\nfile = '{DIGITS}'\naxis = 99\n", 1, ["axis 99 is not the number of an axis"]),
    (f"[[audit]]\nfile = '{DIGITS}'\naxis = 0\n", 1, ["labels of shape"]),
    (f"[[audit]]\nfile = '{DIGITS}'\nloss-scales = 0\n", 1, ["loss scale 0"]),
    (f"{ONE}allow = 'nan-loss'\n", 4, ["allow takes a list of tables"]),
    (f"{ONE}allow = ['nan-loss']\n", 4, ["allow takes a list of tables"]),
    (f'{ONE}allow = [{{finding = "nan-loss"}}]\n', 4, ["allow: reason is missing"]),
    (f'{ONE}allow = [{{reason = "known"}}]\n', 4, ["allow: finding is missing"]),
    (f'{ONE}allow = [{{finding = "nan-loss", reason = " "}}]\n', 4, ["reason takes a text that is not empty"]),
    (f'{ONE}allow = [{{finding = "nan-lss", reason = "known"}}]\n', 4, ["'nan-lss'", "did you mean nan-loss?"]),
    (f'{ONE}allow = [{{finding = "fail", reason = "known"}}]\n', 4, ["unknown finding 'fail'"]),
    (f"{ONE}allow = [{{{ALLOW}, form = 'naive'}}]\n", 4, ["allow: unknown key 'form'", "did you mean from?"]),
    (f"{ONE}allow = [{{{ALLOW}, dtype = 'float32'}}]\n", 4, ["unknown dtype of this audit 'float32'", "known: float16"]),
    (f"{ONE}allow = [{{{ALLOW}, classes = 3}}]\n", 4, ["unknown classes of this audit '3'", "known: 2, 1000"]),
    (f"{ONE}allow = [{{{ALLOW}, pattern = 'margn'}}]\n", 4, ["'margn'", "did you mean margin?"]),
    (f"{ONE}allow = [{{{ALLOW}, target = 'uniform'}}]\n", 4, ["unknown target of this audit 'uniform'"]),
    (f"{ONE}allow = [{{{ALLOW}, formulation = 'clipped'}}]\n", 4, ["unknown formulation of this audit 'clipped'"]),
    (f"{ONE}allow = [{{{ALLOW}, from = -1}}]\n", 4, ["from -1.0 is not a finite magnitude"]),
    (f"{ONE}allow = [{{{ALLOW}, from = inf}}]\n", 4, ["from inf is not a finite magnitude"]),
    (f"[[audit]]\nfile = '{DIGITS}'\nallow = [{{{ALLOW}, from = 1}}]\n", 3, ["allow: unknown key 'from'"]),
    (f"{ONE}[[audit.allow]]\n{ALLOW.replace(', ', chr(10))}\nx = 1\n", 1, ["allow: unknown key 'x'"]),
    ("[[audit]\n", 1, ["cannot be read as TOML"]),
    (f"{ONE}dtypes = 'float32'\n", 4, ["cannot be read as TOML", "overwrite"]),
    (f"x = {'[' * 5000}", None, ["nested too deeply"]),
    (f"x = 1{'0' * 5000}", None, ["cannot be read as TOML"]),
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, name: str = "cestab.toml") -> CheckConfig:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return make_config(find_source(name))


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_mistake_is_one_sentence_with_its_line(text: str, line: int | None, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    sentence = str(caught.value)
    assert sentence.startswith("cestab.toml: " if line is None else f"cestab.toml:{line}: ")
    assert [word for word in words if word not in sentence] == []
    assert sentence.isprintable()


def test_bytes_that_are_not_utf8_are_told() -> None:
    with pytest.raises(UsageError, match="not UTF-8: byte 2 is 0xff"):
        read(b"a=\xff")


def test_every_key_is_read() -> None:
    config = read("""
baseline = "known/b.json"
[[audit]]
name = "all"
formulations = ["naive", "clipped:eps=1e-8"]
objective = "softmax-cross-entropy"
dtypes = ["float16"]
compute = "float32"
summations = ["pairwise"]
logits = "-5:5:3:linear"
patterns = ["spread"]
classes = [2, 3]
targets = ["uniform"]
loss-scales = [8, 0.5]
rtol = 1
atol = 0.25
seed = 7
fp8-overflow = "saturate"
flush-subnormals = true
fail-on = ["warn", "nan-loss"]
[[audit.allow]]
finding = "nan-loss"
reason = "known"
formulation = "naive"
dtype = "float16"
pattern = "spread"
classes = 3
target = "uniform"
from = 11
""")
    (audit,) = config.audits
    request = audit.request
    assert isinstance(request, SweepRequest)
    assert (config.file, config.baseline_name) == ("cestab.toml", "known/b.json")
    assert config.baseline == str(Path.cwd() / "known" / "b.json")
    assert (audit.name, audit.location.file, audit.location.line) == ("all", "cestab.toml", 3)
    assert request.formulations == ("naive", "clipped:eps=1e-8")
    assert (request.arithmetics.dtypes, request.arithmetics.compute) == (("float16",), "float32")
    assert [str(order) for order in request.arithmetics.summations] == ["pairwise"]
    assert str(request.logits) == "-5.0:5.0:3:linear"
    assert (request.patterns, request.classes, request.targets) == (("spread",), (2, 3), ("uniform",))
    assert (request.arithmetics.loss_scales, request.arithmetics.rtol, request.arithmetics.atol) == ((8.0, 0.5), 1.0, 0.25)
    assert (request.seed, str(request.arithmetics.fp8_overflow), request.arithmetics.flush_subnormals) == (7, "saturate", True)
    assert request.fail_on == ("warn", "nan-loss")
    (allowance,) = audit.allow
    assert (allowance.finding, allowance.reason, allowance.start) == (FindingKind.NAN_LOSS, "known", 11.0)
    filters = allowance.formulation, allowance.dtype, allowance.pattern, allowance.classes, allowance.target
    assert filters == ("naive", "float16", "spread", 3, "uniform")


def test_one_value_counts_as_a_list_and_a_check_is_a_gate() -> None:
    (audit,) = read("[[audit]]\nformulations = 'naive'\nclasses = 2\nloss-scales = 8").audits
    assert isinstance(audit.request, SweepRequest)
    assert (audit.request.formulations, audit.request.classes, audit.request.fail_on) == (("naive",), (2,), ("fail",))
    assert audit.request.arithmetics.loss_scales == (8.0,)


def test_recorded_logits_are_found_beside_the_configuration() -> None:
    Path("ci").mkdir()
    Path("ci/logits.npz").write_bytes(DIGITS.read_bytes())
    (audit,) = read(
        "[[audit]]\nfile = 'logits.npz'\nignore-index = -1\naxis = 1\nsample = 3\nseed = 7\n", "ci/gates.toml"
    ).audits
    assert isinstance(audit.request, AuditRequest)
    assert (audit.request.file, audit.request.labels) == ("ci/logits.npz", None)
    assert (audit.request.sample, audit.request.seed) == (3, 7)
    assert (audit.request.ignore_index, audit.request.class_axis, audit.request.fail_on) == (-1, 1, ("fail",))


def test_labels_are_beside_the_configuration_too() -> None:
    Path("ci").mkdir()
    with np.load(DIGITS) as arrays:
        np.save("ci/logits.npy", arrays["logits"])
        np.save("ci/labels.npy", arrays["labels"])
    text = "[[audit]]\nfile = 'logits.npy'\nlabels = 'labels.npy'\nformulations = 'naive'\n"
    Path("ci/cestab.toml").write_text(text, encoding="utf-8")
    (audit,) = make_config(find_source("ci/cestab.toml")).audits
    assert isinstance(audit.request, AuditRequest)
    assert (audit.request.file, audit.request.labels) == ("ci/logits.npy", "ci/labels.npy")


def test_lines_are_those_of_the_headers() -> None:
    text = f"# [[audit]] in a remark is none\n{ONE}\n  [[ audit ]]  # the second\nname = 'b'\nformulations = 'naive'\n"
    assert [audit.location.line for audit in read(text).audits] == [2, 6]


def test_a_header_inside_a_text_does_not_shift_the_lines() -> None:
    text = f"{ONE}allow = [{{finding = 'nan-loss', reason = '''\n[[audit]]\n'''}}]\n"
    assert [audit.location.line for audit in read(text).audits] == [1]


def test_pyproject_has_a_table_of_its_own() -> None:
    text = f"[tool.cestab]\nbaseline = 'b.json'\n[tool.other]\naudit = 1\n{ONE.replace('[[audit', '[[tool.cestab.audit')}"
    config = read(text, "pyproject.toml")
    assert (config.baseline_name, config.audits[0].location.line) == ("b.json", 5)
    with pytest.raises(UsageError, match="has no table"):
        read("[tool.other]\n", "pyproject.toml")
    with pytest.raises(UsageError, match=r"'tool\.cestab' is not a table"):
        read("[tool]\ncestab = 1\n", "pyproject.toml")
    with pytest.raises(UsageError, match=r"pyproject.toml:2: unknown key 'base'; did you mean baseline\?"):
        read("[tool.cestab]\nbase = 1\n", "pyproject.toml")


def test_the_nearest_configuration_upwards_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a/b").mkdir(parents=True)
    Path("pyproject.toml").write_text("[tool.cestab]\n", encoding="utf-8")
    Path("a/pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    monkeypatch.chdir("a/b")
    assert find_source(None).name == "../../pyproject.toml"
    Path("../cestab.toml").touch()
    assert (find_source(None).name, find_source(None).note) == ("../cestab.toml", None)


def test_what_nobody_has_written_is_not_read() -> None:
    Path("zeros.toml").symlink_to("/dev/zero")
    os.mkfifo("pipe.toml")
    Path("large.toml").write_bytes(b"#" * (2**20 + 1))
    for name, reason in (
        ("zeros.toml", "no regular file"),
        ("pipe.toml", "no regular file"),
        ("large.toml", "larger than 1 MiB"),
    ):
        with pytest.raises(UsageError, match=f"{name}: cannot be read as TOML: it is {reason}"):
            find_source(name)


def test_of_two_in_one_folder_cestab_toml_wins_with_a_note() -> None:
    Path("cestab.toml").touch()
    Path("pyproject.toml").write_text("[tool.cestab]\n", encoding="utf-8")
    source = find_source(None)
    assert source.name == "cestab.toml"
    assert source.note == "cestab.toml is used; [tool.cestab] in pyproject.toml beside it is not"
    Path("pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    assert find_source(None).note is None


def test_no_configuration_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # nothing above it
    with pytest.raises(UsageError, match=r"no cestab\.toml, and no pyproject\.toml with .* in '/'"):
        find_source(None)
    with pytest.raises(UsageError, match=r"no file 'nowhere\.toml'"):
        find_source("nowhere.toml")
