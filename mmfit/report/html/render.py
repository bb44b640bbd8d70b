"""report.html and other pages: the templates filled; the one place that knows HTML."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmfit.common.files import write_text
from mmfit.report.content.page import build_page
from mmfit.report.records import ReportInput


def write_report(path: str | Path, report: ReportInput) -> None:
    """Write ``report.html``; the same input gives the same bytes."""
    write_text(Path(path), render_report(report))


def render_report(report: ReportInput) -> str:
    """The page as HTML text, complete in itself."""
    return render("report.html", title=report.analysis.title, page=build_page(report))


def render(template: str, **context: Any) -> str:
    """Fill a template of this package; all text is escaped, unknown names are errors."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(version=version("mmfit"), **context)
