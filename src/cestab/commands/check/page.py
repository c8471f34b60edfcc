"""A check as a page: what is gated, a row per audit, what was not judged, what is stale, the strips of each audit."""

from collections.abc import Iterator

from cestab.commands.check import wire
from cestab.commands.check.answer import CheckProblem, CheckReport
from cestab.commands.check.rows import OVERVIEW, count_audit, find_unjudged
from cestab.commands.sweep.overview import Overview
from cestab.commands.sweep.page_parts import draw_matrix, draw_strip_tables, list_environment
from cestab.reports.page.model import Block, Cell, Folded, Number, Page, Paragraph, Section, Table


def to_page(report: CheckReport) -> Page:
    """Return the page."""
    gated = report.gated()
    accepted = [(checked, problem) for checked in report.audits for problem in checked.accepted()]
    unjudged = tuple(Paragraph(text=": ".join(words)) for words in find_unjudged(report))
    return Page(
        title=f"cestab check: {report.config.file}",
        headline=f"cestab {report.version} · {'fails' if gated else 'nothing is gated'}"
        + (" · interrupted: this is what was finished" if report.is_interrupted else ""),
        numbers=(
            Number(value=f"{len(gated):,}", label="gated findings", style="off" if gated else "fine"),
            Number(value=f"{len(accepted):,}", label="accepted findings"),
            Number(value=f"{len(report.audits):,}", label="audits"),
            Number(value=f"{sum(1 for _ in report.results()):,}", label="settings"),
        ),
        sections=(
            Section(title="Gated", blocks=_list_problems([(c.audit.name, p) for c, p in gated]) or (Paragraph(text="None."),)),
            Section(title="Audits", blocks=(_count_audits(report),)),
            Section(title="Accepted", blocks=_list_problems([(c.audit.name, p) for c, p in accepted])),
            Section(title="Stale", blocks=tuple(Paragraph(text=f"{s.audit}: {s.message}") for s in report.stale)),
            Section(title="Where it breaks", blocks=tuple(_draw_audits(report))),
            Section(title="What was not checked", blocks=unjudged),
            Section(title="Environment", blocks=tuple(list_environment(report.environment))),
        ),
        report=wire.render(report),
    )


def _list_problems(problems: list[tuple[str, CheckProblem]]) -> tuple[Block, ...]:
    if not problems:
        return ()
    rows = [
        [
            Cell(text=audit),
            Cell(text=str(problem.result.setting)),
            Cell(text=problem.rule, style="off" if problem.is_gated else ""),
            Cell(text=problem.message),
            Cell(text=problem.accepted or ""),
            Cell(command=problem.finding.first.reproduce),
        ]
        for audit, problem in problems
    ]
    heads = ("audit", "setting", "rule", "what", "accepted because", "reproduce")
    return (Table(caption="Findings", heads=heads, rows=rows, is_long=True),)


def _count_audits(report: CheckReport) -> Table:
    rows = [
        [Cell(text=checked.audit.name), *(Cell(text=f"{count:,}", sort=count) for count in count_audit(report, checked))]
        for checked in report.audits
    ]
    return Table(caption="Settings and findings of each audit", heads=OVERVIEW, rows=rows)


def _draw_audits(report: CheckReport) -> Iterator[Block]:
    for checked in report.audits:
        own = checked.report
        overview = Overview(request=own.request, settings=own.settings, causes=own.causes)
        yield Folded(title=checked.audit.name, blocks=(draw_matrix(overview), *draw_strip_tables(overview)))
