"""Fill the pages' templates; nothing that a page shows is run, and nothing comes from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MOST_TEXT = 400  # characters of a neighbor


def _percent(value: float | None, digits: int = 0) -> str:
    if value is None:
        return "\u2013"
    return f"{value:.{digits}%}".replace("%", "\u202f%")


def _short(text: str | None) -> str:
    whole = text or ""
    return whole if len(whole) <= _MOST_TEXT else whole[:_MOST_TEXT] + "…"


_templates = Environment(
    loader=PackageLoader("serving.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"percent": _percent, "short": _short}


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page, or a part of one, as it is sent; text is escaped."""
    content = _templates.get_template(f"{template}.html.j2").render(**values)
    return HTMLResponse(content, status, headers=HEADERS)
