"""A gate as JUnit XML: a test case per setting, a failure exactly where the gate found something. No timestamps."""

from xml.etree import ElementTree as ET

from cestab.reports.gate import GateCase, GateReport, Level, Problem
from cestab.vocabulary.escaping import escape


def render(gate: GateReport) -> str:
    """Return the gate as JUnit XML, a test suite per group."""
    root = _add(None, "testsuites", name=f"cestab {gate.command}")
    for group in dict.fromkeys(case.group for case in gate.cases):
        suite = _add(root, "testsuite", name=group)
        for case in [case for case in gate.cases if case.group == group]:
            _add_case(suite, case)
        _count(suite)
    _count(root)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_case(suite: ET.Element, case: GateCase) -> None:
    place = {} if case.location is None else {"file": case.location.file, "line": str(case.location.line)}
    element = _add(suite, "testcase", classname=case.group, name=case.name, **place)
    gated = [problem for problem in case.problems if problem.is_gated]
    others = [_describe(problem) for problem in case.problems if not problem.is_gated]
    others += [] if case.partly is None else [f"{Level.WARNING}: {case.partly}"]
    if gated:
        failure = _add(element, "failure", message="; ".join(p.message for p in gated), type=", ".join(p.rule for p in gated))
        failure.text = _clean("\n".join(_describe(problem) for problem in gated))
    elif case.error is not None:
        _add(element, "error", message=case.error)
    elif case.skipped is not None:
        _add(element, "skipped", message=case.skipped)
    if others:
        _add(element, "system-out").text = _clean("\n".join(others))


def _describe(problem: Problem) -> str:
    accepted = "" if problem.accepted is None else f" (accepted: {problem.accepted})"
    reproduce = "" if problem.reproduce is None else f"\n  {problem.reproduce}"
    return f"{problem.level}: {problem.rule}: {problem.message}{accepted}{reproduce}"


def _count(element: ET.Element) -> None:
    """Set the numbers of test cases below an element, by outcome."""
    element.set("tests", str(len(element.findall(".//testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(len(element.findall(f".//{tag}"))))


def _add(parent: ET.Element | None, tag: str, **attributes: str) -> ET.Element:
    cleaned = {key: _clean(value) for key, value in attributes.items()}
    return ET.Element(tag, cleaned) if parent is None else ET.SubElement(parent, tag, cleaned)


def _clean(text: str) -> str:
    """Return text whose control characters, of which XML holds few, are escapes."""
    return escape(text)
