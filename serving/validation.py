"""Parse and validate bodies: large ones beside the event loop, one at a time.

A body is parsed and validated by C code that keeps all other threads waiting: so much of it is done
at once that probes still have their answer, and the rest in a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from pipelines import Scope
from serving.keys import Caller
from serving.problems import ApiError

SMALL = 16_384
"""Bytes of a body that the event loop may parse: some milliseconds, whatever is in them."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ValidatedRoute(APIRoute):
    """A route whose body is validated before FastAPI, which finds it done, would do it."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        answer = super().get_route_handler()
        field = self.body_field

        def validated(body: bytes) -> Any:
            value = parsed(body)
            found, errors = field.validate(value, {}, loc=("body",)) if field else (value, [])
            if errors:
                raise RequestValidationError(errors, body=value)
            return found

        async def handle(request: Request) -> Response:
            check_scopes(self, request)
            body = await request.body()
            if field is None or not body:
                return await answer(request)
            if len(body) <= SMALL:
                found = validated(body)
            else:
                loop = asyncio.get_running_loop()
                pool = request.app.state.runtime.bodies
                found = await loop.run_in_executor(pool, validated, body)
            return await answer(Validated(request.scope, request.receive, found))

        return handle


class Validated(Request):
    """A request whose body is what it was validated to."""

    def __init__(self, scope: Any, receive: Any, found: Any) -> None:
        super().__init__(scope, receive)
        self._found = found

    async def body(self) -> bytes:
        """Return something: there is a body."""
        return b"{}"

    async def json(self) -> Any:
        """Return the model."""
        return self._found


def check_scopes(route: APIRoute, request: Request) -> None:
    """Refuse what the key may not do, before a body is read.

    Raises:
        ApiError: 403.
    """
    for one in route.dependant.dependencies:
        if (scope := getattr(one.call, "scope", None)) is not None:
            check_scope(request.state.caller, scope)


def check_scope(caller: Caller, scope: Scope) -> None:
    """Refuse what needs a scope that the key does not have.

    Raises:
        ApiError: 403.
    """
    if scope not in caller.scopes:
        raise ApiError(403, "forbidden", f"key {caller.name!r} may not {scope}")


def parsed(body: bytes) -> Any:
    """Return what JSON says.

    Raises:
        ApiError: It is none.
    """
    try:
        return json.loads(body)
    except RecursionError:
        why = "too many brackets within each other"
    except UnicodeDecodeError as error:
        why = str(error)
    except json.JSONDecodeError as error:
        why = error.msg
    raise ApiError(400, "malformed", f"the body is no JSON: {why}")
