"""`cestab check` on configurations and baselines that are damaged at random: a status and a sentence, never a traceback."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from cestab.commands.app import run
from cestab.commands.check import run as check_module
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.run import run_sweep
from cestab.vocabulary.requests import SweepRequest
from fuzz import examples

EXAMPLES = 25  # of each of four kinds of damage
CONFIG: dict[str, Any] = {
    "baseline": "b.json",
    "audit": [
        {
            "name": "one",
            "formulations": ["naive"],
            "dtypes": ["float16"],
            "logits": "-20:20:9",
            "patterns": ["margin"],
            "classes": [2],
            "targets": ["wrong"],
            "fail-on": ["fail"],
            "rtol": 0.001,
            "seed": 1,
            "flush-subnormals": False,
            "allow": [{"finding": "inf-loss", "reason": "known", "dtype": "float16", "classes": 2, "from": 11.0}],
        },
        {"file": "logits.npz", "labels": "labels.npy", "formulations": "naive", "dtypes": "float32", "axis": 1},
    ],
}
DATA = Path(__file__).parent.parent / "data" / "digits_logits.npz"
WORDS = [
    "",
    "x",
    "fail",
    "naive",
    "float16",
    "float32",
    "margin",
    "-1:1:3",
    "5:1",
    "a\nb",
    "\x00",
    "no.npz",
    "logits.npz",
    "ü🙂",
]
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 4)
    | st.sampled_from([2**62, -(2**63), 10**30, 0.0, -1.5, 1e-300, 1e308, float("inf"), float("nan"), *WORDS])
)
TABLES = st.sampled_from(WORDS[1:])
VALUES = st.recursive(SCALARS, lambda i: st.lists(i, max_size=3) | st.dictionaries(TABLES, i, max_size=2), max_leaves=4)
KEYS = [
    "name",
    "audit",
    "allow",
    "file",
    "from",
    "kind",
    "cases",
    "schema",
    "dtype",
    "pattern",
    "first",
    "t",
    "objective",
    "x",
    "",
]


@pytest.fixture(scope="module", autouse=True)
def _small_sweeps() -> Iterator[None]:
    """Sweep a part of what a table without keys asks for: the whole takes longer than all the others."""

    def sweep_a_part(request: SweepRequest, **options: Any) -> Report:
        return run_sweep(replace(request, formulations=request.formulations[:2], classes=request.classes[:1]), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_module, "run_sweep", sweep_a_part)
        yield


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder with logits, a configuration, and the baseline that belongs to it."""
    import numpy as np  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        with np.load(DATA) as arrays:
            logits, labels = arrays["logits"][:8], arrays["labels"][:8]
        np.savez(path / "logits.npz", logits=logits)
        np.save(path / "labels.npy", labels)
        (path / "cestab.toml").write_text(to_toml(CONFIG), encoding="utf-8")
        assert check(path, "--update-baseline") == 0
        assert check(path) == 0
        shutil.copy(path / "b.json", path / "good.json")
        yield path


def check(folder: Path, *options: str) -> int:
    """Run the command in the folder; what it answers must be one of its statuses, with a sentence."""
    out, err = StringIO(), StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        status = run(["check", *options])
    assert status in {0, 1, 2, 3}, err.getvalue()
    assert "Traceback" not in err.getvalue()
    if status == 2:
        assert out.getvalue() == ""
        assert err.getvalue().strip().splitlines()[-1].startswith("cestab: ")
    return status


def to_toml(config: Any) -> str:
    """Return a configuration as TOML, keys quoted; what cannot be written (None) is left as it is and damages the file."""
    if not isinstance(config, dict):
        return write_value(config)
    audits = config.get("audit")
    has_tables = isinstance(audits, list) and all(isinstance(audit, dict) for audit in audits)
    tables = audits if isinstance(audits, list) and has_tables else []
    top = {key: value for key, value in config.items() if not (has_tables and key == "audit")}
    lines = [f"{json.dumps(key)} = {write_value(value)}" for key, value in top.items()]
    for audit in tables:
        lines += ["[[audit]]", *(f"{json.dumps(key)} = {write_value(value)}" for key, value in audit.items())]
    return "\n".join(lines) + "\n"


def write_value(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {write_value(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(write_value, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return repr(value)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pair for key, item in items for pair in ((value, key), *places(item))]


def damage(draw: Any, original: Any) -> Any:
    """Return a copy with one or two values added, deleted, renamed or of another type."""
    copy = json.loads(json.dumps(original))
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        container, key = draw(st.sampled_from(places(copy) or [({"x": 1}, "x")]))
        how = draw(st.sampled_from(["add", "delete", "rename", "retype"]))
        if how == "add" and isinstance(container, dict):
            container[draw(st.sampled_from(KEYS))] = draw(VALUES)
        elif how == "retype" or isinstance(container, list):
            container[key] = draw(VALUES)
        else:
            value = container.pop(key)
            if how == "rename":
                container[draw(st.sampled_from(KEYS) | st.just(f"{key}s"))] = value
    return copy


def cut(draw: Any, content: bytes) -> bytes:
    """Return the bytes truncated, or with some of them replaced."""
    start, stop = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
    return bytes(content[:start] + draw(st.binary(max_size=6)) + content[stop:] * draw(st.booleans()))


def count_statuses(number: int, damage_and_check: Callable[[st.DataObject], int]) -> Counter[int]:
    """Return how often each status was the answer to damage that is drawn from a seed."""
    statuses: Counter[int] = Counter()

    @seed(number)
    @examples(EXAMPLES)
    @given(data=st.data())
    def run_each(data: st.DataObject) -> None:
        statuses[damage_and_check(data)] += 1

    run_each()
    return statuses


def check_reached(statuses: Counter[int]) -> None:
    """Some damaged files are still good, so that the work itself was reached, and many are refused."""
    assert statuses[0] + statuses[1] > 0
    assert statuses[2] > EXAMPLES // 4


def test_damaged_configurations(folder: Path) -> None:
    def change(data: st.DataObject) -> int:
        shutil.copy(folder / "good.json", folder / "b.json")
        (folder / "cestab.toml").write_text(to_toml(damage(data.draw, CONFIG)), encoding="utf-8")
        return check(folder)

    check_reached(count_statuses(1, change))


def test_damaged_baselines(folder: Path) -> None:
    def change(data: st.DataObject) -> int:
        (folder / "cestab.toml").write_text(to_toml(CONFIG), encoding="utf-8")
        good = json.loads((folder / "good.json").read_text(encoding="utf-8"))
        (folder / "b.json").write_text(json.dumps(damage(data.draw, good)), encoding="utf-8")
        return check(folder)

    check_reached(count_statuses(2, change))


def test_cut_files(folder: Path) -> None:
    def change(data: st.DataObject) -> int:
        (folder / "cestab.toml").write_text(to_toml(CONFIG), encoding="utf-8")
        shutil.copy(folder / "good.json", folder / "b.json")
        file = folder / ("cestab.toml" if data.draw(st.booleans()) else "b.json")
        file.write_bytes(cut(data.draw, file.read_bytes()))
        return check(folder)

    assert count_statuses(3, change)[2] > EXAMPLES // 2


def test_random_text(folder: Path) -> None:
    texts = st.text(alphabet="[]{}=\"'.,#\n\\ audit0-1:efnltpyx", max_size=60)
    starts = st.sampled_from(["", "[[audit]]\n", "[audit]\n"])

    def change(data: st.DataObject) -> int:
        text = data.draw(texts)
        (folder / "cestab.toml").write_text(data.draw(starts) + text, encoding="utf-8")
        return check(folder, "--update-baseline")

    assert count_statuses(4, change)[2] > EXAMPLES // 2
