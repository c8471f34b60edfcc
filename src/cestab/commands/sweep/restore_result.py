"""A setting of a report in JSON as the result that was written, checked; what does not fit is reported with its place."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from msgspec import UNSET

from cestab.cases.pairs import MOST_BITS, number_pairs
from cestab.errors import UsageError
from cestab.evaluation.assemble import place_pair
from cestab.numerics.formats import FORMATS, Format, find_format
from cestab.numerics.rounding import hexadecimal, round_number, to_ordinal
from cestab.reports.wire import results as wire_results
from cestab.reports.wire.settings import Magnitude, MagnitudeOrPair, Row, read_setting
from cestab.reports.wire.types import KINDS, shorten
from cestab.vocabulary.kinds import Coverage
from cestab.vocabulary.recorded import Effect, Headroom
from cestab.vocabulary.requests import PAIRS
from cestab.vocabulary.settings import (
    Certificate,
    CurvePoint,
    Finding,
    Interval,
    LargestError,
    Place,
    RoundingCost,
    SettingResult,
)

Shown = TypeVar("Shown")
Value = TypeVar("Value")


class MismatchError(Exception):
    """What the types of a report cannot say, in one part of it."""

    def __init__(self, sentence: str, where: str = "") -> None:
        super().__init__(f"{where}: {sentence}" if where else sentence)
        self.sentence = sentence
        self.where = where


def within(where: str, restore: Callable[[Shown], Value], shown: Shown) -> Value:
    """Restore one part; what is wrong with it is reported with its place in the report."""
    try:
        return restore(shown)
    except UsageError as error:
        raise MismatchError(str(error), where) from None
    except MismatchError as error:
        raise MismatchError(error.sentence, f"{where}.{error.where}".rstrip(".")) from None


def each(what: str, parts: Sequence[Shown], restore: Callable[[Shown], Value]) -> tuple[Value, ...]:
    """Restore every part of a list, each with its number as its place."""
    return tuple(within(f"{what}[{number}]", restore, part) for number, part in enumerate(parts))


def refuse_repetition(what: str, keys: Sequence[object]) -> None:
    """Refuse a list in which two parts have one key."""
    seen: dict[object, int] = {}
    for number, key in enumerate(keys):
        if seen.setdefault(key, number) < number:
            raise MismatchError(f"{what}[{number}] repeats {what}[{seen[key]}]")


def find_short_format(name: str) -> Format:
    """Return a format; the sentence about one that is not there shows no more than the start of a long name."""
    return find_format(shorten(name))


def restore_results(shown: Sequence[wire_results.Setting | wire_results.RowSetting]) -> tuple[SettingResult, ...]:
    """Return the results that settings were written from, each setting once."""
    refuse_repetition("settings", each("settings", shown, read_setting))
    return each("settings", shown, restore_result)


def restore_result(shown: wire_results.Setting | wire_results.RowSetting) -> SettingResult:
    """Return the result that a setting was written from."""
    fmt = find_short_format(shown.dtype)
    find_short_format(shown.compute)
    setting, findings = read_setting(shown), each("findings", shown.findings, partial(_restore_finding, fmt=fmt))
    refuse_repetition("findings", [finding.kind for finding in findings])
    return SettingResult(
        setting=setting,
        verdict=shown.verdict,
        cases=shown.cases,
        undefined=shown.undefined,
        ties=shown.ties,
        coverage=Coverage(shown.coverage),
        findings=findings,
        largest_error=within("max_error", partial(_restore_largest, fmt=fmt), shown.max_error),
        reason=shown.reason or None,
        **(_restore_map(shown, fmt) if isinstance(shown, wire_results.Setting) else _restore_rows(shown)),
    )


def _restore_map(shown: wire_results.Setting, fmt: Format) -> dict[str, Any]:
    """Return the fields that only a sweep has."""
    if (shown.intervals is None) != (shown.pattern == PAIRS):
        raise MismatchError(f"intervals are null for {PAIRS}, and only there")
    intervals = each("intervals", shown.intervals or (), partial(_restore_interval, fmt=fmt))
    count, unrefined = shown.interval_count, shown.unrefined_boundaries
    if count < len(intervals):
        raise MismatchError(f"interval_count is {count}, but there are {len(intervals)} intervals")
    for number, (before, after) in enumerate(pairwise(intervals), start=1):
        if after.start.position <= before.stop.position:
            raise MismatchError(f"intervals[{number}] begins before intervals[{number - 1}] ends")
    curve = each("curve", shown.curve or (), partial(_restore_point, fmt=fmt))
    if curve and not intervals:
        raise MismatchError("it has a curve, but no intervals")
    for number, (point, following) in enumerate(pairwise(curve), start=1):
        if following.place.position <= point.place.position:
            raise MismatchError(f"curve[{number}] is not above curve[{number - 1}]")
    if shown.cells and shown.pattern != PAIRS:
        raise MismatchError(f"only {PAIRS} have cells")
    own = shown.certificate
    certificate = Certificate(**{name: getattr(own, name) for name in own.__struct_fields__}) if own else None
    return {
        "intervals": intervals,
        "interval_count": count,
        "unrefined_boundaries": unrefined,
        "curve": curve,
        "cells": shown.cells or (),
        "certificate": certificate,
    }


def _restore_point(shown: wire_results.CurvePoint, fmt: Format) -> CurvePoint:
    loss, gradient = _number(shown.loss_relative), _number(shown.gradient_relative)
    return CurvePoint(place=_at_magnitude(shown.t, None, fmt.name), loss_relative=loss, gradient_relative=gradient)


def _restore_rows(shown: wire_results.RowSetting) -> dict[str, Any]:
    """Return the fields that only an audit has."""
    cost = within("rounding_cost", _restore_cost, shown.rounding_cost) if shown.rounding_cost else None
    rows = tuple(at_row(place.row, place.index).noted(ulps=_number(place.ulps)) for place in shown.worst_rows or ())
    return {"worst_rows": rows, "rounding_cost": cost, "headroom": _restore_headroom(shown), "effect": _restore_effect(shown)}


def _restore_headroom(shown: wire_results.RowSetting) -> Headroom | None:
    own = shown.headroom
    if not own:
        return None
    return Headroom(
        quantity=own.quantity,
        recorded=own.recorded,
        breaks_at=own.breaks_at,
        is_at_most=own.bound == "at-most",
        finding=own.finding,
    )


def _restore_effect(shown: wire_results.RowSetting) -> Effect | None:
    own = shown.effect
    if not own:
        return None
    return Effect(
        mean_loss=float(own.mean_loss),
        loss_error=_number(own.loss_error),
        gradient_error=_number(own.gradient_error),
        cosine=_number(own.cosine),
    )


def _restore_finding(shown: wire_results.Finding | wire_results.RowFinding, fmt: Format) -> Finding:
    first, lowest, highest, worst = (
        _restore_place(place, fmt) for place in (shown.first, shown.lowest, shown.highest, shown.worst)
    )
    return Finding(
        kind=KINDS[shown.kind],
        cases=shown.cases,
        first=first.noted(reproduce=shown.first.reproduce),
        lowest=lowest,
        highest=highest,
        worst=worst.noted(ulps=_number(shown.worst.ulps)),
        **(_restore_sides(shown, first, fmt) if isinstance(shown, wire_results.Finding) else {}),
    )


def _restore_sides(shown: wire_results.Finding, first: Place, fmt: Format) -> dict[str, Any]:
    """Return where a finding begins on either side of 0, one of which is where it begins."""
    sides: dict[str, Any] = {}
    for name in ("first_positive", "first_negative"):
        place = getattr(shown, name)
        sides[name] = place and _restore_place(place, fmt).noted(reproduce=place.reproduce)
    if first.position not in [place.position for place in sides.values() if place]:
        raise MismatchError("first is neither first_positive nor first_negative")
    return sides | {"is_at_most": shown.first.bound == "at-most"}


def _restore_interval(shown: wire_results.Interval, fmt: Format) -> Interval:
    start, stop = _restore_place(shown.from_, fmt), _restore_place(shown.to, fmt)
    if start.position > stop.position:
        raise MismatchError("it ends before it begins")
    loss, gradient = (None if kind is None else KINDS[kind] for kind in (shown.loss, shown.gradient))
    return Interval(start=start, stop=stop, loss=loss, gradient=gradient)


def _restore_largest(shown: wire_results.MaxError, fmt: Format) -> LargestError:
    errors: dict[str, Any] = _restore_errors(shown, "at", None if isinstance(shown, wire_results.RowMaxError) else fmt)
    for name in ("loss_relative", "gradient_relative"):
        errors[name] = _number(getattr(shown, name))
    return LargestError(**errors)


def _restore_cost(shown: wire_results.RoundingCost) -> RoundingCost:
    loss_change, gradient_change = float(shown.loss_change), float(shown.gradient_change)
    return RoundingCost(**_restore_errors(shown, "row", None), loss_change=loss_change, gradient_change=gradient_change)


def _restore_errors(shown: wire_results.MaxError | wire_results.RoundingCost, where: str, fmt: Format | None) -> dict[str, Any]:
    """Return the largest error of the loss and of the gradient, None where no finite pair was seen."""
    places: dict[str, Place | None] = {}
    for part in ("loss", "gradient"):
        ulps, at = getattr(shown, f"{part}_ulps"), getattr(shown, f"{part}_{where}")
        if ulps is not None and at is None:
            raise MismatchError(f"{part}_ulps is {ulps!r}, but {part}_{where} is null")
        place = None if ulps is None else at_row(at) if fmt is None else _restore_at(at, fmt)
        places[part] = place and place.noted(ulps=float(ulps))
    return places


def _restore_at(at: float | tuple[float, float], fmt: Format) -> Place:
    return _at_pair(at, (None, None), fmt) if isinstance(at, tuple) else _at_magnitude(at, None, fmt.name)


def _restore_place(shown: Magnitude | MagnitudeOrPair | Row, fmt: Format) -> Place:
    if isinstance(shown, Row):
        return at_row(shown.row, shown.index)
    logits = UNSET if isinstance(shown, Magnitude) else shown.logits
    if logits is UNSET and shown.t is not UNSET and isinstance(shown.hex, str):
        return _at_magnitude(shown.t, shown.hex, fmt.name)
    if logits is not UNSET and shown.t is UNSET and not isinstance(shown.hex, str):
        return _at_pair(logits, shown.hex, fmt)
    raise MismatchError("it has neither t and one hex nor two logits and two of them")


def _at_pair(logits: tuple[float, float], exact: tuple[str | None, str | None], fmt: Format) -> Place:
    """Return the place of a pair of logits."""
    if fmt.bits > MOST_BITS:
        raise MismatchError(f"there are no pairs of {fmt.name}")
    first, second = (_at_magnitude(z, text, fmt.name) for z, text in zip(logits, exact, strict=True))
    return place_pair(int(number_pairs(np.array(first.position), np.array(second.position), fmt)), fmt)


def at_row(row: int, index: tuple[int, ...] = ()) -> Place:
    """Return the place of a row."""
    return Place(position=row, value=float(row), decimal=str(row), index=index)


@lru_cache(maxsize=2**16)
def _at_magnitude(t: float, exact: str | None, dtype: str) -> Place:
    """Return the place of the finite float that a decimal reads back to, which its hexadecimal must be, too."""
    fmt = FORMATS[dtype]
    value = round_number(t, fmt)
    if not abs(value) <= fmt.max:
        raise MismatchError(f"t = {t!r} is no finite {dtype}")
    if exact is not None and not _is_hexadecimal_of(exact, value):
        raise MismatchError(f"t = {t!r} and hex = {exact} are not the same {dtype}")
    return Place(position=int(to_ordinal(value, fmt)), value=value, decimal=repr(t), hexadecimal=hexadecimal(value))


def _is_hexadecimal_of(text: str, value: float) -> bool:
    try:
        return float.fromhex(text) == value
    except OverflowError:
        return False


def _number(ulps: float | str | None) -> float | None:
    number = None if ulps is None else float(ulps)
    return math.nan if number is not None and math.isnan(number) else number  # one NaN, which equals itself in a report
