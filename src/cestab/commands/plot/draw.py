"""A figure from reports: what is in which panel."""

from collections.abc import Sequence

from cestab.commands.diff.page import overlay
from cestab.commands.plot.kinds import FigureKind
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.overview import Overview
from cestab.errors import UsageError
from cestab.numerics.formats import find_format
from cestab.reports.figures import draw_curves, draw_map, draw_planes
from cestab.reports.strips import choose_axis, mark_steps
from cestab.vocabulary.marks import Mark
from cestab.vocabulary.phrases import show_list
from cestab.vocabulary.requests import PAIRS, SweepRequest

STEPS = 240  # of a map: finer than a printed line


def draw_report(reports: Sequence[Report], names: Sequence[str], kind: FigureKind, dtypes: Sequence[str], form: str) -> bytes:
    """Return the figure of one report, or of two over each other, with the fewest classes, in some dtypes or in all."""
    overview = _overlay(reports, names)
    unknown = [dtype for dtype in dtypes if dtype not in overview.dtypes]
    if unknown:
        raise UsageError(f"the report has no {unknown[0]}; it has {show_list(overview.dtypes)}")
    if not any(result.verdict.is_judged for result in overview.settings):
        raise UsageError("nothing in the report was judged")
    chosen = list(dict.fromkeys(dtypes)) or overview.dtypes
    return _draw_errors(overview, chosen, form) if kind is FigureKind.ERRORS else _draw_map(overview, chosen, form)


def _overlay(reports: Sequence[Report], names: Sequence[str]) -> Overview:
    """Return one report, or two of the same request; a report without t has no figure."""
    if any(not isinstance(report.request, SweepRequest) for report in reports):
        raise UsageError("a figure is along t, which a sweep has: an audit of recorded logits has rows")
    if len(reports) == 1:
        return Overview(request=reports[0].request, settings=reports[0].settings)
    old, new = reports
    if old.request.objective != new.request.objective:
        raise UsageError(f"the reports are of {old.request.objective} and of {new.request.objective}")
    return overlay((old, new), names)


def _draw_map(overview: Overview, dtypes: Sequence[str], form: str) -> bytes:
    few = overview.classes[:1]
    shown = [r for r in overview.settings if r.setting.classes in few and r.setting.dtype in dtypes]
    axis = choose_axis(shown, overview.ends, STEPS)
    if axis is None:
        return _draw_planes(overview, dtypes, form)
    panels: dict[str, dict[str, tuple[Mark, ...]]] = {dtype: {} for dtype in dtypes}
    for dtype, strips in panels.items():
        for name in overview.request.formulations:
            mapped = [result for result in overview.results(name, dtype, few) if result.interval_count]
            if mapped:
                sides = [mark_steps(mapped, overview.ends, axis, is_negative=is_negative) for is_negative in (False, True)]
                strips[name] = tuple(min(pair, key=list(Mark).index) for pair in zip(*sides, strict=True))
    return draw_map({dtype: strips for dtype, strips in panels.items() if strips}, axis, form)


def _draw_planes(overview: Overview, dtypes: Sequence[str], form: str) -> bytes:
    """Return the heat maps of pairs, of one dtype."""
    if not any(result.setting.pattern == PAIRS for result in overview.settings):
        raise UsageError("the report has no magnitudes t but 0, and so no axis")
    if len(dtypes) > 1:
        raise UsageError(f"a heat map of pairs is of one dtype: --dtype names one of {show_list(dtypes)}")
    planes = overview.planes(dtypes[0])
    if not planes:
        raise UsageError("the report has no cells of pairs: make it with `cestab sweep --curves`")
    return draw_planes(planes, overview.largest(dtypes[0]), form)


def _draw_errors(overview: Overview, dtypes: Sequence[str], form: str) -> bytes:
    if len(dtypes) > 1:
        raise UsageError(f"a figure of errors is of one dtype: --dtype names one of {show_list(dtypes)}")
    (dtype,) = dtypes
    curves = overview.curves(dtype)
    if not curves:
        asked = isinstance(overview.request, SweepRequest) and overview.request.curves
        how = "its page has them" if asked else "make it with `cestab sweep --curves`"
        raise UsageError(f"the report has no curves in {dtype}: {how}")
    return draw_curves(curves, overview.largest(dtype), find_format(dtype).unit_roundoff, form)
