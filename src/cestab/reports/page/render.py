"""A page as HTML: the template with everything that it needs inside, and nothing from outside."""

import base64
import gzip
from importlib.resources import files
from typing import TYPE_CHECKING

from cestab.reports.page.model import Page

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = "cestab.reports.page"


def render_page(page: Page) -> str:
    """Return the page; all that comes from a report is escaped. The same page gives the same bytes."""
    template = _load_environment().get_template("page.html.j2")
    sections = [(f"part-{number}", section) for number, section in enumerate(page.sections) if section.blocks]
    return template.render(
        page=page,
        sections=sections,
        style=_read("page.css"),
        script=_read("page.js"),
        report=None if page.report is None else _pack(page.report),
    )


def _load_environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("cestab.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _read(name: str) -> str:
    return files(FOLDER).joinpath(name).read_text(encoding="utf-8")


def _pack(report: str) -> str:
    """Return a report compressed, in base64: a twentieth of its size, with no character that ends a script."""
    return base64.b64encode(gzip.compress(report.encode(), mtime=0)).decode("ascii")
