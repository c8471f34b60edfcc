"""The answer of an audit in a sentence per format: safe, safe with what, or not safe because."""

from collections.abc import Iterator, Sequence

from cestab.commands.sweep.answer import Recommendation
from cestab.formulations import families
from cestab.vocabulary.kinds import FindingKind, Severity, Verdict
from cestab.vocabulary.phrases import show_count, show_list
from cestab.vocabulary.recorded import Conclusion, Safety
from cestab.vocabulary.requests import AuditRequest
from cestab.vocabulary.settings import Finding, SettingResult, find_worst

MOST_DESCRIBED = 2  # formulations that fail
BECAUSE = {  # facts of a file with which nothing is safe, the gravest first
    FindingKind.NAN_LOGITS: "{rows} have no true loss (a logit is NaN or +inf, or all are -inf), first {first}",
    FindingKind.OVERFLOWING_LOGITS: "{rows} have a logit beyond {dtype}, first {first}",
}


def conclude(
    request: AuditRequest,
    results: Sequence[SettingResult],
    data: Sequence[SettingResult],
    recommendations: Sequence[Recommendation],
) -> tuple[Conclusion, ...]:
    """Return a conclusion for each dtype in which something was judged, or a fact of the file is a failure."""
    facts = {result.setting.dtype: result.findings for result in data}
    advised = {advice.dtype: advice for advice in recommendations}
    return tuple(
        conclusion
        for dtype in facts
        for conclusion in _conclude(request, dtype, [r for r in results if r.setting.dtype == dtype], facts[dtype], advised)
    )


def _conclude(
    request: AuditRequest,
    dtype: str,
    results: Sequence[SettingResult],
    facts: Sequence[Finding],
    advised: dict[str, Recommendation],
) -> Iterator[Conclusion]:
    grave = [f for f in facts if f.kind in BECAUSE]
    if grave:
        rows = show_count(results[0].cases + results[0].undefined, "row")
        reasons = (BECAUSE[f.kind].format(rows=f"{f.cases:,} of {rows}", first=f.first, dtype=dtype) for f in grave)
        because = "; ".join(reasons)
        yield Conclusion(dtype=dtype, safety=Safety.NOT_SAFE, sentence=f"not safe: {because}", reproduce=None)
    elif dtype in advised:
        yield _judge(request, dtype, results, advised[dtype])


def _judge(request: AuditRequest, dtype: str, results: Sequence[SettingResult], advice: Recommendation) -> Conclusion:
    """Return whether what was asked for is safe in a dtype; of a whole family, with which of its formulations it is."""
    names = list(dict.fromkeys(r.setting.formulation for r in results))
    bad = {r.setting.formulation for r in results if r.verdict is Verdict.FAIL or not r.is_wholly_judged}
    worst = find_worst([r for r in results if r.verdict is Verdict.FAIL])
    reproduce = None if worst is None else worst.first.reproduce
    if not bad:
        said = (
            "safe with every formulation"
            if set(names) >= set(families()[request.objective])
            else f"safe with {show_list(names)}"
        )
        return Conclusion(dtype=dtype, safety=Safety.SAFE, sentence=f"{said}{_describe_warnings(results)}", reproduce=None)
    failing = _list_failures([name for name in names if name in bad], results)
    if advice.formulation is not None:
        change = f"safe with {advice.formulation}, {advice.why.removeprefix('keep it: ')}"
    elif advice.cure:
        change = f"safe with {advice.cure}"
    else:
        return Conclusion(dtype=dtype, safety=Safety.NOT_SAFE, sentence=f"not safe: {failing}", reproduce=reproduce)
    return Conclusion(dtype=dtype, safety=Safety.SAFE_WITH, sentence=f"{change}. Not with {failing}", reproduce=reproduce)


def _describe_warnings(results: Sequence[SettingResult]) -> str:
    kinds = {f.kind.label: f.cases for r in results for f in r.findings if f.kind.severity is Severity.WARN}
    return f"; nothing worse than {show_list(sorted(kinds))}" if kinds else ""


def _list_failures(names: Sequence[str], results: Sequence[SettingResult]) -> str:
    """Return what each formulation does; of many only which they are."""
    return "; ".join(_describe_failure(name, results) for name in names) if len(names) <= MOST_DESCRIBED else show_list(names)


def _describe_failure(name: str, results: Sequence[SettingResult]) -> str:
    """Return what a formulation does in how many rows, the worst of it; or why it was not judged."""
    own = [r for r in results if r.setting.formulation == name]
    worst = find_worst([r for r in own if r.verdict is Verdict.FAIL])
    if worst is None:
        return f"{name} ({next((r.reason for r in own if r.reason), None) or 'not judged'})"
    return f"{name} ({worst.kind.label} in {show_count(worst.cases, 'row')})"
