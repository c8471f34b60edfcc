"""A report of sweep or audit as a page: the answer on top, failures first, where each begins, why, and what was not checked."""

from collections.abc import Iterator
from dataclasses import replace

from cestab.commands.interruption import HURRY
from cestab.commands.sweep import wire
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.derivations import MOST, derive
from cestab.commands.sweep.file_parts import describe_arrays
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.page_parts import STYLES, draw_errors, draw_matrix, draw_strip_tables, list_environment, show_place
from cestab.commands.sweep.table import describe_roundings, headline
from cestab.reports.footnotes import list_unjudged
from cestab.reports.page.model import Block, Cell, Code, Folded, Number, Page, Paragraph, Section, Table
from cestab.vocabulary.kinds import Verdict
from cestab.vocabulary.phrases import show_classes, show_count
from cestab.vocabulary.requests import AuditRequest, SweepRequest
from cestab.vocabulary.settings import Finding, SettingResult, find_worst

MOST_WITH_CURVES = 1000  # settings
VERDICTS = {Verdict.PASS: "fine", Verdict.WARN: "digits", Verdict.FAIL: "off"}
HEADS = ("formulation", "dtype", "case", "worst finding", "from", "exactly", "cases", "also", "reproduce")


def to_page(report: Report, *, derives: bool = True) -> Page:
    """Return the page; `derives`: the first failures are shown operation by operation, for which the losses are run again."""
    overview = Overview(request=report.request, settings=report.settings, causes=report.causes)
    command = "sweep" if overview.is_sweep else "audit"
    return Page(
        title=f"cestab {command}: {report.request.objective}",
        headline=headline(report),
        numbers=tuple(count_verdicts(report)),
        sections=(
            Section(title="The answer", blocks=tuple(_answer(report, overview))),
            Section(title="Where it breaks", blocks=tuple(draw_strip_tables(overview))),
            Section(title="Failures and warnings", blocks=tuple(_list_findings(report))),
            Section(title="Errors against t", blocks=tuple(draw_errors(overview))),
            Section(title="Why", blocks=tuple(_explain(report, derives=derives))),
            Section(title="Sound settings", blocks=tuple(_list_passes(report))),
            Section(title="What was not checked", blocks=tuple(_list_unchecked(report))),
            Section(title="Environment", blocks=tuple(list_environment(report.environment))),
        ),
        report=wire.render(spare_curves(report)),
    )


def spare_curves(report: Report) -> Report:
    """Return a report of very many settings without its curves, which the page draws: they would be most of it."""
    if len(report.settings) <= MOST_WITH_CURVES:
        return report
    return replace(report, settings=tuple(replace(result, curve=(), cells=()) for result in report.settings))


def count_verdicts(report: Report) -> Iterator[Number]:
    """Yield settings by verdict, then cases."""
    for verdict, count in report.verdict_counts().items():
        if count or verdict.is_judged:
            yield Number(value=f"{count:,}", label=f"settings {verdict}", style=VERDICTS.get(verdict, "off") if count else "")
    yield Number(value=f"{sum(result.cases for result in report.settings):,}", label="cases judged")


def _answer(report: Report, overview: Overview) -> Iterator[Block]:
    if report.portrait is not None:
        yield Paragraph(text=describe_arrays(report.portrait))
        facts = [
            (
                Cell(text=f.kind.label, style=STYLES[f.kind.severity]),
                Cell(text=f"{f.cases:,}", sort=f.cases),
                Cell(text=str(f.first)),
                Cell(text=r.setting.dtype),
            )
            for r in report.data
            for f in r.findings
        ]
        if facts:
            yield Table(caption="Facts of the file", heads=("the file", "rows", "first", "dtype"), rows=facts)
    yield from (Paragraph(text=sentence) for sentence in describe_roundings(report))
    if report.conclusions:
        yield Table(
            caption="Is it safe?",
            heads=("dtype", "answer", "worst case"),
            rows=[(Cell(text=c.dtype), Cell(text=c.sentence), Cell(command=c.reproduce)) for c in report.conclusions],
        )
    elif report.recommendations:
        yield Table(
            caption="Use instead",
            heads=("dtype", "formulation", "why"),
            rows=[(Cell(text=a.dtype), Cell(text=a.formulation or "none"), Cell(text=a.why)) for a in report.recommendations],
        )
    yield draw_matrix(overview)


def _list_findings(report: Report) -> Iterator[Block]:
    """Yield a row for each setting that has findings, failures first, with the worst of them."""
    found = [(result, worst) for result in report.settings if (worst := find_worst([result])) is not None]
    found.sort(key=lambda pair: -pair[1].kind.severity.rank)
    if not found:
        yield Paragraph(text="None.")
        return
    rows = [_draw_finding(result, finding) for result, finding in found]
    yield Table(
        caption="Settings with findings, failures first, the worst finding of each", heads=HEADS, rows=rows, is_long=True
    )


def _draw_finding(result: SettingResult, worst: Finding) -> list[Cell]:
    kind, where, exactly, command = show_place(worst, worst.first)
    others = ", ".join(f.kind.label for f in result.findings if f is not worst)
    cases = Cell(text=f"{worst.cases:,} of {result.cases:,}", sort=worst.cases)
    return [*_name(result), kind, where, exactly, cases, Cell(text=others), command]


def _name(result: SettingResult) -> list[Cell]:
    setting = result.setting
    classes = "" if setting.objective.is_binary else show_classes(setting.classes)
    case = [word for word in (setting.pattern, classes, setting.target, *setting.unusual()) if word]
    return [Cell(text=setting.formulation), Cell(text=setting.dtype), Cell(text=", ".join(case))]


def _list_passes(report: Report) -> Iterator[Block]:
    passed = [result for result in report.settings if result.verdict is Verdict.PASS]
    if passed:
        rows = [[*_name(result), Cell(text=f"{result.cases:,}", sort=result.cases)] for result in passed]
        table = Table(caption="Settings without a finding", heads=("formulation", "dtype", "case", "cases"), rows=rows)
        yield Folded(title=f"{len(passed):,} settings pass", blocks=(table,))


def _explain(report: Report, *, derives: bool) -> Iterator[Block]:
    if report.causes:
        yield Table(
            caption="The root cause of each distinct first failure",
            heads=("formulation", "why"),
            rows=[(Cell(text=cause.formulation), Cell(text=cause.sentence)) for cause in report.causes],
        )
    derived = list(derive(report)) if derives else []
    yield from (Folded(title=title, blocks=(Code(text=text),)) for title, text in derived)
    if len(report.causes) > len(derived) and derives:
        why = "the rest was interrupted" if HURRY.is_set() else f"at most {MOST} are shown"
        yield Paragraph(text=f"{len(derived):,} of {show_count(len(report.causes), 'cause')} step by step: {why}.")


def _list_unchecked(report: Report) -> Iterator[Block]:
    """Yield what the page must not be read to say."""
    for name, reason in list_unjudged(report.settings):
        yield Paragraph(text=f"{name}: {reason}.")
    if report.is_interrupted:
        yield Paragraph(text="The work was interrupted: what is here is what was finished.")
    request = report.request
    sampled = sum(result.coverage.value == "sampled" for result in report.settings)
    if isinstance(request, AuditRequest) and request.sample is not None:
        yield Paragraph(text=f"Rows that --sample did not draw: {request.sample:,} of the file's rows were judged.")
    if isinstance(request, SweepRequest):
        yield Paragraph(text=f"Logits outside {request.logits}; patterns, targets and numbers of classes that are not listed.")
    if sampled:
        yield Paragraph(
            text=f"{sampled:,} of {len(report.settings):,} settings were sampled: a grid, the format's edge values, and every "
            "boundary between them, but not each float; what begins “≤” at a t may begin nearer to 0."
        )
    ties = sum(result.ties for result in report.settings)
    if ties:
        yield Paragraph(text=f"{ties:,} cases could not be decided within 4,096 bits and count as no finding.")
