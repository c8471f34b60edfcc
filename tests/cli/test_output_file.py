"""`-o FILE`: which form it gets, which files it may not be, what becomes of a file that exists."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cestab.commands.output_file import open_file
from cestab.errors import UsageError

Command = Callable[..., tuple[int, str, str]]
SWEEP = ("sweep", "-f", "naive", "--dtype", "float16", "--classes", "2", "--logits", "0:12:5")
LOSS = "import numpy as np\ndef loss(z, y):\n    return np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]\n"
CHECK = 'baseline = "base.json"\n[[audit]]\nformulations = "naive"\ndtypes = "float16"\nclasses = 2\nlogits = "0:12:5"\n'
DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.json", '{"schema":"cestab.sweep/1"'),
        ("a.JSON", '{"schema":"cestab.sweep/1"'),
        ("a.csv", "formulation,"),
        ("a.md", "### cestab "),
        ("a.xml", "<?xml"),
        ("a.sarif", '{"$schema":'),
        ("a.txt", "cestab 0"),
        ("json", "cestab 0"),
    ],
)
def test_the_ending_names_the_form(name: str, start: str, cestab: Command) -> None:
    status, out, err = cestab(*SWEEP, "-o", name)
    assert (status, out) == (0, "")
    assert f"cestab: wrote {name}\n" in err
    assert "".join(Path(name).read_text(encoding="utf-8").split()).startswith("".join(start.split()))


def test_a_form_that_is_asked_for_wins_over_the_ending(cestab: Command) -> None:
    assert cestab(*SWEEP, "--output-format", "csv", "-o", "a.json")[0] == 0
    assert Path("a.json").read_text(encoding="utf-8").startswith("formulation,")


def test_an_ending_for_a_form_that_the_command_lacks_is_refused(cestab: Command) -> None:
    status, out, err = cestab("explain", "-f", "naive", "--logits", "100,0", "--target", "1", "-o", "a.csv")
    assert (status, out, Path("a.csv").exists()) == (2, "", False)
    assert err == "cestab: this command has no form csv, which 'a.csv' ends for; it has table, json\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("compare naive log-softmax --output-format junit", "no form junit; it has table, json, markdown, csv, html"),
        ("explain -f naive --at 1 --output-format csv", "no form csv; it has table, json"),
    ],
)
def test_a_form_that_the_command_lacks_is_refused(arguments: str, sentence: str, cestab: Command) -> None:
    assert cestab(*arguments.split()) == (2, "", f"cestab: this command has {sentence}\n")


@pytest.fixture
def _inputs(cestab: Command) -> None:
    """Write one of everything that a command can read."""
    shutil.copy(DATA / "digits_logits.npz", "digits.npz")
    for name in ("old.json", "new.json"):
        assert cestab(*SWEEP, "-o", name)[0] == 0
    Path("losses.py").write_text(LOSS, encoding="utf-8")
    Path("cestab.toml").write_text(CHECK, encoding="utf-8")
    assert cestab("check", "--update-baseline")[0] == 0


@pytest.mark.usefixtures("_inputs")
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("audit digits.npz -f naive", "digits.npz"),
        ("explain -f naive --from digits.npz --row 1", "digits.npz"),
        ("diff old.json new.json", "old.json"),
        ("diff old.json new.json", "new.json"),
        ("sweep -f losses.py:loss", "losses.py"),
        ("compare naive losses.py:loss", "losses.py"),
        ("explain -f losses.py:loss --logits 1,0 --target 1", "losses.py"),
        ("check", "cestab.toml"),
        ("check", "base.json"),
        ("check --update-baseline", "base.json"),
    ],
)
@pytest.mark.parametrize("way", ["name", "hard link", "symbolic link", "another path"])
def test_an_input_is_never_written_over(arguments: str, name: str, way: str, cestab: Command) -> None:
    before = Path(name).read_bytes()
    target = name if way == "name" else f"../{Path.cwd().name}/{name}" if way == "another path" else "link"
    if way == "hard link":
        os.link(name, target)
    elif way == "symbolic link":
        Path(target).symlink_to(name)
    status, out, err = cestab(*arguments.split(), "--output-format", "table", "-o", target)
    assert (status, out) == (2, "")
    assert f"cannot write '{target}': this command reads '{name}', which is the same file" in err
    assert Path(name).read_bytes() == before


def test_a_baseline_is_not_written_beside_a_report_of_its_name(cestab: Command) -> None:
    Path("cestab.toml").write_text(CHECK, encoding="utf-8")
    status, _, err = cestab("check", "--update-baseline", "-o", "base.json")
    assert status == 2
    assert "which is the same file" in err
    assert not Path("base.json").exists()


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_that_exists_keeps_its_mode(mode: int, cestab: Command) -> None:
    file = Path("a.json")
    file.write_text("old", encoding="utf-8")
    file.chmod(mode)
    assert cestab(*SWEEP, "-o", "a.json")[0] == 0
    assert file.stat().st_mode & 0o777 == mode
    assert json.loads(file.read_text(encoding="utf-8"))["schema"] == "cestab.sweep/1"


def test_a_new_file_has_the_mode_that_the_umask_leaves(cestab: Command) -> None:
    before = os.umask(0o027)
    try:
        assert cestab(*SWEEP, "-o", "a.json")[0] == 0
    finally:
        os.umask(before)
    assert Path("a.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("x" * 300, "File name too long"),
        ("missing/a.json", "No such file or directory"),
        (".", "it is a folder"),
        ("loop", "its symbolic links lead in a circle"),
        ("nul\0", "embedded null byte"),
        ("/dev/fd/987", "Bad file descriptor"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(target: str, words: str, cestab: Command) -> None:
    Path("loop").symlink_to("loop")
    status, out, err = cestab(*SWEEP, "-o", target)
    assert (status, out) == (2, "")
    assert err.startswith("cestab: cannot write '")
    assert words in err
    assert err.count("\n") == 1


def test_a_long_name_that_the_system_takes_is_taken(cestab: Command) -> None:
    assert cestab(*SWEEP, "-o", "x" * 250 + ".json")[0] == 0


def test_a_failure_during_the_work_leaves_the_old_file() -> None:
    Path("a.txt").write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), open_file("a.txt") as stream:  # noqa: PT012
        stream.write("half")
        raise KeyboardInterrupt
    assert Path("a.txt").read_text(encoding="utf-8") == "old"
    assert [path.name for path in Path.cwd().iterdir()] == ["a.txt"]


def test_it_is_on_the_disk_before_it_takes_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("os.fsync", lambda _: calls.append("sync"))
    monkeypatch.setattr(Path, "replace", lambda *_: calls.append("rename"))
    with open_file("a.txt"):
        pass
    assert calls == ["sync", "rename"]


def test_a_disk_that_fails_at_the_end_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UsageError, match="Input/output error"), open_file("a.txt"):
        pass
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_name_goes_where_it_leads(target: str) -> None:
    """A file that the shell opened for appending keeps what it had."""
    Path("log").write_text("before\n", encoding="utf-8")
    with Path("log").open("a", encoding="utf-8") as log:
        command = [sys.executable, "-m", "cestab", *SWEEP, "-o", target]
        assert subprocess.run(command, stdout=log, stderr=subprocess.DEVNULL, check=False).returncode == 0
    assert Path("log").read_text(encoding="utf-8").startswith("before\ncestab 0")


def test_a_pipe_of_the_file_system_is_written_to(cestab: Command) -> None:
    os.mkfifo("pipe.json")
    with subprocess.Popen(["/bin/cat", "pipe.json"], stdout=subprocess.PIPE) as reader:
        assert cestab(*SWEEP, "-o", "pipe.json")[0] == 0
        assert json.loads(reader.communicate()[0])["schema"] == "cestab.sweep/1"
    assert Path("pipe.json").is_fifo()
