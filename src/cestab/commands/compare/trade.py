"""Better and worse: the findings that only one of two formulations has in a setting, and sentences about the trade."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cestab.commands.compare.answer import DtypeComparison, Relation, SettingComparison
from cestab.vocabulary.kinds import FindingKind, Severity, Verdict
from cestab.vocabulary.phrases import show_classes, show_count, show_list
from cestab.vocabulary.settings import Finding, SettingResult, explain_unjudged

MOST_KINDS = 2


def keep_common(results: Sequence[SettingResult]) -> Sequence[SettingResult]:
    """Return the results reduced to what all were judged for: where one has no gradient, to the loss."""
    if all(result.is_wholly_judged for result in results) or not all(result.verdict.is_judged for result in results):
        return results
    return [_keep_loss(result) for result in results]


def _keep_loss(result: SettingResult) -> SettingResult:
    findings = tuple(finding for finding in result.findings if finding.kind.is_loss)
    verdict = Verdict.of(finding.kind.severity for finding in findings)
    return replace(result, findings=findings, verdict=verdict)


def find_harms(reference: SettingResult, other: SettingResult) -> Iterator[str]:
    """Yield what is worse in the other result: the verdict, kinds of warn or fail, hard findings nearer to 0."""
    judged = reference.verdict.is_judged
    if other.verdict.is_worse_than(reference.verdict):
        yield f"{other.verdict} instead of {reference.verdict}"
    reference_findings = {finding.kind: finding for finding in reference.findings}
    for finding in other.findings:
        if judged and finding.kind not in reference_findings:
            yield f"{finding.kind.label} from |t| {finding.relation} {_start(finding)}"
        elif finding.kind in reference_findings and finding.kind.is_hard:
            before = reference_findings[finding.kind]
            if abs(finding.first.value) < abs(before.first.value):
                yield f"{finding.kind.label} from |t| = {_start(finding)} instead of {_start(before)}"


def _start(finding: Finding) -> str:
    return finding.first.decimal.removeprefix("-")


def describe_trade(settings: Sequence[SettingComparison]) -> DtypeComparison:
    """Return the relation of one other formulation to the reference in one dtype, and a sentence that names the trade."""
    reference, other = settings[0].reference.setting, settings[0].other.setting
    compared = [setting for setting in settings if setting.is_compared]
    unjudged = _describe_unjudged(settings)
    if not compared:
        sentence = f"{other.dtype}: {other.formulation} could not be compared with {reference.formulation}: {unjudged}"
        return DtypeComparison(dtype=other.dtype, other=other.formulation, relation=None, sentence=sentence)
    worse, better = sum(bool(s.worse) for s in settings), sum(bool(s.better) for s in settings)
    relation = {
        (True, True): Relation.TRADES,
        (True, False): Relation.DOMINATED,
        (False, True): Relation.DOMINATES,
        (False, False): Relation.MATCHES,
    }[bool(worse), bool(better)]
    if relation is Relation.MATCHES:
        is_partial = any(not result.is_wholly_judged for s in compared for result in (s.reference, s.other))
        what = "verdicts and kinds of findings of the loss" if is_partial else "verdicts and kinds of findings"
        why = f"the same {what} in {show_count(len(compared), 'setting')}"
    else:
        why = f"better in {better} and worse in {worse} of {show_count(len(settings), 'setting')}"
        removed = _clauses("removes", compared, is_added=False)
        added = _clauses("adds", compared, is_added=True)
        trade = "; ".join(clause for clause in (removed, added, _moves(compared)) if clause)
        why += f": it {trade}" if trade else ""
    if unjudged:
        why += f"; {show_count(len(settings) - len(compared), 'setting')} could not be compared: {unjudged}"
    sentence = f"{other.dtype}: {other.formulation} {relation} {reference.formulation}, {why}"
    return DtypeComparison(dtype=other.dtype, other=other.formulation, relation=relation, sentence=sentence)


def _describe_unjudged(settings: Sequence[SettingComparison]) -> str:
    """Return why settings could not be compared, each reason once; those of the reference begin with its name."""
    references, others = (
        [result for result in results if not result.verdict.is_judged]
        for results in ([setting.reference for setting in settings], [setting.other for setting in settings])
    )
    reasons = [f"{references[0].setting.formulation}: {explain_unjudged(references)}"] if references else []
    reasons += [explain_unjudged(others)] if others else []
    return "; ".join(dict.fromkeys(reasons))


def _clauses(verb: str, settings: Sequence[SettingComparison], *, is_added: bool) -> str:
    """Return e.g. `removes nan-gradient in 6 settings (from |t| ≥ 88.72, margin, 2 classes)`, the severest kinds first."""
    by_kind: dict[FindingKind, list[tuple[SettingComparison, Finding]]] = {}
    for setting in settings:
        for finding in setting.only_other if is_added else setting.only_reference:
            by_kind.setdefault(finding.kind, []).append((setting, finding))
    ranked = sorted(
        by_kind, key=lambda kind: (kind.severity is not Severity.FAIL, -len(by_kind[kind]), list(FindingKind).index(kind))
    )
    clauses = [_clause(kind, by_kind[kind]) for kind in ranked[:MOST_KINDS]]
    if len(ranked) > MOST_KINDS:
        clauses.append(f"{len(ranked) - MOST_KINDS} kinds more" if len(ranked) > MOST_KINDS + 1 else "one kind more")
    return f"{verb} {show_list(clauses)}" if clauses else ""


def _clause(kind: FindingKind, pairs: Sequence[tuple[SettingComparison, Finding]]) -> str:
    setting, first = min(pairs, key=lambda pair: abs(pair[1].first.value))
    case = setting.other.setting
    start = f"|t| ≥ {abs(first.first.value):.4g}, {case.pattern}, {show_classes(case.classes)}"
    return f"{kind.label} in {show_count(len(pairs), 'setting')} (from {start})"


def _moves(settings: Sequence[SettingComparison]) -> str:
    """Return where the severest hard finding of both begins in the other, if it moved; in the setting where it moved most."""
    pairs = [
        (abs(pair.reference.value), abs(pair.other.value), pair.kind)
        for setting in settings
        for pair in setting.boundaries
        if pair.reference is not None and pair.other is not None
    ]
    moved = [pair for pair in pairs if pair[0] != pair[1]]
    if not moved:
        return ""
    before, after, kind = max(moved, key=lambda pair: (pair[2].severity is Severity.FAIL, abs(pair[1] - pair[0])))
    return f"has {kind.label} from |t| ≥ {after:.4g} instead of {before:.4g}"
