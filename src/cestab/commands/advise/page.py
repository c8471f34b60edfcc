"""Advice as a page: per format a table of the statements with their proofs and commands."""

from itertools import groupby

from cestab.commands.advise import wire
from cestab.commands.advise.answer import Advice, Statement
from cestab.commands.advise.table import TITLES, headline
from cestab.commands.sweep.page_parts import list_environment
from cestab.reports.page.model import Block, Cell, Page, Section, Table


def to_page(advice: Advice) -> Page:
    """Return the page."""
    by_dtype = groupby(advice.statements, key=lambda statement: statement.dtype)
    return Page(
        title=f"cestab advise: {advice.request.objective}",
        headline=headline(advice),
        numbers=(),
        sections=(
            *(Section(title=dtype, blocks=_list_statements(dtype, list(own))) for dtype, own in by_dtype),
            Section(title="Environment", blocks=tuple(list_environment(advice.environment))),
        ),
        report=wire.render(advice),
    )


def _list_statements(dtype: str, statements: list[Statement]) -> tuple[Block, ...]:
    advised = [[Cell(text=TITLES[s.topic]), Cell(text=s.sentence), Cell(command=s.reproduce)] for s in statements]
    proofs = [
        [
            Cell(text=TITLES[s.topic]),
            Cell(text=p.finding),
            Cell(text=f"{p.t!r}", sort=abs(p.t)),
            Cell(text=p.setting),
            Cell(command=p.reproduce),
        ]
        for s in statements
        for p in s.proofs
    ]
    advice = Table(caption=f"What holds in {dtype}", heads=("about", "advice", "show it"), rows=advised)
    if not proofs:
        return (advice,)
    return (
        advice,
        Table(caption="The cases that prove it", heads=("about", "finding", "t", "setting", "reproduce"), rows=proofs),
    )
