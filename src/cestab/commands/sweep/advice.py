"""Advice from results: which formulation to use in each dtype."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cestab.commands.sweep.answer import Recommendation
from cestab.formulations import FORMULATIONS
from cestab.vocabulary.kinds import Severity, Verdict
from cestab.vocabulary.phrases import show_count, show_list
from cestab.vocabulary.settings import SettingResult

ALIKE = 8.0  # the factor between errors of formulations that are as good as each other


def recommend(results: Sequence[SettingResult], along: Sequence[SettingResult] = ()) -> tuple[Recommendation, ...]:
    """Return the best formulation of each dtype: no failures, then fewest warnings, then smallest error.

    Never one that exists for contrast. `along` are results of sound formulations that were not asked for.
    """
    dtypes = dict.fromkeys(r.setting.dtype for r in results if r.verdict.is_judged)
    return tuple(
        _recommend_one(dtype, *([r for r in own if r.setting.dtype == dtype] for own in (results, along))) for dtype in dtypes
    )


def is_contrast(name: str) -> bool:
    """Whether a formulation exists to show what goes wrong."""
    formulation = FORMULATIONS.get(name.partition(":")[0])
    return formulation is not None and formulation.is_contrast


def lacking_dtypes(results: Sequence[SettingResult]) -> list[str]:
    """Return the judged dtypes in which no formulation that may be recommended is without a failure."""
    sound = [r for r in results if not is_contrast(r.setting.formulation)]
    lacking = []
    for dtype in dict.fromkeys(r.setting.dtype for r in results if r.verdict.is_judged):
        own = [r for r in sound if r.setting.dtype == dtype]
        ranks = [_rank([r for r in own if r.setting.formulation == name]) for name in {r.setting.formulation for r in own}]
        if not any((unjudged, fails) == (0, 0) for unjudged, fails, *_ in ranks):
            lacking.append(dtype)
    return lacking


def _recommend_one(dtype: str, asked: Sequence[SettingResult], along: Sequence[SettingResult]) -> Recommendation:
    names_asked = {result.setting.formulation for result in asked}
    if along:
        sound = [result for result in asked if not is_contrast(result.setting.formulation)]
        advice = _recommend_one(dtype, [*sound, *along], ())
        is_along = advice.formulation is not None and advice.formulation not in names_asked
        return replace(advice, why=f"{advice.why} (not asked for: tried along)") if is_along else advice
    results = asked
    names = [name for name in dict.fromkeys(r.setting.formulation for r in results) if not is_contrast(name)]
    if not names:
        tried = show_list(list(dict.fromkeys(r.setting.formulation for r in results)))
        return Recommendation(dtype=dtype, formulation=None, why=f"{tried} exist{'s' * (' and ' not in tried)} for contrast")
    results = [r for r in results if r.setting.formulation in names]
    ranked = {name: _rank([r for r in results if r.setting.formulation == name]) for name in names}
    best = _prefer_library(ranked)
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
        why = f"{_name_library(best)}nothing worse than {show_list(kinds)}, in {_show_extent(Severity.WARN, best_results)}"
        return Recommendation(dtype=dtype, formulation=best, why=why)
    return Recommendation(
        dtype=dtype,
        formulation=best,
        why=f"{_name_library(best)}passes in {_show_share(len(best_results), best_results)}",
    )


def _name_library(name: str) -> str:
    library = _find_library(name)
    return f"which is {library}, " if library else ""


def _prefer_library(ranked: Mapping[str, "Rank"]) -> str:
    """Return the best name; of those that are as good with errors within a factor 8, the one that a library has."""
    best = min(ranked, key=lambda name: ranked[name])
    *counts, error = ranked[best]
    equals = [name for name, (*own, e) in ranked.items() if own == counts and e <= ALIKE * max(error, 1.0)]
    return next((name for name in equals if _find_library(name)), best)


def _find_library(name: str) -> str:
    """Return the library's function that a formulation is, empty where it is none."""
    formulation = FORMULATIONS.get(name)
    return "" if formulation is None else formulation.library


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
        return _show_rows(results[0]) if results[0].setting.pattern is None else "the one setting"
    if count == len(results):
        return "both settings" if count == 2 else f"all {count} settings"
    return f"{count} of {len(results)} settings"


def _show_rows(result: SettingResult) -> str:
    if not result.undefined:
        return "every row"
    return f"all {result.cases:,} rows that were judged ({result.undefined:,} were not)"


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
