"""The baseline of `cestab check`: the findings that are known, by audit, setting and kind."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from msgspec import UNSET

from cestab.commands.check import wire
from cestab.commands.check.answer import Baseline, BaselineEntry, BaselineKey, CheckProblem, CheckReport
from cestab.errors import UsageError
from cestab.reports.json import write_json
from cestab.reports.reading import read_report
from cestab.reports.wire.settings import Magnitude, read_setting
from cestab.reports.wire.types import KINDS
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.phrases import show_count, show_magnitude
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Setting

FORMER_RANGE = "all"  # of a baseline that names none: the default when it was made
HOW_TO_UPDATE = "cestab check --update-baseline"


def read_baseline(path: str, name: str, *, may_be_missing: bool = False) -> Baseline:
    """Return the baseline in a file, which sentences call `name`; whatever is wrong with it is a UsageError."""
    if not Path(path).exists():
        if may_be_missing:
            return {}
        raise UsageError(f"there is no baseline '{name}'; {HOW_TO_UPDATE} writes it")
    if not Path(path).is_file():
        raise UsageError(f"the baseline '{name}' is no regular file")
    parsed = read_report(path, (wire.Baseline,), f"the baseline '{name}'")
    try:
        return _make_baseline(parsed)
    except (ValueError, OverflowError) as error:  # ours, or a number beyond all
        raise UsageError(f"the baseline '{name}' cannot be used: {error}") from None


def _make_baseline(shown: wire.Baseline) -> Baseline:
    found: dict[BaselineKey, BaselineEntry] = {}
    for audit, parts in shown.audits.items():
        for part in parts:
            setting = read_setting(part.setting)
            for finding in part.findings:
                key = audit, setting, KINDS[finding.kind]
                if key in found:
                    raise ValueError(f"{audit}: {setting}: {finding.kind} appears twice")
                found[key] = _read_entry(finding, part.logits or FORMER_RANGE)
    return found


def _read_entry(shown: wire.KnownFinding, logits: str) -> BaselineEntry:
    if not isinstance(shown.first, Magnitude):
        return BaselineEntry(cases=shown.cases, coverage=shown.coverage)
    float.fromhex(shown.first.hex)  # beyond float64 it is an error
    return BaselineEntry(
        cases=shown.cases, coverage=shown.coverage, t=shown.first.t, hexadecimal=shown.first.hex, logits=logits
    )


def make_baseline(report: CheckReport, old: Baseline) -> Baseline:
    """Return the baseline that accepts all that is gated in a report made without one.

    What is known of a setting that crashed this time stays as it was.
    """
    crashed = {
        (checked.audit.name, result.setting)
        for checked in report.audits
        for result in checked.report.settings
        if result.verdict.is_unaudited
    }
    kept = {key: entry for key, entry in old.items() if key[:2] in crashed}
    return kept | {
        (checked.audit.name, each.result.setting, each.finding.kind): _make_entry(each, checked.report.request)
        for checked, each in report.gated()
    }


def _make_entry(problem: CheckProblem, request: SweepRequest | AuditRequest) -> BaselineEntry:
    first, cases, coverage = problem.finding.first, problem.finding.cases, problem.result.coverage
    if not isinstance(request, SweepRequest):
        return BaselineEntry(cases=cases, coverage=coverage)
    return BaselineEntry(
        cases=cases,
        coverage=coverage,
        t=float(first.decimal),
        hexadecimal=first.hexadecimal,
        logits=str(request.logits),
    )


def write_baseline(baseline: Baseline) -> str:
    """Return the baseline as JSON: the same bytes for the same findings, whatever their order."""
    audits = {
        audit: tuple(_write_entries(baseline, setting, list(keys)) for setting, keys in groupby(of_audit, lambda key: key[1]))
        for audit, of_audit in groupby(sorted(baseline, key=_order), lambda key: key[0])
    }
    return write_json(wire.Baseline(audits=audits))


def _write_entries(baseline: Baseline, setting: Setting, keys: list[BaselineKey]) -> wire.KnownFindings:
    findings = tuple(_write_entry(baseline, key) for key in keys)
    logits = baseline[keys[0]].logits
    return wire.KnownFindings(
        setting=wire.write_known_setting(setting), findings=findings, logits=UNSET if logits is None else logits
    )


def _order(key: BaselineKey) -> tuple[str, str, int, str, int]:
    audit, setting, kind = key
    return audit, setting.formulation, setting.classes, repr(setting), list(FindingKind).index(kind)


def _write_entry(baseline: Baseline, key: BaselineKey) -> wire.KnownFinding:
    entry, kind = baseline[key], key[2].label
    if entry.t is None or entry.hexadecimal is None:
        return wire.KnownFinding(kind=kind, cases=entry.cases, coverage=entry.coverage)
    first = Magnitude(t=entry.t, hex=entry.hexadecimal)
    return wire.KnownFinding(kind=kind, cases=entry.cases, coverage=entry.coverage, first=first)


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
