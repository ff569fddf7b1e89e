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
