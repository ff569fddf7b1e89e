"""What happens to every request before its route and after: id, key, size, time, log line."""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.bodies import (
    CutOffError,
    check_letters,
    check_values,
    limited,
    read_body,
    replayed,
    too_large,
)
from serving.connections import Repeats, most_connections
from serving.keys import LOCAL, Caller
from serving.loopback import is_from_loopback
from serving.problems import ApiError, problem_response
from serving.runtime.runtime import Runtime, share_of
from serving.runtime.shares import Share, Shares
from serving.validation import SMALL

_log = structlog.stdlib.get_logger(__name__)

_ID_HEADER = b"x-request-id"
_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_REFUSED = (401, 403, 429)
_QUIET = ("/livez", "/readyz", "/metrics")
_GUARDED = "/v1/"
_JOBS = "/v1/jobs"
_JOB_BYTES = 16  # times what a call may have
_BODIES = 8  # of the largest that a call may have, in memory at a time


class Requests:
    """The middleware.

    Args:
        app: What answers.
        runtime: Keys, metrics and limits.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._repeats = Repeats()
        self._most_bytes = int(runtime.settings.serve.body_mb * 1e6)
        in_memory = _BODIES * self._most_bytes
        self._shares = Shares(
            share_of(runtime.keys, most_connections()),
            in_memory,
            share_of(runtime.keys, in_memory),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        headers = dict(scope["headers"])
        request_id = _given_id(headers) or secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (_ID_HEADER, request_id.encode()),
                ]
            await send(message)

        try:
            async with AsyncExitStack() as stack:
                try:
                    state["caller"] = self._admit(scope, headers)
                    body = receive
                    if scope["path"].startswith(_GUARDED):
                        share = stack.enter_context(self._shares.request(state["caller"].tenant))
                        body = await self._checked(scope, headers, receive, share)
                except ApiError as error:
                    state["is_cut_off"] = isinstance(error, CutOffError)
                    response = problem_response(error, scope["path"], request_id)
                    await response(scope, receive, send_with_id)
                else:
                    await self._app(scope, body, send_with_id)
        finally:
            self._note(scope, status, perf_counter() - start, state)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Caller:
        """Who calls, if that may go on."""
        keys = self._runtime.keys
        host, origin = (_told(headers, name) for name in (b"host", b"origin"))
        if keys.is_open and not is_from_loopback(host or "", origin):
            raise ApiError(
                403,
                "forbidden",
                "without keys only this machine is answered, as localhost or 127.0.0.1",
            )
        if keys.is_open and scope["path"].startswith(_GUARDED) and _is_of_another_page(headers):
            raise ApiError(403, "forbidden", "without keys no page of another site is answered")
        if keys.is_open or not scope["path"].startswith(_GUARDED):
            return LOCAL
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        is_sent = scheme.lower() == "bearer" and bool(key.strip())
        caller = keys.caller(key.strip()) if is_sent else None
        if caller is None:
            raise _no_caller(is_sent)
        if wait := keys.wait(caller):
            raise ApiError(
                429, "too-many-calls", f"key {caller.name!r} calls too often", retry_after=wait
            )
        return caller

    async def _checked(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, share: Share
    ) -> Receive:
        """Refuse a body that is too large or no JSON, also one that does not tell its size."""
        is_job = scope["path"].startswith(_JOBS)
        most = self._most_bytes * (_JOB_BYTES if is_job else 1)
        length = headers.get(b"content-length", b"0")
        has_body = length not in (b"", b"0") or b"transfer-encoding" in headers
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if length.isdigit() and int(length) > most:
            raise too_large(most)
        if not has_body:
            return receive
        if kind != b"application/json":
            raise ApiError(415, "not-json", "send Content-Type: application/json")
        if is_job:
            return _noting(limited(receive, most), scope["state"])
        body = await read_body(receive, most, share.take)

        def check() -> None:
            check_values(body)
            check_letters(body)

        if len(body) <= SMALL:
            check()
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._runtime.bodies, check)
        return replayed(body, receive)

    def _note(self, scope: Scope, status: int, seconds: float, state: dict[str, Any]) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._runtime.metrics.request(route, _known_method(scope["method"]), status, seconds)
        if scope["path"] in _QUIET:
            return
        more = {}
        is_strange = self._is_strange(scope) and not state.get("is_signed_in")
        if status in _REFUSED or state.get("is_cut_off") or is_strange:
            # Whoever has no key, or is refused with one, could fill the log: a line a minute.
            key = getattr(state.get("caller"), "name", None)
            told = (route, _known_method(scope["method"]), status, key)
            held_back = self._repeats.held_back(told)
            if held_back is None:
                return
            more = {"times_before": held_back} if held_back else {}
        _log.info(
            "request",
            request_id=state["request_id"],
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(seconds, 4),
            key=getattr(state.get("caller"), "name", None),
            items=state.get("items"),
            **more,
        )

    def _is_strange(self, scope: Scope) -> bool:
        """Whether a request was let in without a key, where there are some."""
        return not (self._runtime.keys.is_open or scope["path"].startswith(_GUARDED))


def _noting(receive: Receive, state: dict[str, Any]) -> Receive:
    """Return what gives a body as it arrives, and notes that it was cut off."""

    async def give() -> Message:
        try:
            return await receive()
        except CutOffError:
            state["is_cut_off"] = True
            raise

    return give


def _no_caller(is_sent: bool) -> ApiError:
    challenge = {"WWW-Authenticate": "Bearer"}
    if is_sent:
        told = "this key is not one of the server's: it was mistyped, or taken back"
        return ApiError(401, "wrong-key", told, headers=challenge)
    told = "send a key: Authorization: Bearer KEY"
    return ApiError(401, "unauthorized", told, headers=challenge)


def _is_of_another_page(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that a page of another site asks: a picture, a form, a link of it."""
    return headers.get(b"sec-fetch-site", b"").strip().lower() == b"cross-site"


def _told(headers: dict[bytes, bytes], name: bytes) -> str | None:
    return headers[name].decode("latin-1") if name in headers else None


def _given_id(headers: dict[bytes, bytes]) -> str | None:
    given = headers.get(_ID_HEADER, b"").decode("latin-1")
    return given if _ID.fullmatch(given) else None


def _known_method(method: str) -> str:
    """Return a method that no client can make up: metrics must not grow with what is sent."""
    return method if method in {"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"} else "OTHER"
