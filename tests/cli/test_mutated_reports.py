"""`cestab diff` on damaged reports: whatever is deleted, repeated, swapped, cut or nested, there is no traceback."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from cestab import api
from cestab.commands.app import run
from fuzz import examples

EXAMPLES = 25  # of each kind of report and of damage
DEPTHS = (50, 300, 600, 900, 980, 5000)
STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**60,
    -(10**17),
    1e308,
    5e-324,
    -0.0,
    "",
    "nan",
    "inf",
    "-inf",
    "NaN",
    "\n",
    "\x1b[31m",
]
STRANGE += ["0x1p+9999", "0x1.fp-9999", "float32", "naive", "0:1:²", "all", "cestab.sweep/1", "é😀", "x" * 5000, [], {}, [[]]]
STRANGE += [{"t": 0.0}, {"row": 0}, [None] * 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small report of each kind."""
    path = tmp_path_factory.mktemp("reports")
    options: dict[str, Any] = {"dtypes": ["float16"], "patterns": ["margin"], "targets": ["wrong"]}
    (path / "sweep.json").write_text(api.sweep(["naive", "clipped"], logits="-20:20", classes=[2], **options).to_json())
    draw = np.random.default_rng(0)
    np.savez(path / "l.npz", logits=draw.normal(size=(20, 3)) * 50, labels=draw.integers(0, 3, 20))
    (path / "audit.json").write_text(api.audit(str(path / "l.npz"), formulations=["naive"], dtypes=["float16"]).to_json())
    return path


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield value, key
        yield from places_in(item)


def nest(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def damage(data: Any, draw: st.DrawFn) -> None:
    """Change one place of a report."""
    places = list(places_in(data))
    index = st.integers(0, len(places) - 1)
    container, key = places[draw(index)]
    other, other_key = places[draw(index)]
    match draw(st.sampled_from(["delete", "strange", "swap", "exchange", "copy", "nest", "scale"])):
        case "delete":
            del container[key]
        case "strange":
            container[key] = json.loads(json.dumps(draw(st.sampled_from(STRANGE))))
        case "swap":
            container[key], other[other_key] = json.loads(json.dumps([other[other_key], container[key]]))
        case "exchange":  # with another place of the same name, which most often leaves the report as its schema wants it
            other, other_key = draw(st.sampled_from([place for place in places if place[1] == key]))
            container[key], other[other_key] = json.loads(json.dumps([other[other_key], container[key]]))
        case "copy":
            target = container if isinstance(container, list) else other
            item = json.loads(json.dumps(container[key]))
            target.append(item) if isinstance(target, list) else target.update({str(other_key): item})
        case "nest":
            container[key] = nest(draw(st.sampled_from(DEPTHS[:3])))
        case _:
            container, key = draw(st.sampled_from([place for place in places if type(place[0][place[1]]) in (int, float)]))
            container[key] *= draw(st.sampled_from([-1, 0, 0.5, 3, 3, 1e30]))


@st.composite
def edited(draw: st.DrawFn, text: str) -> bytes:
    """Return a report with one place changed, or two."""
    data = json.loads(text)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        damage(data, draw)
    return json.dumps(data, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def broken(draw: st.DrawFn, text: str) -> bytes:
    """Return the bytes of a report cut, overwritten, with a line twice, or with a value nested in its text."""
    content = text.encode()
    at = draw(st.integers(0, len(content)))
    lines = text.splitlines(keepends=True)
    line = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["cut", "insert", "line", "nest"])):
        case "cut":
            return content[:at]
        case "insert":
            return content[:at] + draw(st.binary(max_size=8)) + content[at + draw(st.integers(0, 8)) :]
        case "line":
            return "".join([*lines[: line + 1], *lines[line : line + draw(st.integers(1, 9))], *lines[line + 1 :]]).encode()
        case _:
            depth = draw(st.sampled_from(DEPTHS))
            return text.replace("null", "[" * depth + "]" * depth, 1).encode()


def check(folder: Path, kind: str, content: bytes, draw: Any) -> None:
    """Compare a damaged report with the sound one, in either order and any form: never a traceback."""
    (folder / "damaged.json").write_bytes(content)
    pair = draw.draw(st.permutations([str(folder / f"{kind}.json"), str(folder / "damaged.json")]))
    form = draw.draw(st.sampled_from(["table", "json", "csv", "markdown"]))
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = run(["diff", *pair, "--output-format", form])
    assert status in (0, 1, 2), err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert err.getvalue().count("\n") == (status > 0), err.getvalue()
    out.getvalue().encode()
    if status == 2 and form != "json":
        assert out.getvalue() == ""
    if form == "json":
        assert json.loads(out.getvalue())["schema"] == ("cestab.error/1" if status == 2 else "cestab.diff/1")


@pytest.mark.parametrize("kind", ["sweep", "audit"])
@pytest.mark.parametrize("damaged", [edited, broken], ids=["values", "bytes"])
def test_no_damaged_report_gives_a_traceback(kind: str, damaged: Any, folder: Path) -> None:
    text = (folder / f"{kind}.json").read_text(encoding="utf-8")
    contents = []

    @seed(len(text))
    @examples(EXAMPLES)
    @given(damaged(text), st.data())
    def compare(content: bytes, draw: Any) -> None:
        check(folder, kind, content, draw)
        contents.append(content)

    compare()
    assert len(contents) >= EXAMPLES


def test_the_damage_reaches_every_status(folder: Path) -> None:
    """Guard the fuzz itself: sound reports are compared, a worse and a refused one are told."""
    sound = str(folder / "sweep.json")
    worse = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    worse["settings"][0]["max_error"]["loss_ulps"] = 1e30
    (folder / "worse.json").write_text(json.dumps(worse), encoding="utf-8")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        found = [run(["diff", sound, path]) for path in (sound, str(folder / "worse.json"), os.devnull)]
    assert found == [0, 1, 2]
