"""A gate as SARIF 2.1.0, the OASIS standard's interchange format of static analysis, for code scanning and editors."""

import hashlib
import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from cestab.errors import ExitStatus
from cestab.reports.gate import GateCase, GateReport, Problem
from cestab.vocabulary.escaping import escape_json
from cestab.vocabulary.kinds import FindingKind

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINDING_SUMMARIES = {kind.label: kind.summary for kind in FindingKind}
ROOT_NAME = "%SRCROOT%"
ROOT = {"description": {"text": "The root of the project: its repository, or where cestab was run."}}  # not a user's folders
COMPLETED = ExitStatus.DONE, ExitStatus.GATE_FAILED

Json = dict[str, Any]


def render(gate: GateReport) -> str:
    """Return the gate as a SARIF log of one run."""
    problems = [(case, problem) for case in gate.cases for problem in case.problems]
    rules = list(dict.fromkeys(problem.rule for _, problem in problems))
    driver = {"name": "cestab", "version": gate.version, "rules": [_rule(name) for name in rules]}
    results = [_result(case, problem, rules.index(problem.rule)) for case, problem in problems]
    if any("suppressions" in result for result in results):  # the standard: all results of a run have it, or none
        results = [{**result, "suppressions": result.get("suppressions", [])} for result in results]
    run = {
        "tool": {"driver": driver},
        **({"originalUriBaseIds": {ROOT_NAME: ROOT}} if any(case.location for case in gate.cases) else {}),
        "invocations": [_invocation(gate)],
        "results": results,
        "properties": {"command": gate.command, "headline": gate.headline},
    }
    return escape_json(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)) + "\n"


def _rule(name: str) -> Json:
    """Return a rule; a rule that is no kind of finding is described by its name."""
    return {"id": name, "shortDescription": {"text": FINDING_SUMMARIES.get(name, name.replace("-", " "))}}


def _result(case: GateCase, problem: Problem, rule_index: int) -> Json:
    reproduce = {} if problem.reproduce is None else {"reproduce": problem.reproduce}
    result: Json = {
        "ruleId": problem.rule,
        "ruleIndex": rule_index,
        "level": str(problem.level),
        "message": {"text": f"{case.group}, {case.name}: {problem.message}"},
        "locations": [_location(case)],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(case, problem)},
        "properties": {"gated": problem.is_gated, **reproduce},
    }
    if problem.accepted is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": problem.accepted}]
    return result


def _fingerprint(case: GateCase, problem: Problem) -> str:
    """Return what identifies a result from run to run: setting and rule, as many results share one line."""
    return hashlib.sha256(f"{case.group}\n{case.name}\n{problem.rule}".encode()).hexdigest()[:16] + ":1"


def _location(case: GateCase) -> Json:
    """Return where a case is: the setting by name, and the line of a file if it has one."""
    logical = {"logicalLocations": [{"name": case.name, "fullyQualifiedName": f"{case.group}, {case.name}"}]}
    if case.location is None:
        return logical
    path = PurePath(case.location.file)
    artifact = {"uri": path.as_uri()} if path.is_absolute() else {"uri": quote(path.as_posix()), "uriBaseId": ROOT_NAME}
    region = {"startLine": case.location.line}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}, **logical}


def _invocation(gate: GateReport) -> Json:
    """Return how the run ended; settings that crashed or could not be judged, or not wholly, are its notifications."""
    notifications = [
        {"level": level, "message": {"text": f"{case.group}, {case.name}: {words}"}, "locations": [_location(case)]}
        for case in gate.cases
        for level, words in (("error", case.error), ("note", case.skipped), ("warning", case.partly))
        if words is not None
    ]
    return {
        "executionSuccessful": gate.status in COMPLETED,
        "exitCode": int(gate.status),
        "toolExecutionNotifications": notifications,
    }
