"""SARIF 2.1.0: one result per problem, for code scanning."""

from cestab.reports.json_v1 import Json, write_json
from cestab.results import FindingKind, GateCase, GateReport, Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(gate: GateReport) -> str:
    """Return the report as SARIF; problems that are accepted are suppressed, with their reason."""
    found = [(case, problem) for case in gate.cases for problem in case.problems]
    rules = list(dict.fromkeys(problem.rule for _, problem in found))
    notes = [_notification(case, text) for case in gate.cases for text in (case.error, case.skipped) if text is not None]
    run: Json = {
        "tool": {
            "driver": {
                "name": "cestab",
                "version": gate.version,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not any(case.error for case in gate.cases),
                "exitCode": int(gate.status),
                "toolExecutionNotifications": notes,
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [_result(case, problem, rules.index(problem.rule)) for case, problem in found],
    }
    return write_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str) -> Json:
    summaries = {kind.label: kind.summary for kind in FindingKind}
    return {"id": name, "shortDescription": {"text": summaries.get(name, name.replace("-", " "))}}


def _result(case: GateCase, problem: Problem, rule_index: int) -> Json:
    result: Json = {
        "ruleId": problem.rule,
        "ruleIndex": rule_index,
        "level": problem.level,
        "message": {"text": f"{case.group}, {case.name}: {problem.message}"},
        "locations": [_location(case)],
        # what code scanning recognizes a result by from run to run: the setting and the rule, never a number
        "partialFingerprints": {"cestabSetting/v1": f"{case.group}|{case.name}|{problem.rule}"},
        "properties": {"gated": problem.is_gated, "reproduce": problem.reproduce},
    }
    if problem.accepted is not None:
        result["suppressions"] = [{"kind": "external", "justification": problem.accepted}]
    return result


def _location(case: GateCase) -> Json:
    location: Json = {"logicalLocations": [{"name": case.group, "fullyQualifiedName": f"{case.group} {case.name}"}]}
    if case.location is not None:
        place = {"artifactLocation": {"uri": _to_uri(case.location.file)}, "region": {"startLine": case.location.line}}
        location["physicalLocation"] = place
    return location


def _to_uri(path: str) -> str:
    """Return a relative path as a URI reference (RFC 3986): only what must be is escaped."""
    from urllib.parse import quote  # noqa: PLC0415  # SARIF is rarely asked for

    return quote(path.replace("\\", "/"))


def _notification(case: GateCase, text: str) -> Json:
    level = "error" if case.error is not None else "note"
    return {"level": level, "message": {"text": f"{case.group}, {case.name}: {text}"}}
