"""Pages: all is in them, nothing comes from outside, and what a report says is text."""

import base64
import gzip
import re
import signal
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

import cestab
from cestab.commands.app import run
from cestab.commands.interruption import HURRY, finishing
from cestab.commands.sweep import derivations
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.page import MOST_WITH_CURVES, spare_curves, to_page
from cestab.commands.sweep.restore import load_report
from cestab.errors import UsageError
from cestab.reports import extras
from cestab.reports.page.model import Cell, Code, Figure, Folded, Number, Page, Paragraph, Run, Section, Table
from cestab.reports.page.render import render_page

HOSTILE = "<script>alert('&')</script>"
OUTSIDE = re.compile(r"""(?:src|href|url|action)\s*[=(]\s*["']?(?!data:|#)[^"'\s)]""")
DIGITS = Path(__file__).parents[2] / "data" / "digits_logits.npz"


@pytest.fixture(scope="module")
def report() -> Report:
    return cestab.sweep(["naive", "compensated"], dtypes=["bfloat16"], classes=2, patterns="margin", curves=True)


def test_every_part_is_escaped() -> None:
    cells = [Cell(text=HOSTILE), Cell(command=HOSTILE), Cell(strip=(Run(letters=HOSTILE, style=HOSTILE),), label=HOSTILE)]
    blocks = (
        Paragraph(text=HOSTILE, style=HOSTILE),
        Table(caption=HOSTILE, heads=(HOSTILE,), rows=(cells,), is_long=True),
        Figure(svg="<svg></svg>", caption=HOSTILE),
        Folded(title=HOSTILE, blocks=(Code(text=HOSTILE),)),
    )
    page = Page(
        title=HOSTILE,
        headline=HOSTILE,
        numbers=(Number(value=HOSTILE, label=HOSTILE, style=HOSTILE),),
        sections=(Section(title=HOSTILE, blocks=blocks),),
        report=HOSTILE,
    )
    text = render_page(page)
    assert "alert(" in text
    assert "<script>alert" not in text
    assert text.count("<script") == 2  # the report, and the page's own


def test_a_page_needs_nothing_from_outside_and_holds_its_report(report: Report) -> None:
    text = render_page(to_page(report))
    assert text.startswith("<!DOCTYPE html>")
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)  # what scripts ask for, the browser test sees
    assert OUTSIDE.findall(shown) == []
    packed = re.search(r'id="report">([^<]*)<', text)
    assert packed is not None
    assert gzip.decompress(base64.b64decode(packed[1])).decode() == report.to_json()
    assert text == render_page(to_page(report))


def test_the_page_says_what_the_report_does(report: Report, tmp_path: Path) -> None:
    text = render_page(to_page(report))
    naive = next(r for r in report.settings if r.setting.formulation == "naive" and r.setting.target == "wrong")
    first = min((f.first for f in naive.findings if f.kind.severity.value == "fail"), key=lambda place: abs(place.value))
    for part in (first.decimal.lstrip("-"), str(first.hexadecimal).lstrip("-"), str(first.reproduce)):
        assert part in text
    assert "<h2" in text
    assert "operation " in text  # a derivation
    (tmp_path / "a.json").write_text(report.to_json(), encoding="utf-8")
    assert "operation " not in render_page(to_page(load_report(str(tmp_path / "a.json")), derives=False))


def test_an_interruption_of_the_derivations_leaves_the_page(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        raise UsageError("it was interrupted")

    monkeypatch.setattr(derivations, "run_explain", interrupt)
    with finishing():
        text = render_page(to_page(report))
        with pytest.raises(KeyboardInterrupt):  # the second one
            signal.raise_signal(signal.SIGINT)
    assert text.endswith("</html>\n")
    assert "operation " not in text
    assert re.search(r"0 of \d+ causes? step by step: the rest was interrupted", text)
    assert HURRY.is_set()


def test_very_many_settings_have_no_curves_in_the_report_of_their_page(report: Report) -> None:
    result = report.settings[0]
    many = [replace(result, setting=replace(result.setting, classes=n)) for n in range(2, MOST_WITH_CURVES + 3)]
    assert spare_curves(report) is report
    assert [r.curve for r in spare_curves(replace(report, settings=tuple(many))).settings] == [()] * len(many)


@pytest.mark.parametrize(
    "words",
    [
        ["sweep", "-f", "clipped", "--dtype", "float16", "--classes", "2"],
        ["audit", str(DIGITS), "-f", "naive", "--dtype", "float16"],
        ["compare", "naive", "compensated", "--dtype", "float16", "--classes", "2"],
        ["advise", "--dtype", "float16", "--classes", "4", "--logits", "-20:20"],
        ["check", "--config", "cestab.toml"],
        ["diff", "a.json", "a.json"],
        ["report", "a.json"],
    ],
)
def test_every_command_writes_a_page(words: list[str], report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(report.to_json(), encoding="utf-8")
    Path("cestab.toml").write_text(
        '[[audit]]\nformulations = "compensated"\ndtypes = "float16"\nclasses = 2\n', encoding="utf-8"
    )
    assert run([*words, "-o", "page.html"]) == 0
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<h2") >= 2
    assert text.endswith("</html>\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["report", "a.json", "b.json", "c.json"],
            "report takes one report, or an old and a new one, not a.json b.json c.json",
        ),
        (["report", "a.json", "a.json"], "report takes one report, or an old and a new one, not a.json a.json"),
        (["report", "nowhere.json"], "there is no file 'nowhere.json'"),
        (["plot", "a.json", "-o", "a.gif"], "-o 'a.gif' ends for no figure; .svg, .png and .pdf do"),
        (["plot", "a.json", "--dtype", "float64", "-o", "a.svg"], "the report has no float64; it has bfloat16"),
    ],
)
def test_a_mistake_is_a_sentence(
    words: list[str],
    sentence: str,
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(report.to_json(), encoding="utf-8")
    assert run(words) == 2
    assert sentence in capsys.readouterr().err


def test_a_missing_package_is_a_sentence_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "jinja2" else object())
    assert run(["sweep", "-o", str(tmp_path / "a.html")]) == 2
    assert capsys.readouterr().err == "cestab: the form html needs jinja2, not installed here: pip install 'cestab[plot]'\n"


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_has_its_form_and_the_same_bytes(
    form: str, start: bytes, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(report.to_json(), encoding="utf-8")
    drawings = []
    for name in (f"a.{form}", f"b.{form}"):
        assert run(["plot", "a.json", "-o", name]) == 0
        drawings.append(Path(name).read_bytes())
    assert drawings[0].startswith(start)
    assert drawings[0] == drawings[1]


@pytest.mark.parametrize("more", [["--figure", "errors"], [], ["b.json"]])
def test_a_figure_names_every_formulation(
    more: list[str], report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "b.json"):
        Path(name).write_text(report.to_json(), encoding="utf-8")
    assert run(["plot", "a.json", *more, "-o", "a.svg"]) == 0
    texts = ["".join(node.itertext()) for node in ET.parse("a.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    for name in ("naive", "compensated"):
        assert any(text.startswith(name) for text in texts)
    assert not any("mathdefault" in text for text in texts)
