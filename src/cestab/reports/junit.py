"""JUnit XML: one test case per setting; it fails if and only if the gate found something in it."""

import re
from xml.etree import ElementTree as ET

from cestab.results import GateCase, GateReport, Problem

# What XML 1.0 cannot hold, not even escaped (production [2] Char).
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(gate: GateReport) -> str:
    """Return the report as XML, without times, so that the same request gives the same bytes."""
    root = ET.Element("testsuites", {"name": f"cestab {gate.command}", **_counts(gate.cases)})
    for group in dict.fromkeys(case.group for case in gate.cases):
        own = tuple(case for case in gate.cases if case.group == group)
        suite = ET.SubElement(root, "testsuite", {"name": _clean(group), **_counts(own)})
        for case in own:
            _add_case(suite, case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(cases: tuple[GateCase, ...]) -> dict[str, str]:
    failures = sum(any(problem.is_gated for problem in case.problems) for case in cases)
    errors, skipped = sum(case.error is not None for case in cases), sum(case.skipped is not None for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "skipped": str(skipped)}


def _add_case(suite: ET.Element, case: GateCase) -> None:
    element = ET.SubElement(suite, "testcase", {"classname": f"cestab.{_clean(case.group)}", "name": _clean(case.name)})
    if case.location is not None:
        element.set("file", _clean(case.location.file))
        element.set("line", str(case.location.line))
    if case.error is not None:
        ET.SubElement(element, "error", {"message": _clean(case.error)})
    if case.skipped is not None:
        ET.SubElement(element, "skipped", {"message": _clean(case.skipped)})
    gated = [problem for problem in case.problems if problem.is_gated]
    if gated:
        message = "; ".join(f"{problem.rule}: {problem.message}" for problem in gated)
        failure = ET.SubElement(element, "failure", {"type": _clean(gated[0].rule), "message": _clean(message)})
        failure.text = _clean("\n".join(_describe(problem) for problem in gated))
    others = [problem for problem in case.problems if not problem.is_gated]
    if others:
        ET.SubElement(element, "system-out").text = _clean("\n".join(_describe(problem) for problem in others))


def _describe(problem: Problem) -> str:
    accepted = "" if problem.accepted is None else f" (accepted: {problem.accepted})"
    reproduce = "" if problem.reproduce is None else f"\n  {problem.reproduce}"
    return f"{problem.level} {problem.rule}: {problem.message}{accepted}{reproduce}"


def _clean(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
