"""The JSON report cestab.compare/1."""

from cestab.commands.compare.answer import Agreement, BoundaryPair, Comparison, Relation, SettingComparison
from cestab.commands.sweep.wire import show_request
from cestab.reports.json import Json, describe_setting, show_environment, show_place, write_json
from cestab.vocabulary.settings import Finding, Place


def render(comparison: Comparison) -> str:
    """Return the comparison as JSON, with a newline at the end."""
    relations = {relation.name.lower(): sum(d.relation is relation for d in comparison.dtypes) for relation in Relation}
    relations["not_compared"] = sum(d.relation is None for d in comparison.dtypes)
    names = {"reference": comparison.reference, "others": comparison.others, "fail_on_worse": comparison.fails_on_worse}
    return write_json(
        {
            "schema": "cestab.compare/1",
            "version": comparison.version,
            "environment": show_environment(comparison.environment),
            "request": show_request(comparison.request) | names,
            "settings": [_setting(setting) for setting in comparison.settings],
            "dtypes": [
                {"dtype": d.dtype, "other": d.other, "relation": d.relation and d.relation.name.lower(), "sentence": d.sentence}
                for d in comparison.dtypes
            ],
            **({"interrupted": True} if comparison.is_interrupted else {}),
            "summary": relations | {"settings": len(comparison.settings), "worse": len(comparison.worse())},
        }
    )


def _setting(setting: SettingComparison) -> Json:
    shared = describe_setting(setting.other.setting)
    del shared["formulation"]
    return {
        "other": setting.other.setting.formulation,
        **shared,
        "cases": None if setting.loss is None else setting.loss.cases,
        "coverage": setting.other.coverage,
        "verdict": {"reference": setting.reference.verdict, "other": setting.other.verdict},
        "loss": _agreement(setting.loss),
        "gradient": _agreement(setting.gradient),
        "only_reference": [_finding(finding) for finding in setting.only_reference],
        "only_other": [_finding(finding) for finding in setting.only_other],
        "boundaries": [_boundary(pair) for pair in setting.boundaries],
        "worse": setting.worse,
        "better": setting.better,
    }


def _agreement(agreement: Agreement | None) -> Json | None:
    if agreement is None:
        return None
    distance = agreement.distance
    return {
        "equal": agreement.equal,
        "equal_share": agreement.equal / agreement.cases,
        "nearer_reference": agreement.nearer_reference,
        "nearer_other": agreement.nearer_other,
        "distance": None if distance is None else show_place(distance) | {"ulps": distance.ulps},
    }


def _finding(finding: Finding) -> Json:
    return {
        "kind": finding.kind.label,
        "severity": finding.kind.severity,
        "cases": finding.cases,
        "from": show_place(finding.lowest),
        "to": show_place(finding.highest),
        "first": show_place(finding.first) | {"reproduce": finding.first.reproduce},
    }


def _boundary(pair: BoundaryPair) -> Json:
    return {"kind": pair.kind.label, "reference": _optional(pair.reference), "other": _optional(pair.other)}


def _optional(place: Place | None) -> Json | None:
    return None if place is None else show_place(place)
