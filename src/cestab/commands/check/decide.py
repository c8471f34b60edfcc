"""Decide which findings of a project's audits are gated, accepted or stale (pure)."""

from collections.abc import Iterator, Sequence

from cestab.commands.check.answer import (
    Allowance,
    Baseline,
    BaselineEntry,
    BaselineKey,
    CheckAudit,
    CheckConfig,
    CheckedAudit,
    CheckProblem,
    CheckReport,
    GateRule,
    Stale,
    StaleSource,
)
from cestab.commands.check.baseline import HOW_TO_UPDATE, describe_entry
from cestab.commands.check.run import is_interrupted
from cestab.commands.sweep.answer import Report
from cestab.evaluation.environment import describe_environment, version
from cestab.numerics.formats import find_format
from cestab.numerics.rounding import round_number, shortest_decimal
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.phrases import show_count, show_magnitude
from cestab.vocabulary.requests import SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult

MOST_GROWTH = 2  # factor on the cases of a finding in the baseline
IN_BASELINE = "in the baseline"


def decide_check(config: CheckConfig, reports: Sequence[Report], baseline: Baseline) -> CheckReport:
    """Return how each finding of the audits' reports is classified, and which allowances and entries are stale."""
    audits = [_decide_audit(audit, report, baseline) for audit, report in zip(config.audits, reports, strict=False)]
    stale: list[Stale] = []
    if not is_interrupted(config, reports):  # else what is missing may only be unfinished
        stale += (allowance for checked in audits for allowance in _find_stale_allowances(checked))
        stale += _find_stale_entries(audits, baseline)
    targets = dict.fromkeys(facts for report in reports for facts in report.environment.targets)  # each once
    return CheckReport(
        version=version(),
        environment=describe_environment(tuple(targets)),
        config=config,
        audits=tuple(audits),
        stale=tuple(stale),
    )


def _decide_audit(audit: CheckAudit, report: Report, baseline: Baseline) -> CheckedAudit:
    gated = {(result.setting, finding.kind) for result, finding in report.gated()}
    problems = [
        _decide(audit, result, finding, baseline, is_gated=(result.setting, finding.kind) in gated)
        for result in report.results
        for finding in result.findings
    ]
    return CheckedAudit(audit=audit, report=report, problems=tuple(problems))


def _decide(audit: CheckAudit, result: SettingResult, finding: Finding, baseline: Baseline, *, is_gated: bool) -> CheckProblem:
    """Return how one finding is classified: by the allowances first, then by the baseline, then by `fail-on`."""
    kind, rule, message = finding.kind, finding.kind.label, _describe_finding(finding, result)
    allowances = [allowance for allowance in audit.allow if allowance.finding is kind and allowance.matches(result.setting)]
    for allowance in allowances:
        if not _begins_before(finding, allowance, result):
            return CheckProblem(
                result=result, finding=finding, rule=rule, message=message, is_gated=False, accepted=allowance.reason
            )
    if not allowances and not is_gated:
        return CheckProblem(result=result, finding=finding, rule=rule, message=message, is_gated=False)
    entry = baseline.get((audit.name, result.setting, kind))
    if entry is not None:
        worse = _compare_with_entry(finding, entry, result)
        if worse is None:
            return CheckProblem(
                result=result, finding=finding, rule=rule, message=message, is_gated=False, accepted=IN_BASELINE
            )
        return CheckProblem(
            result=result,
            finding=finding,
            rule=worse,
            message=f"{message}; in the baseline {_describe_extent(entry)}",
            is_gated=True,
        )
    if allowances:
        expected = ", ".join(dict.fromkeys(_show_start(allowance, result) for allowance in allowances))
        rule, message = GateRule.MOVED_BOUNDARY, f"{message}; allowed from |t| = {expected}"
    return CheckProblem(result=result, finding=finding, rule=rule, message=message, is_gated=True)


def _describe_finding(finding: Finding, result: SettingResult) -> str:
    """Return where a finding begins and how often it was seen."""
    if result.coverage is Coverage.RECORDED:
        return f"{finding.kind.label} in {finding.cases:,} of {show_count(result.cases, 'row')}"
    start = f"|t| {finding.relation} {show_magnitude(float(finding.first.decimal))}"
    return f"{finding.kind.label} from {start}, in {finding.cases:,} of {show_count(result.cases, 'case')}"


def _describe_extent(entry: BaselineEntry) -> str:
    cases = "" if entry.t is None else f", in {show_count(entry.cases, 'case')}"
    return f"{describe_entry(entry)}{cases}"


def _round_start(allowance: Allowance, result: SettingResult) -> float:
    """Return the expected boundary as a number of the setting's format; 0 where none is given."""
    return round_number(allowance.start or 0.0, find_format(result.setting.dtype))


def _show_start(allowance: Allowance, result: SettingResult) -> str:
    start = _round_start(allowance, result)
    fmt = find_format(result.setting.dtype)
    return show_magnitude(float(shortest_decimal(start, fmt))) if start <= fmt.max else repr(allowance.start)


def _begins_before(finding: Finding, allowance: Allowance, result: SettingResult) -> bool:
    """Whether a finding begins at a smaller |t| than is allowed; if that is beyond the format, every finding does."""
    return not abs(finding.first.value) >= _round_start(allowance, result)


def _compare_with_entry(finding: Finding, entry: BaselineEntry, result: SettingResult) -> GateRule | None:
    """Return how a finding of the baseline got worse, None if it did not."""
    if finding.kind.is_hard and entry.value is not None and abs(finding.first.value) < abs(entry.value):
        return GateRule.MOVED_BOUNDARY
    are_comparable = result.coverage is entry.coverage is not Coverage.SAMPLED
    return GateRule.MORE_CASES if are_comparable and finding.cases > MOST_GROWTH * entry.cases else None


def _find_stale_allowances(checked: CheckedAudit) -> Iterator[Stale]:
    """Yield allowances whose finding is gone or begins later everywhere; a setting that crashed may still have it."""
    for allowance in checked.audit.allow:
        results = [result for result in checked.report.results if allowance.matches(result.setting)]
        findings = [(r, f) for r in results for f in r.findings if f.kind is allowance.finding]
        if any(result.verdict.is_unaudited for result in results):
            continue
        label = f"{allowance.finding.label} ({allowance.reason})"
        if not findings:
            yield _make_stale(checked, allowance, f"allowed {label} is not found any more; remove it")
        elif allowance.start is not None and all(abs(f.first.value) > _round_start(allowance, r) for r, f in findings):
            begin = show_magnitude(min((float(f.first.decimal) for _, f in findings), key=abs))
            message = f"allowed {label} begins later, at |t| = {begin}; raise its from = {allowance.start!r}"
            yield _make_stale(checked, allowance, message)


def _make_stale(checked: CheckedAudit, allowance: Allowance, message: str) -> Stale:
    return Stale(audit=checked.audit.name, source=StaleSource.ALLOW, kind=allowance.finding, setting=None, message=message)


def _find_stale_entries(audits: Sequence[CheckedAudit], baseline: Baseline) -> Iterator[Stale]:
    """Yield entries of the baseline that do not occur any more; a setting that crashed may still have them."""
    current = {(checked.audit.name, p.result.setting, p.finding.kind) for checked in audits for p in checked.problems}
    crashed = {(checked.audit.name, r.setting) for checked in audits for r in checked.report.settings if r.verdict.is_unaudited}
    missing = [key for key in baseline if key not in current and key[:2] not in crashed]
    ranges = {c.audit.name: str(c.report.request.logits) for c in audits if isinstance(c.report.request, SweepRequest)}
    by_range: dict[tuple[str, str | None], list[BaselineKey]] = {}
    for key in missing:
        by_range.setdefault((key[0], baseline[key].logits), []).append(key)
    for (audit, logits), keys in by_range.items():
        if logits is None or logits == ranges.get(audit, logits):
            yield from (
                _make_stale_entry(key, f"{key[1]}: {key[2].label} of the baseline is not found any more") for key in keys
            )
        else:
            found = f"{show_count(len(keys), 'finding')} of the baseline, found over the range {logits}"
            yield _make_stale_entry(keys[0], f"{found}, are not in the range {ranges[audit]} of this audit", is_one=False)


def _make_stale_entry(key: BaselineKey, what: str, *, is_one: bool = True) -> Stale:
    audit, setting, kind = key
    message = f"{what}; {HOW_TO_UPDATE}"
    return Stale(audit=audit, source=StaleSource.BASELINE, kind=kind, setting=setting if is_one else None, message=message)
