"""Fill the templates of reports: pages that need nothing beside them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.reports.words import date, number
from pipelines.tables.output import write_text


def fill_page(template: str, path: Path, **values: object) -> None:
    """Write a page, whole or not at all.

    Args:
        template: File name in the templates of this package.
        path: Where to.
        **values: What the template shows; text is escaped, unless it is `Markup`.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.reports"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"number": number, "date": date}
    write_text(environment.get_template(template).render(**values), path)
