"""The baseline of `cestab check`: strict JSON of the findings that are known, keyed by audit, setting and kind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cestab.commands.check.answer import Baseline, BaselineEntry, BaselineKey, CheckReport
from cestab.errors import UsageError
from cestab.reports.reading import read_report
from cestab.vocabulary.kinds import Coverage, FindingKind, Summation, Verdict
from cestab.vocabulary.loss_options import LossOptions
from cestab.vocabulary.objectives import OBJECTIVES
from cestab.vocabulary.phrases import show_count, show_magnitude
from cestab.vocabulary.settings import Finding, Setting

SCHEMA = "cestab.baseline/1"
HOW_TO_UPDATE = "cestab check --update-baseline"

Json = dict[str, Any]
_KINDS = {kind.label: kind for kind in FindingKind}


def read_baseline(path: str, name: str, *, may_be_missing: bool = False) -> Baseline:
    """Return the baseline in a file, which sentences call `name`; whatever is wrong with it is a UsageError."""
    if not Path(path).exists():
        if may_be_missing:
            return {}
        raise UsageError(f"there is no baseline '{name}'; {HOW_TO_UPDATE} writes it")
    parsed = read_report(path, ("baseline",), f"the baseline '{name}'")
    try:
        return _make_baseline(parsed)
    except (ValueError, OverflowError) as error:  # ours, or a number beyond all
        raise UsageError(f"the baseline '{name}' cannot be used: {error}") from None


def _make_baseline(parsed: Json) -> Baseline:
    found: dict[BaselineKey, BaselineEntry] = {}
    for audit, settings in parsed["audits"].items():
        for shown in settings:
            setting = _read_setting(shown["setting"])
            for finding in shown["findings"]:
                key = audit, setting, _KINDS[finding["kind"]]
                if key in found:
                    raise ValueError(f"{audit}: {setting}: {finding['kind']} stands there twice")
                found[key] = _read_entry(finding)
    return found


def _read_setting(shown: Json) -> Setting:
    return Setting(
        formulation=shown["formulation"],
        objective=OBJECTIVES[shown["objective"]],
        dtype=shown["dtype"],
        compute=shown["compute"],
        summation=Summation(shown["summation"]),
        pattern=shown["pattern"],
        classes=int(shown["classes"]),
        target=shown["target"],
        loss_scale=float(shown["loss_scale"]),
        options=LossOptions.read(shown),
    )


def _read_entry(shown: Json) -> BaselineEntry:
    cases, coverage = int(shown["cases"]), Coverage(shown["coverage"])
    if "first" not in shown:
        return BaselineEntry(cases=cases, coverage=coverage)
    first = shown["first"]
    float.fromhex(first["hex"])  # beyond float64 it is an error
    return BaselineEntry(cases=cases, coverage=coverage, t=float(first["t"]), hexadecimal=first["hex"])


def make_baseline(report: CheckReport, old: Baseline) -> Baseline:
    """Return the baseline that accepts all that is gated in a report made without one.

    What is known of a setting that crashed this time stays as it was.
    """
    crashed = {
        (checked.audit.name, result.setting)
        for checked in report.audits
        for result in checked.report.settings
        if result.verdict is Verdict.ERROR
    }
    kept = {key: entry for key, entry in old.items() if key[:2] in crashed}
    return kept | {
        (checked.audit.name, each.result.setting, each.finding.kind): _make_entry(each.finding, each.result.coverage)
        for checked, each in report.gated()
    }


def _make_entry(finding: Finding, coverage: Coverage) -> BaselineEntry:
    first = finding.first
    if first.hexadecimal is None:
        return BaselineEntry(cases=finding.cases, coverage=coverage)
    return BaselineEntry(cases=finding.cases, coverage=coverage, t=float(first.decimal), hexadecimal=first.hexadecimal)


def write_baseline(baseline: Baseline) -> str:
    """Return the baseline as JSON: the same bytes for the same findings, whatever their order."""
    audits: dict[str, list[Json]] = {}
    previous = None
    for key in sorted(baseline, key=_order):
        audit, setting, kind = key
        settings = audits.setdefault(audit, [])
        if (audit, setting) != previous:
            settings.append({"setting": setting.show(), "findings": []})
            previous = audit, setting
        settings[-1]["findings"].append({"kind": kind.label, **_show_entry(baseline[key])})
    return json.dumps({"schema": SCHEMA, "audits": audits}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _order(key: BaselineKey) -> tuple[str, str, int, str, int]:
    audit, setting, kind = key
    return audit, setting.formulation, setting.classes, repr(setting), list(FindingKind).index(kind)


def _show_entry(entry: BaselineEntry) -> Json:
    shown: Json = {"cases": entry.cases, "coverage": entry.coverage}
    if entry.t is not None:
        shown["first"] = {"t": entry.t, "hex": entry.hexadecimal}
    return shown


def list_changes(old: Baseline, new: Baseline) -> Iterator[str]:
    """Yield a line for every entry that was added (+), removed (-) or changed (~)."""
    for key in sorted({**old, **new}, key=_order):
        audit, setting, kind = key
        before, after = old.get(key), new.get(key)
        if before != after:
            sign = "+" if before is None else "-" if after is None else "~"
            extents = " → ".join(describe_entry(entry) for entry in (before, after) if entry is not None)
            yield f"{sign} {audit}: {setting}: {kind.label} {extents}"


def describe_entry(entry: BaselineEntry) -> str:
    """Return where the finding of an entry begins, or in how many rows it is."""
    return f"in {show_count(entry.cases, 'row')}" if entry.t is None else f"from |t| = {show_magnitude(entry.t)}"
