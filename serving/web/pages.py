"""The pages that everybody sees: sign-in, queues, scripts and styles."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from serving.problems import ApiError
from serving.schemas.review import StartQueue
from serving.web import labeling
from serving.web.rendering import HEADERS, page
from serving.web.sessions import COOKIE, LAST_SECONDS, Sessions
from serving.web.visit import Deciding, PageRoute, Visit, Visiting, read_form

router = APIRouter(prefix="/review", include_in_schema=False, route_class=PageRoute)
_STATIC = files("serving.web") / "static"
_KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".txt": "text/plain",
    ".svg": "image/svg+xml",
}
_FILES = {one.name: one.read_bytes() for one in _STATIC.iterdir() if one.is_file()}


def install(app: FastAPI) -> None:
    """Let the application answer the pages."""
    app.state.sessions = Sessions(app.state.runtime.keys)
    app.include_router(router)
    app.include_router(labeling.router)


@router.get("")
async def home(request: Request) -> Response:
    """Show the queues, or let somebody sign in."""
    sessions: Sessions = request.app.state.sessions
    if sessions.find(request.cookies.get(COOKIE)) is None:
        return _sign_in_page(request)
    return RedirectResponse("/review/queues", 303)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session."""
    form = await read_form(request)
    sessions: Sessions = request.app.state.sessions
    secret = sessions.sign_in(form.get("key", [""])[0], form.get("name", [""])[0])
    if secret is None:
        return _sign_in_page(request, "This key is not one of the server's.")
    answer = RedirectResponse("/review/queues", 303)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=LAST_SECONDS,
        path="/review",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-out")
async def sign_out(visit: Visiting, request: Request) -> Response:
    """End a session."""
    sessions: Sessions = request.app.state.sessions
    sessions.sign_out(request.cookies.get(COOKIE))
    answer = RedirectResponse("/review", 303)
    answer.delete_cookie(COOKIE, path="/review", httponly=True, samesite="strict")
    return answer


@router.get("/queues")
async def queues(visit: Visiting) -> Response:
    """Show the queues, and how far each is."""
    return await _queues_page(visit)


@router.post("/queues")
async def start_queue(visit: Deciding) -> Response:
    """Make a queue."""
    told: dict[str, Any] = {
        "name": visit.field("name"),
        "source": visit.field("source", "unlabeled"),
        "order": visit.field("order", "worth"),
        "second_share": 0.1 if visit.field("second") else 0.0,
    }
    session = visit.session
    try:
        async with session.runtime.tenant(session.tenant) as tenant:
            queue = await session.reviews.start(tenant, StartQueue(**told), visit.name)
    except ValidationError:
        return await _queues_page(visit, "The form does not fit: load the page again.")
    except ApiError as error:
        return await _queues_page(visit, f"Nothing to do: {error}.")
    return RedirectResponse(f"/review/queues/{queue['queue_id']}", 303)


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return a script or a style sheet of the pages."""
    if name not in _FILES:
        raise ApiError(404, "not-found", "there is no such file")
    kind = _KINDS.get(PurePosixPath(name).suffix, "application/octet-stream")
    headers = {**HEADERS, "Cache-Control": "max-age=3600"}
    return Response(_FILES[name], media_type=kind, headers=headers)


def _sign_in_page(request: Request, notice: str = "") -> Response:
    is_open = request.app.state.runtime.keys.is_open
    return page("sign_in", 401 if notice else 200, is_open=is_open, notice=notice)


async def _queues_page(visit: Visit, notice: str = "") -> Response:
    session = visit.session
    async with session.runtime.tenant(session.tenant) as tenant:
        found = await session.reviews.queues(tenant)
    return visit.page("queues", queues=found, notice=notice)
