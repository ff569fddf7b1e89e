"""One request of a page: who is there, what a form says, and what is shown where it fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qs

import structlog
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from serving.problems import ApiError, as_api_error
from serving.session import Session, session_of
from serving.validation import check_scope
from serving.web.rendering import page
from serving.web.sessions import COOKIE, Sessions, SignedIn, is_own

_log = structlog.stdlib.get_logger(__name__)

_MOST_BYTES = 200_000
_MOST_FIELDS = 200


class NotSignedInError(Exception):
    """Nobody is signed in, or no longer."""


@dataclass(frozen=True)
class Visit:
    """A request of somebody signed in.

    Attributes:
        session: As routes of the API have it.
        signed_in: Who, and the token of forms.
        form: Field → the values sent; empty where nothing was.
        is_part: Whether a part of a page is asked for, not the whole.
    """

    session: Session
    signed_in: SignedIn
    form: dict[str, list[str]]
    is_part: bool

    @property
    def name(self) -> str:
        """Who decides."""
        return self.signed_in.caller.name

    @property
    def may_write(self) -> bool:
        """Whether the key allows to decide."""
        return "write" in self.signed_in.caller.scopes

    def field(self, name: str, default: str = "") -> str:
        """Return a field of the form."""
        return self.form.get(name, [default])[0]

    def page(self, template: str, **values: Any) -> Response:
        """Return a page for whoever is signed in."""
        values |= {"name": self.name, "token": self.signed_in.token, "may_write": self.may_write}
        return page(template, **values)


async def _visit(request: Request) -> Visit:
    sessions: Sessions = request.app.state.sessions
    found = sessions.find(request.cookies.get(COOKIE))
    if found is None:
        raise NotSignedInError
    request.state.caller, request.state.is_signed_in = found.caller, True
    session = session_of(request)
    if wait := session.runtime.keys.wait(found.caller):
        raise ApiError(429, "too-many-calls", "you ask too often", retry_after=wait)
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        form = await read_form(request)
        sent = request.headers.get("x-csrf-token") or form.get("token", [""])[0]
        if not is_own(found, sent):
            raise ApiError(403, "forbidden", "this page is out of date: load it again")
    return Visit(session, found, form, "hx-request" in request.headers)


async def _writer(request: Request) -> Visit:
    visit = await _visit(request)
    check_scope(visit.signed_in.caller, "write")
    return visit


Visiting = Annotated[Visit, Depends(_visit)]
Deciding = Annotated[Visit, Depends(_writer)]


async def read_form(request: Request) -> dict[str, list[str]]:
    """Read a form, of a bounded size.

    Raises:
        ApiError: It is too large, none, or another site's.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "forbidden", "another site may not send this")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise ApiError(413, "too-large", "this is too long")
    if body and kind != "application/x-www-form-urlencoded":
        raise ApiError(415, "not-a-form", "send a form")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise ApiError(400, "malformed", "the form cannot be read") from error


class PageRoute(APIRoute):
    """A route whose failures are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except NotSignedInError:
                if "hx-request" in request.headers:
                    return Response(status_code=401, headers={"HX-Redirect": "/review"})
                return RedirectResponse("/review", 303)
            except Exception as error:
                found = as_api_error(error)
                if found.status >= 500:
                    _log.error("page failed", kind=found.kind, reason=str(error), exc_info=error)
                return page("problem", found.status, detail=str(found), status_code=found.status)

        return handle
