"""A figure from reports: what is in which panel."""

from collections.abc import Sequence

from cestab.commands.diff.page import overlay
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.page_parts import find_end
from cestab.errors import UsageError
from cestab.numerics.formats import find_format
from cestab.reports.figures import draw_curves, draw_map
from cestab.reports.footnotes import shorten
from cestab.reports.strips import Mark, choose_axis, mark_steps
from cestab.reports.troubles import Answer
from cestab.vocabulary.phrases import show_list

STEPS = 240  # of a map: finer than a printed line


def draw_report(reports: Sequence[Report], names: Sequence[str], draws_errors: bool, dtypes: Sequence[str], form: str) -> bytes:
    """Return the figure of one report, or of two over each other, with the fewest classes, in some dtypes or in all."""
    overview = _overlay(reports, names)
    if not overview.is_sweep:
        raise UsageError("a figure is along t, which a sweep has: an audit of recorded logits has rows")
    unknown = [dtype for dtype in dtypes if dtype not in overview.dtypes]
    if unknown:
        raise UsageError(f"the report has no {unknown[0]}; it has {show_list(overview.dtypes)}")
    chosen = list(dtypes) or overview.dtypes
    return _draw_errors(overview, chosen, form) if draws_errors else _draw_map(overview, chosen, form)


def _overlay(reports: Sequence[Report], names: Sequence[str]) -> Overview:
    if len(reports) == 2:
        return overlay((reports[0], reports[1]), names)
    return Overview(request=reports[0].request, settings=reports[0].settings)


def _draw_map(overview: Overview, dtypes: Sequence[str], form: str) -> bytes:
    few = overview.classes[:1]
    axis = choose_axis([r for r in overview.settings if r.setting.classes in few and r.setting.dtype in dtypes], STEPS)
    if axis is None:
        raise UsageError("the report swept nothing but t = 0, which has no axis")
    panels: dict[str, dict[str, tuple[Mark, ...]]] = {dtype: {} for dtype in dtypes}
    for dtype, strips in panels.items():
        for name in overview.request.formulations:
            if isinstance(overview.answer(name, dtype), Answer):
                results = overview.results(name, dtype, few)
                sides = [mark_steps(results, axis, is_negative=is_negative) for is_negative in (False, True)]
                strips[shorten(name)] = tuple(min(pair, key=list(Mark).index) for pair in zip(*sides, strict=True))
    judged = {dtype: strips for dtype, strips in panels.items() if strips}
    if not judged:
        raise UsageError("nothing in the report was judged")
    return draw_map(judged, axis, form)


def _draw_errors(overview: Overview, dtypes: Sequence[str], form: str) -> bytes:
    if len(dtypes) > 1:
        raise UsageError(f"a figure of errors is of one dtype: --dtype names one of {show_list(dtypes)}")
    (dtype,) = dtypes
    shown = {shorten(name): overview.results(name, dtype, overview.classes[:1]) for name in overview.request.formulations}
    curves = {name: results for name, results in shown.items() if any(result.curve for result in results)}
    if not curves:
        raise UsageError("the report has no curves: make it with `cestab sweep --curves`")
    return draw_curves(curves, find_end(overview.settings, dtype), find_format(dtype).unit_roundoff / 16, form)
