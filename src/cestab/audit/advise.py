"""Advice from results: why a formulation fails, and which one to use in each dtype."""

from collections.abc import Sequence

from cestab.formulations import find_any_formulation
from cestab.results import FindingKind, Recommendation, SettingResult, Severity, Verdict


def explain_failures(results: Sequence[SettingResult]) -> tuple[tuple[str, str], ...]:
    """Return (formulation, sentence) for every formulation that fails: its commonest failure, its cause, where it begins."""
    sentences = []
    for name in dict.fromkeys(result.setting.formulation for result in results):
        own = [result for result in results if result.setting.formulation == name]
        kind = _commonest_failure(own)
        if kind is not None:
            cause = find_any_formulation(name).causes.get(kind, kind.summary)
            sentences.append((name, f"{cause}: {kind.label} {_beginnings(own, kind)}"))
    return tuple(sentences)


def _commonest_failure(results: Sequence[SettingResult]) -> FindingKind | None:
    """Return the kind of failure that most dtypes have; of several the one in most settings."""
    failures = [(f.kind, r.setting.dtype) for r in results for f in r.findings if f.kind.severity is Severity.FAIL]
    kinds = [kind for kind in FindingKind if any(kind is found for found, _ in failures)]
    return max(kinds, key=lambda k: (len({d for f, d in failures if f is k}), sum(f is k for f, _ in failures)), default=None)


def _beginnings(results: Sequence[SettingResult], kind: FindingKind) -> str:
    """Return where a kind begins in each dtype, in the first pattern and number of classes that has it.

    E.g. `from |t| = 11.09 (float16), 88.72 (float32) in margin, 2 classes`; of recorded logits, in how many rows.
    """
    found = [(r.setting, f) for r in results for f in r.findings if f.kind is kind]
    pattern, classes = found[0][0].pattern, found[0][0].classes
    starts: dict[str, list[str]] = {}
    for dtype in dict.fromkeys(setting.dtype for setting, _ in found):
        own = [f for s, f in found if (s.dtype, s.pattern, s.classes) == (dtype, pattern, classes)]
        if own:
            start = f"{min(abs(f.first.value) for f in own):.4g}" if pattern else f"{max(f.cases for f in own)} rows"
            starts.setdefault(start, []).append(dtype)
    listed = ", ".join(f"{start} ({', '.join(dtypes)})" for start, dtypes in starts.items())
    return f"from |t| = {listed} in {pattern}, {classes} classes" if pattern else f"in {listed}"


def recommend(results: Sequence[SettingResult]) -> tuple[Recommendation, ...]:
    """Return the best audited formulation of each dtype: no failures, then fewest warnings, then smallest error."""
    dtypes = dict.fromkeys(r.setting.dtype for r in results if r.verdict.is_judged)
    return tuple(_recommend_one(dtype, [r for r in results if r.setting.dtype == dtype]) for dtype in dtypes)


def _recommend_one(dtype: str, results: Sequence[SettingResult]) -> Recommendation:
    names = dict.fromkeys(r.setting.formulation for r in results)
    ranked = {name: _rank([r for r in results if r.setting.formulation == name]) for name in names}
    best = min(ranked, key=lambda name: ranked[name])
    own = [r for r in results if r.setting.formulation == best]
    unjudged, fails, warns, _ = ranked[best]
    if unjudged:
        is_partly = all(r.verdict.is_judged for r in own)
        what = f"the gradient of {best}" if is_partly else best
        return Recommendation(dtype, None, f"{what} could not be judged in {_share(unjudged, own)}")
    if fails and len(ranked) == 1:
        return Recommendation(dtype, None, f"{best} fails in {_share(fails, own)} and was the only one to be tried")
    if fails:
        why = f"every audited formulation fails somewhere; {best} fails least, in {_share(fails, own)}"
        return Recommendation(dtype, None, why)
    if warns:
        kinds = sorted({f.kind.label for r in own for f in r.findings if f.kind.severity is Severity.WARN})
        return Recommendation(dtype, best, f"nothing worse than {' and '.join(kinds)}, in {_share(warns, own)}")
    return Recommendation(dtype, best, f"passes in {_share(len(own), own)}{_largest(own)}")


def _share(count: int, results: Sequence[SettingResult]) -> str:
    """Return `3 of 8 settings`, `all 8 settings`, or for a single one what it is."""
    if len(results) == 1:
        return "every row" if results[0].setting.pattern is None else "the one setting"
    return f"{'all' if count == len(results) else f'{count} of'} {len(results)} settings"


def _rank(results: Sequence[SettingResult]) -> tuple[int, int, int, float]:
    """Return the settings that were not wholly judged, failed, and warned, and the largest error: smaller is better."""
    unjudged = sum(not r.is_wholly_judged for r in results)
    fails, warns = (sum(r.verdict is v for r in results) for v in (Verdict.FAIL, Verdict.WARN))
    return unjudged, fails, warns, max((e for r in results for e in _errors(r)), default=0.0)


def _errors(result: SettingResult) -> list[float]:
    places = (result.largest_error.loss, result.largest_error.gradient)
    return [place.ulps for place in places if place is not None and place.ulps is not None]


def _largest(results: Sequence[SettingResult]) -> str:
    errors = [error for result in results for error in _errors(result)]
    return f"; largest error {max(errors):.3g} ulps" if errors else ""
