"""What a target's path finds, and the sentence for what is not there."""

import collections
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cestab.errors import UsageError
from cestab.external.loading import load

LOSSES = """
import helper

class Loss:
    class inner:
        @staticmethod
        def ce(z, target):
            return helper.ANSWER

def stable_ce(z, target):
    return 1
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A current folder with modules, and an interpreter that forgets them."""
    (tmp_path / "losses_of_mine.py").write_text(LOSSES, encoding="utf-8")
    (tmp_path / "helper.py").write_text("ANSWER = 42\n", encoding="utf-8")
    package = tmp_path / "pack_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (package / "leaving.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    (package / "needy.py").write_text("import no_such_framework.nn\n", encoding="utf-8")
    (package / "typo.py").write_text("def f(:\n", encoding="utf-8")
    (package / "sound.py").write_text("def f(z, target): return 2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def message_of(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_dotted_names_of_modules_packages_classes_and_built_ins() -> None:
    assert load("math.exp") is math.exp
    assert load("collections.abc.Iterator.register") == collections.abc.Iterator.register
    assert load("pack_of_mine.sound.f")(0, 0) == 2
    assert load("losses_of_mine.Loss.inner.ce")(0, 0) == 42
    assert isinstance(load("losses_of_mine.Loss"), type)


def test_functions_in_files_with_the_imports_of_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    assert load("losses_of_mine.py:stable_ce")(0, 0) == 1
    assert load(f"{tmp_path}/losses_of_mine.py:Loss.inner.ce")(0, 0) == 42
    assert load("pack_of_mine/sound.py:f")(0, 0) == 2


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    assert load("losses_of_mine.py:stable_ce")(0, 0) == 1
    (tmp_path / "losses_of_mine.py").write_text("def stable_ce(z, target): return 12345\n", encoding="utf-8")
    assert load("losses_of_mine.py:stable_ce")(0, 0) == 12345


def test_a_file_named_like_a_module_in_use_does_not_take_its_place(tmp_path: Path) -> None:
    (tmp_path / "math.py").write_text("def exp(z, target): return 3\n", encoding="utf-8")
    assert load("math.py:exp")(0, 0) == 3
    assert sys.modules["math"] is math


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no_such_module.f", "there is no module 'no_such_module'"),
        ("f", "there is no module 'f'"),
        ("math", "'math' is a module; name a function in it"),
        ("pack_of_mine.sound", "'pack_of_mine.sound' is a module; name a function in it"),
        ("math.expp", "there is no 'expp' in math; did you mean exp?"),
        ("pack_of_mine.soud.f", "there is no 'soud' in pack_of_mine"),
        ("losses_of_mine.Loss.iner.ce", "there is no 'iner' in losses_of_mine.Loss; did you mean inner?"),
        ("losses_of_mine.py:stable", "there is no 'stable' in losses_of_mine.py; did you mean stable_ce?"),
        ("losses_of_mine.py:Loss.outer", "there is no 'outer' in losses_of_mine.py.Loss"),
        ("nowhere.py:f", "there is no file 'nowhere.py'"),
        ("pack_of_mine/nowhere.py:f", "there is no file 'pack_of_mine/nowhere.py'"),
        ("pack_of_mine.broken.f", "'pack_of_mine.broken' cannot be imported: ZeroDivisionError: division by zero"),
        ("pack_of_mine/broken.py:f", "'pack_of_mine/broken.py' cannot be imported: ZeroDivisionError: division by zero"),
        ("pack_of_mine/leaving.py:f", "'pack_of_mine/leaving.py' cannot be imported: SystemExit: 3"),
        ("pack_of_mine.needy.f", "'pack_of_mine.needy' cannot be imported: No module named 'no_such_framework'"),
        ("pack_of_mine/needy.py:f", "'pack_of_mine/needy.py' cannot be imported: No module named 'no_such_framework'"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(path: str, sentence: str) -> None:
    assert message_of(path) == sentence


@pytest.mark.parametrize("path", ["pack_of_mine.typo.f", "pack_of_mine/typo.py:f"])
def test_a_syntax_error_is_told_with_its_place(path: str) -> None:
    assert "SyntaxError" in message_of(path)
    assert "line 1" in message_of(path)


def test_a_module_that_is_a_file_nearby_gets_the_hint_to_name_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in (str(tmp_path), "")])
    expected = "there is no module 'losses_of_mine'; a file is named losses_of_mine.py:function"
    assert message_of("losses_of_mine.stable_ce") == expected
