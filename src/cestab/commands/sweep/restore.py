"""From the JSON of a sweep or an audit back to the report it was written from: the inverse of reports/json_v1.py."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, TypeVar

from cestab.cases.ranges import parse_range
from cestab.commands.sweep.answer import Recommendation, Report
from cestab.errors import UsageError
from cestab.numerics.formats import Format, find_format
from cestab.numerics.rounding import hexadecimal, round_number, to_ordinal
from cestab.reports.reading import Json, name_source, read_report
from cestab.vocabulary.external import DEFAULT_TIMEOUT_SECONDS, ExternalFacts, GradientSource, Guard
from cestab.vocabulary.kinds import Coverage, FindingKind, Fp8Overflow, Summation, Verdict
from cestab.vocabulary.loss_options import LossOptions, Reduction
from cestab.vocabulary.objectives import OBJECTIVES, Objective
from cestab.vocabulary.requests import Arithmetics, AuditRequest, SweepRequest
from cestab.vocabulary.settings import Environment, Finding, Interval, LargestError, Place, RoundingCost, Setting, SettingResult

KINDS = {kind.label: kind for kind in FindingKind}
Value = TypeVar("Value")


class _MismatchError(Exception):
    """What a schema cannot say, found in one part of a report."""

    def __init__(self, sentence: str, where: str = "") -> None:
        super().__init__(f"{where}: {sentence}" if where else sentence)
        self.sentence = sentence
        self.where = where


def load_report(path: str) -> Report:
    """Return the report of `cestab sweep` or `cestab audit` at a path; `-` is standard input."""
    data = read_report(path, ("sweep", "audit"))
    if data.get("interrupted"):
        raise UsageError(f"{name_source(path)} was interrupted and holds only what was finished; make the report anew")
    try:
        return restore_report(data)
    except _MismatchError as error:
        raise UsageError(f"{name_source(path)} is no valid {data['schema']}: {error}") from None


def restore_report(data: Json) -> Report:
    """Return the report from JSON that its schema allows."""
    is_sweep = data["schema"] == "cestab.sweep/1"
    request, summary = data["request"], data["summary"]
    settings = _each("settings", data["settings"], partial(_restore_setting, is_sweep=is_sweep))
    _refuse_repetition("settings", [result.setting for result in settings])
    restore_request: Callable[[Json], SweepRequest | AuditRequest] = _restore_sweep if is_sweep else _restore_audit
    return Report(
        version=data["version"],
        environment=_restore_environment(data["environment"]),
        request=_in("request", restore_request, request),
        settings=settings,
        recommendations=tuple(
            Recommendation(dtype=item["dtype"], formulation=item["formulation"], why=item["why"])
            for item in data["recommendation"]
        ),
        causes=tuple((item["formulation"], item["sentence"]) for item in data["causes"]),
        escalated=summary["escalated"],
        rows=0 if is_sweep else summary["rows"],
        ignored_rows=0 if is_sweep else summary["ignored"],
    )


def _restore_environment(shown: Json) -> Environment:
    own = {name: shown[name] for name in ("python", "numpy", "platform", "cpu")}
    return Environment(**own, targets=tuple(_restore_facts(facts) for facts in shown.get("targets", ())))


def _restore_facts(shown: Json) -> ExternalFacts:
    return ExternalFacts(
        formulation=shown["formulation"],
        adapter=shown["adapter"],
        versions=tuple(shown["versions"].items()),
        device=shown["device"],
        mode=shown["mode"],
        gradient=GradientSource(shown["gradient"]),
        threads=shown["threads"],
        flushes_subnormals=shown["flushes_subnormals"],
    )


def _restore_guard(request: Json) -> Guard:
    return Guard(timeout_seconds=request.get("timeout", DEFAULT_TIMEOUT_SECONDS), max_memory_bytes=request.get("max_memory"))


def _in(where: str, restore: Callable[[Json], Value], item: Json) -> Value:
    """Restore one part; what is wrong with it is told with its place in the report."""
    try:
        return restore(item)
    except UsageError as error:
        raise _MismatchError(str(error), where) from None
    except _MismatchError as error:
        raise _MismatchError(error.sentence, f"{where}.{error.where}".rstrip(".")) from None


def _each(what: str, items: Sequence[Json], restore: Callable[[Json], Value]) -> tuple[Value, ...]:
    return tuple(_in(f"{what}[{number}]", restore, item) for number, item in enumerate(items))


def _refuse_repetition(what: str, keys: Sequence[object]) -> None:
    seen: dict[object, int] = {}
    for number, key in enumerate(keys):
        if seen.setdefault(key, number) < number:
            raise _MismatchError(f"{what}[{number}] repeats {what}[{seen[key]}]")


def _restore_arithmetics(request: Json) -> Arithmetics:
    return Arithmetics(
        dtypes=tuple(request["dtype"]),
        compute=request["compute"],
        summations=tuple(Summation(word) for word in request["summation"]),
        loss_scales=tuple(float(scale) for scale in request["loss_scale"]),
        rtol=request["rtol"],
        atol=request["atol"],
        fp8_overflow=Fp8Overflow(request["fp8_overflow"]),
        flush_subnormals=request["flush_subnormals"],
        has_infinity=all(find_format(name).has_infinity for name in request["dtype"]),
    )


def _restore_sweep(request: Json) -> SweepRequest:
    try:
        logits = parse_range(request["logits"])
    except ValueError:  # digits that are no number, or too many
        raise _MismatchError(f"logits: {request['logits'][:40]!r} is no range") from None
    return SweepRequest(
        objective=_find_objective(request["objective"]),
        formulations=tuple(request["formulation"]),
        arithmetics=_restore_arithmetics(request),
        logits=logits,
        patterns=tuple(request["pattern"]),
        classes=tuple(request["classes"]),
        targets=tuple(request["target"]),
        seed=request["seed"],
        fail_on=tuple(request["fail_on"]),
        batch=request.get("batch", 1),
        reduction=Reduction(request.get("reduction", Reduction.MEAN)),
        guard=_restore_guard(request),
    )


def _find_objective(name: str) -> Objective:
    if name not in OBJECTIVES:
        raise _MismatchError(f"{name!r} is no objective")
    return OBJECTIVES[name]


def _restore_audit(request: Json) -> AuditRequest:
    return AuditRequest(
        objective=_find_objective(request["objective"]),
        formulations=tuple(request["formulation"]),
        arithmetics=_restore_arithmetics(request),
        file=request["file"],
        labels=request["labels"],
        class_axis=request["axis"],
        ignore_index=request["ignore_index"],
        fail_on=tuple(request["fail_on"]),
        sample=request.get("sample"),  # reports before there was --sample have neither
        seed=request.get("seed", 0),
        guard=_restore_guard(request),
    )


def _restore_setting(item: Json, *, is_sweep: bool) -> SettingResult:
    dtype = find_format(item["dtype"])
    fmt = dtype if is_sweep else None
    setting = Setting(
        formulation=item["formulation"],
        objective=_find_objective(item["objective"]),
        dtype=dtype.name,
        compute=find_format(item["compute"]).name,
        summation=Summation(item["summation"]),
        pattern=item["pattern"] if is_sweep else None,
        classes=item["classes"],
        target=item["target"] if is_sweep else None,
        loss_scale=float(item["loss_scale"]),
        options=LossOptions.read(item),
    )
    result = SettingResult(
        setting=setting,
        verdict=Verdict(item["verdict"]),
        cases=item["cases"],
        undefined=item["undefined"],
        ties=item["ties"],
        coverage=Coverage(item["coverage"]),
        findings=_each("findings", item["findings"], partial(_restore_finding, fmt=fmt)),
        largest_error=_in("max_error", partial(_restore_largest, fmt=fmt), item["max_error"]),
        reason=item.get("reason"),
    )
    _refuse_repetition("findings", [finding.kind for finding in result.findings])
    return _add_map(result, item, dtype) if is_sweep else _add_rows(result, item)


def _add_map(result: SettingResult, item: Json, fmt: Format) -> SettingResult:
    intervals = _each("intervals", item["intervals"], partial(_restore_interval, fmt=fmt))
    count, unrefined = item["interval_count"], item["unrefined_boundaries"]
    if count < len(intervals):
        raise _MismatchError(f"interval_count is {count}, but there are {len(intervals)} intervals")
    for number, (before, after) in enumerate(pairwise(intervals), start=1):
        if after.start.position <= before.stop.position:
            raise _MismatchError(f"intervals[{number}] begins before intervals[{number - 1}] ends")
    return replace(result, intervals=intervals, interval_count=count, unrefined_boundaries=unrefined)


def _add_rows(result: SettingResult, item: Json) -> SettingResult:
    rows = tuple(_restore_place(place, None, ulps=place["ulps"]) for place in item.get("worst_rows", ()))
    cost = item.get("rounding_cost")
    return replace(result, worst_rows=rows, rounding_cost=None if cost is None else _in("rounding_cost", _restore_cost, cost))


def _restore_finding(item: Json, fmt: Format | None) -> Finding:
    return Finding(
        kind=KINDS[item["kind"]],
        cases=item["cases"],
        first=_restore_place(item["first"], fmt, reproduce=item["first"]["reproduce"]),
        lowest=_restore_place(item["lowest"], fmt),
        highest=_restore_place(item["highest"], fmt),
        worst=_restore_place(item["worst"], fmt, ulps=item["worst"]["ulps"]),
    )


def _restore_interval(item: Json, fmt: Format) -> Interval:
    start, stop = _restore_place(item["from"], fmt), _restore_place(item["to"], fmt)
    if start.position > stop.position:
        raise _MismatchError("it ends before it begins")
    loss, gradient = (None if item[part] is None else KINDS[item[part]] for part in ("loss", "gradient"))
    return Interval(start=start, stop=stop, loss=loss, gradient=gradient)


def _restore_largest(item: Json, fmt: Format | None) -> LargestError:
    return LargestError(loss=_restore_error(item, "loss", "at", fmt), gradient=_restore_error(item, "gradient", "at", fmt))


def _restore_cost(item: Json) -> RoundingCost:
    loss, gradient = (_restore_error(item, part, "row", None) for part in ("loss", "gradient"))
    return RoundingCost(
        loss=loss, loss_change=float(item["loss_change"]), gradient=gradient, gradient_change=float(item["gradient_change"])
    )


def _restore_error(item: Json, part: str, place: str, fmt: Format | None) -> Place | None:
    """Return a largest error, None where no finite pair was seen."""
    ulps, at = item[f"{part}_ulps"], item[f"{part}_{place}"]
    if ulps is None:
        return None
    if at is None:
        raise _MismatchError(f"{part}_ulps is {ulps!r}, but {part}_{place} is null")
    return _place_at(at, None, fmt, float(ulps))


def _restore_place(item: Json, fmt: Format | None, *, ulps: Any = None, reproduce: str | None = None) -> Place:
    error = None if ulps is None else float(ulps)
    if fmt is None:
        return _place_at(item["row"], None, None, error, reproduce)
    return _place_at(item["t"], item["hex"], fmt, error, reproduce)


def _place_at(at: float, exact: str | None, fmt: Format | None, ulps: float | None, reproduce: str | None = None) -> Place:
    """Return the place of a row (without a format), or of a float, whose decimal and hexadecimal must agree."""
    if fmt is None:
        return Place(position=int(at), value=float(at), decimal=str(int(at)), hexadecimal=None, ulps=ulps, reproduce=reproduce)
    position, value, hexadecimal_value = _find_float(float(at), fmt)
    if exact is not None and not _is_hexadecimal_of(exact, value):
        raise _MismatchError(f"t = {at!r} and hex = {exact} are not the same {fmt.name}")
    return Place(
        position=position, value=value, decimal=repr(float(at)), hexadecimal=hexadecimal_value, ulps=ulps, reproduce=reproduce
    )


def _is_hexadecimal_of(text: str, value: float) -> bool:
    try:
        return float.fromhex(text) == value
    except OverflowError:
        return False


@lru_cache(maxsize=2**16)
def _find_float(decimal: float, fmt: Format) -> tuple[int, float, str]:
    """Return the ordinal, the value and the hexadecimal of the finite float that a decimal reads back to."""
    value = round_number(decimal, fmt)
    if not abs(value) <= fmt.max:
        raise _MismatchError(f"t = {decimal!r} is no finite {fmt.name}")
    return int(to_ordinal(value, fmt)), value, hexadecimal(value)
