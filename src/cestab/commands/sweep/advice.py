"""Advice from results: why a formulation fails, and which one to use in each dtype."""

from collections.abc import Sequence

from cestab.commands.sweep.answer import Recommendation
from cestab.external.formulation import find_any_formulation
from cestab.vocabulary.kinds import FindingKind, Severity, Verdict
from cestab.vocabulary.phrases import show_classes, show_count, show_list
from cestab.vocabulary.settings import SettingResult


def explain_failures(results: Sequence[SettingResult]) -> tuple[tuple[str, str], ...]:
    """Return (formulation, sentence) for every formulation that fails: its commonest failure, its cause, where it begins."""
    sentences = []
    for name in dict.fromkeys(result.setting.formulation for result in results):
        named_results = [result for result in results if result.setting.formulation == name]
        kind = _find_commonest_failure(named_results)
        if kind is not None:
            cause = find_any_formulation(name).causes.get(kind, kind.summary)
            sentences.append((name, f"{cause}: {kind.label} {_describe_beginnings(named_results, kind)}"))
    return tuple(sentences)


def _find_commonest_failure(results: Sequence[SettingResult]) -> FindingKind | None:
    """Return the kind of failure of the most dtypes; of several, that of the most settings, then of the most recorded rows."""
    failures = [(f, r.setting) for r in results for f in r.findings if f.kind.severity is Severity.FAIL]

    def rank(kind: FindingKind) -> tuple[int, int, int]:
        failures_of_kind = [(finding, setting) for finding, setting in failures if finding.kind is kind]
        rows = sum(finding.cases for finding, setting in failures_of_kind if setting.pattern is None)
        return len({setting.dtype for _, setting in failures_of_kind}), len(failures_of_kind), rows

    return max((kind for kind in FindingKind if any(kind is f.kind for f, _ in failures)), key=rank, default=None)


def _describe_beginnings(results: Sequence[SettingResult], kind: FindingKind) -> str:
    """Return where a kind begins in each dtype, in the first pattern and number of classes that has it.

    E.g. `from |t| = 11.09 (float16), 88.72 (float32) in margin, 2 classes`; of recorded logits, in how many rows.
    """
    pairs = [(r.setting, f) for r in results for f in r.findings if f.kind is kind]
    pattern, classes = pairs[0][0].pattern, pairs[0][0].classes
    starts: dict[str, list[str]] = {}
    for dtype in dict.fromkeys(setting.dtype for setting, _ in pairs):
        findings = [f for s, f in pairs if (s.dtype, s.pattern, s.classes) == (dtype, pattern, classes)]
        if findings:
            start = (
                f"{min(abs(f.first.value) for f in findings):.4g}"
                if pattern
                else show_count(max(f.cases for f in findings), "row")
            )
            starts.setdefault(start, []).append(dtype)
    listed = ", ".join(f"{start} ({', '.join(dtypes)})" for start, dtypes in starts.items())
    return f"from |t| = {listed} in {pattern}, {show_classes(classes)}" if pattern else f"in {listed}"


def recommend(results: Sequence[SettingResult]) -> tuple[Recommendation, ...]:
    """Return the best audited formulation of each dtype: no failures, then fewest warnings, then smallest error."""
    dtypes = dict.fromkeys(r.setting.dtype for r in results if r.verdict.is_judged)
    return tuple(_recommend_one(dtype, [r for r in results if r.setting.dtype == dtype]) for dtype in dtypes)


def _recommend_one(dtype: str, results: Sequence[SettingResult]) -> Recommendation:
    names = dict.fromkeys(r.setting.formulation for r in results)
    ranked = {name: _rank([r for r in results if r.setting.formulation == name]) for name in names}
    best = min(ranked, key=lambda name: ranked[name])
    best_results = [r for r in results if r.setting.formulation == best]
    unjudged, fails, warns, _ = ranked[best]
    if unjudged:
        beginning = "no audited formulation was judged wholly; " if len(ranked) > 1 else ""
        return Recommendation(
            dtype=dtype,
            formulation=None,
            why=f"{beginning}{_describe_unjudged(best, unjudged, best_results)}{_describe_others(best, results)}",
        )
    if fails:
        others = [rank for name, rank in ranked.items() if name != best]
        return Recommendation(
            dtype=dtype, formulation=None, why=_describe_failure(best, _show_extent(Severity.FAIL, best_results), others)
        )
    if warns:
        kinds = sorted({f.kind.label for r in best_results for f in r.findings if f.kind.severity is Severity.WARN})
        why = f"nothing worse than {show_list(kinds)}, in {_show_extent(Severity.WARN, best_results)}"
        return Recommendation(dtype=dtype, formulation=best, why=why)
    return Recommendation(
        dtype=dtype,
        formulation=best,
        why=f"passes in {_show_share(len(best_results), best_results)}{_show_largest(best_results)}",
    )


def _describe_unjudged(name: str, unjudged: int, results: Sequence[SettingResult]) -> str:
    """Return which part of a formulation was not judged, the gradient or all, and where; before that, a failure of the rest."""
    has_losses = all(r.verdict.is_judged for r in results)
    if any(r.verdict is Verdict.FAIL for r in results):
        place = "" if unjudged == len(results) else f" in {_show_share(unjudged, results)}"
        subject = "its gradient could" if has_losses else "could"
        return f"{name} fails in {_show_extent(Severity.FAIL, results)}, and {subject} not be judged{place}"
    place = "any row" if len(results) == 1 and results[0].setting.pattern is None else _show_share(unjudged, results)
    return f"{f'the gradient of {name}' if has_losses else name} could not be judged in {place}"


def _describe_others(name: str, results: Sequence[SettingResult]) -> str:
    """Return how many other formulations have no judged gradient either, if this one has none."""
    crashed = {r.setting.formulation for r in results if not r.verdict.is_judged}
    partly = {r.setting.formulation for r in results if not r.is_wholly_judged} - crashed
    return f", nor that of {len(partly) - 1} more" if name in partly and len(partly) > 1 else ""


def _describe_failure(name: str, extent: str, others: Sequence["Rank"]) -> str:
    """Return a sentence: the best formulation fails, and there was a choice or none; `others` are the other ranks."""
    if not others:
        return f"{name} fails in {extent} and was the only one to be tried"
    judged = sum(not unjudged for unjudged, *_ in others)
    if not judged:
        return f"{name} fails in {extent} and was the only one that could be judged"
    candidate = "audited formulation" if judged == len(others) else "formulation that could be judged"
    return f"every {candidate} fails somewhere; {name} fails least, in {extent}"


def _show_extent(severity: Severity, results: Sequence[SettingResult]) -> str:
    """Return in how many settings a finding of a severity was seen; for a single one of a file, in how many rows."""
    only = results[0]
    if len(results) > 1 or only.setting.pattern is not None:
        verdict = Verdict.FAIL if severity is Severity.FAIL else Verdict.WARN
        return _show_share(sum(r.verdict is verdict for r in results), results)
    rows, is_exact = _count_rows(severity, only)
    if rows == only.cases:
        return _show_share(1, results)
    return f"{'' if is_exact else 'at least '}{rows:,} of {show_count(only.cases, 'row')}"


def _count_rows(severity: Severity, result: SettingResult) -> tuple[int, bool]:
    """Return how many rows at least have a finding of a severity, and whether that number is exact.

    A row has at most one finding of the loss and one of the gradient; where both occur, it may be in the same rows.
    """
    findings = [f for f in result.findings if f.kind.severity is severity]
    losses, gradients = (sum(f.cases for f in findings if f.kind.is_loss is is_loss) for is_loss in (True, False))
    return max(losses, gradients), not (losses and gradients)


def _show_share(count: int, results: Sequence[SettingResult]) -> str:
    """Return `3 of 8 settings`, `all 8 settings`, `both settings`, or words for a single one."""
    if len(results) == 1:
        return "every row" if results[0].setting.pattern is None else "the one setting"
    if count == len(results):
        return "both settings" if count == 2 else f"all {count} settings"
    return f"{count} of {len(results)} settings"


Rank = tuple[int, int, int, float]


def _rank(results: Sequence[SettingResult]) -> Rank:
    """Return settings that were not wholly judged, what failed, what warned, and the largest error: smaller is better.

    In sweeps settings are counted, in a file rows.
    """
    unjudged = sum(not r.is_wholly_judged for r in results)
    fails, warns = (
        sum((r.verdict is verdict) if r.setting.pattern is not None else _count_rows(severity, r)[0] for r in results)
        for verdict, severity in ((Verdict.FAIL, Severity.FAIL), (Verdict.WARN, Severity.WARN))
    )
    return unjudged, fails, warns, max((e for r in results for e in _list_errors(r)), default=0.0)


def _list_errors(result: SettingResult) -> list[float]:
    places = (result.largest_error.loss, result.largest_error.gradient)
    return [place.ulps for place in places if place is not None and place.ulps is not None]


def _show_largest(results: Sequence[SettingResult]) -> str:
    errors = [error for result in results for error in _list_errors(result)]
    return f"; largest error {max(errors):.3g} ulps" if errors else ""
