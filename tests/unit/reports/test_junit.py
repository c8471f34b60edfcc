"""JUnit XML of hand-made gates, read back: who fails, who is skipped, and that no name can break it."""

import re
from xml.etree import ElementTree as ET

import pytest

from cestab.errors import ExitStatus
from cestab.reports import junit
from cestab.reports.gate import GateCase, GateReport, Level, Location, Problem

GATED = Problem(
    rule="nan-loss", level=Level.ERROR, message="the loss is NaN", is_gated=True, reproduce="cestab explain -f 'a b'"
)
UNGATED = Problem(rule="zeroed-loss", level=Level.WARNING, message="the loss is 0", is_gated=False)
ACCEPTED = Problem(
    rule="inf-loss", level=Level.ERROR, message="the loss is infinite", is_gated=False, accepted="known since May"
)
HOSTILE = ["]]>", "::error::", "two\nlines", "a|b", "<b>&amp;\"'", "nul\x00 and bell\x07 and \ufffe", "\udc80 alone"]


def parse(*cases: GateCase) -> ET.Element:
    text = junit.render(GateReport(command="sweep", version="1.2.3", headline="headline", cases=cases, status=ExitStatus.DONE))
    return ET.fromstring(text.encode())  # noqa: S314  # our own


def outcomes(element: ET.Element) -> list[str]:
    return [child.tag for child in element]


@pytest.mark.parametrize(
    ("case", "tags"),
    [
        (GateCase(group="f", name="passed", problems=()), []),
        (GateCase(group="f", name="gated", problems=(GATED,)), ["failure"]),
        (GateCase(group="f", name="gated and more", problems=(UNGATED, GATED)), ["failure", "system-out"]),
        (GateCase(group="f", name="ungated", problems=(UNGATED, ACCEPTED)), ["system-out"]),
        (GateCase(group="f", name="judged in part", problems=(), partly="no gradient"), ["system-out"]),
        (GateCase(group="f", name="gated, judged in part", problems=(GATED,), partly="no gradient"), ["failure", "system-out"]),
        (GateCase(group="f", name="skipped", problems=(), skipped="no infinity"), ["skipped"]),
        (GateCase(group="f", name="crashed", problems=(), error="it crashed"), ["error"]),
        (GateCase(group="f", name="crashed and gated", problems=(GATED,), error="it crashed"), ["failure"]),
    ],
    ids=lambda value: value.name if isinstance(value, GateCase) else "",
)
def test_a_test_case_fails_exactly_where_the_gate_did(case: GateCase, tags: list[str]) -> None:
    (found,) = parse(case).iter("testcase")
    assert outcomes(found) == tags
    assert found.attrib == {"classname": "f", "name": case.name}


def test_words_arrive() -> None:
    case = GateCase(
        group="f",
        name="n",
        problems=(GATED, UNGATED, ACCEPTED),
        partly="no gradient",
        location=Location(file="cestab.toml", line=7),
    )
    (found,) = parse(case).iter("testcase")
    assert (found.get("file"), found.get("line")) == ("cestab.toml", "7")
    failure, out = found
    assert failure.attrib == {"message": "the loss is NaN", "type": "nan-loss"}
    assert failure.text is not None
    assert "cestab explain -f 'a b'" in failure.text
    assert out.text is not None
    assert out.text.splitlines() == [
        "warning: zeroed-loss: the loss is 0",
        "error: inf-loss: the loss is infinite (accepted: known since May)",
        "warning: no gradient",
    ]


def test_suites_count_their_own_and_the_root_counts_all() -> None:
    root = parse(
        GateCase(group="f", name="1", problems=(GATED,)),
        GateCase(group="g", name="2", problems=(), skipped="no"),
        GateCase(group="f", name="3", problems=(), error="crash"),
        GateCase(group="g", name="4", problems=()),
    )
    counts = ("tests", "failures", "errors", "skipped")
    assert [root.get(name) for name in counts] == ["4", "1", "1", "1"]
    assert [suite.get("name") for suite in root] == ["f", "g"]
    assert [[suite.get(name) for name in counts] for suite in root] == [["2", "1", "1", "0"], ["2", "0", "0", "1"]]
    assert not [element for element in root.iter() if "timestamp" in element.attrib or "time" in element.attrib]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_survives_and_control_characters_are_escapes(text: str) -> None:
    kept = re.sub("[\x00\x07\r\ufffe\udc80]", lambda found: f"\\u{ord(found[0]):04x}", text)
    problem = Problem(rule=text, level=Level.ERROR, message=text, is_gated=True)
    (found,) = parse(GateCase(group=text, name=text, problems=(problem,))).iter("testcase")
    assert (found.get("classname"), found.get("name"), found[0].get("message")) == (kept, kept, kept)
    assert found[0].text == f"error: {kept}: {kept}"
