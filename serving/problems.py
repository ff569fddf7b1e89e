"""Every failure as a problem (RFC 9457): what it is, in the words of whoever has to act on it.

Status codes: 400 the body is no JSON; 422 JSON that does not fit, with a pointer to each place;
401, 403 keys; 404, 405, 409, 413, 415, 429 as HTTP means them; 503 not ready, Milvus away, jobs
not to be kept or the disk full, 504 too late, all worth repeating; 500 a defect, of which the
caller learns no more than the request id.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from retrieval import (
    EndpointError,
    IndexReplacedError,
    InputError,
    LikewiseError,
    StoreError,
    StoreUnavailableError,
)

_log = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 2  # seconds; what is away is seldom back sooner
_EMPTIED = 60  # and a disk is seldom emptied sooner
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_THE_DISK = ("disk-full", "jobs-away", "milvus-refused", "review-away")  # or may be
_SHOWN = 20  # places that do not fit
_KINDS = {"str", "int", "float", "bool", "Range", "date"}  # as pydantic names them


class Violation(BaseModel):
    """One place of a request that does not fit."""

    pointer: str = Field(description="JSON pointer into the body, or the parameter's name.")
    detail: str


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid-request",
                    "title": "The request does not fit",
                    "status": 422,
                    "detail": "1 place does not fit",
                    "instance": "/v1/classify",
                    "request_id": "b7a0c1d2e3f4",
                    "errors": [{"pointer": "/items/0/text", "detail": "Field required"}],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
    errors: list[Violation] | None = None


class ApiError(Exception):
    """A failure that is the answer to a request.

    Args:
        status: Of HTTP.
        kind: The last part of the problem's type.
        detail: What happened, and what to do.
        errors: The places that do not fit.
        retry_after: Seconds after which to try again.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: list[Violation] | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after)))


def not_ready(detail: str) -> ApiError:
    """Return the answer while encoder and models are loading, or Milvus is away."""
    return ApiError(503, "not-ready", detail, retry_after=RETRY_AFTER)


def unfit(pointer: str, detail: str) -> ApiError:
    """Return the answer to a request with one place that does not fit."""
    return ApiError(
        422, "invalid-request", detail, errors=[Violation(pointer=pointer, detail=detail)]
    )


def as_api_error(error: Exception) -> ApiError:
    """Turn any exception into the answer to the request that caused it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return ApiError(error.status_code, kind, str(error.detail), headers=error.headers)
    if isinstance(error, EndpointError):  # before what is the caller's mistake: this is none
        return ApiError(
            503, "encoder-away", "the encoder's server does not answer", retry_after=RETRY_AFTER
        )
    if isinstance(error, InputError):
        return ApiError(422, "invalid-request", str(error))
    if isinstance(error, IndexReplacedError):
        return ApiError(
            503, "index-replaced", "the items are just being replaced", retry_after=RETRY_AFTER
        )
    if isinstance(error, StoreUnavailableError):
        return ApiError(503, "milvus-away", "Milvus does not answer", retry_after=RETRY_AFTER)
    if isinstance(error, StoreError):
        return ApiError(503, "milvus-refused", "Milvus refused", retry_after=RETRY_AFTER)
    if isinstance(error, OSError) and error.errno in _FULL:
        return ApiError(
            503, "disk-full", "the server's disk is full; nothing was kept", retry_after=_EMPTIED
        )
    if isinstance(error, TimeoutError):
        return ApiError(504, "timeout", "the answer took too long", retry_after=RETRY_AFTER)
    return ApiError(500, "defect", "something went wrong here; the request id finds it in the log")


def problem_response(error: ApiError, path: str, request_id: str | None) -> JSONResponse:
    """Write a problem."""
    problem = Problem(
        type=f"/problems/{error.kind}",
        title=_TITLES.get(error.kind, HTTPStatus(error.status).phrase),
        status=error.status,
        detail=error.detail,
        instance=path,
        request_id=request_id,
        errors=error.errors,
    )
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, error.status, headers=error.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the application answer every exception with a problem."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        found = as_api_error(error)
        if found.status == HTTPStatus.METHOD_NOT_ALLOWED:
            found.headers["Allow"] = _allowed(request)
        request_id = getattr(request.state, "request_id", None)
        if found.kind in _OF_THE_DISK:
            request.app.state.runtime.room.doubt(is_full=found.kind == "disk-full")
        if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            expected = found.status != HTTPStatus.INTERNAL_SERVER_ERROR
            _log.error(
                "request failed",
                request_id=request_id,
                kind=found.kind,
                reason=str(error) if expected else type(error).__name__,
                exc_info=None if expected else error,
            )
        return problem_response(found, request.url.path, request_id)

    for kind in (ApiError, RequestValidationError, HTTPException, LikewiseError, OSError):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Exception, answer)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems a route may answer with, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted({401, 403, 429, 500, 503, 504, *statuses})
    }


def _of_validation(error: RequestValidationError) -> ApiError:
    details = error.errors()
    if any(one["type"] == "json_invalid" for one in details):
        return ApiError(400, "malformed", f"the body is no JSON: {details[0]['ctx']['error']}")
    found: dict[str, list[str]] = {}
    for one in details:
        where = _pointer(one["loc"], error.body)
        found.setdefault(where, []).append(str(one["msg"]).removeprefix("Value error, "))
    # Where one of several kinds is expected, each of them has its complaint.
    errors = [
        Violation(pointer=where, detail=", or: ".join(dict.fromkeys(messages)))
        for where, messages in list(found.items())[:_SHOWN]
    ]
    places = "1 place does" if len(found) == 1 else f"{len(found)} places do"
    return ApiError(422, "invalid-request", f"{places} not fit", errors=errors)


def _pointer(location: tuple[Any, ...], body: Any) -> str:
    """Return a JSON pointer where the body is meant, else the name of the parameter.

    pydantic's location also names which of several kinds it tried: what leads nowhere is left out,
    but for a field that is missing.
    """
    where, *rest = location or ("body",)
    if where != "body":
        return str(rest[0]) if rest else str(where)
    parts: list[str] = []
    for place, part in enumerate(rest):
        inside = isinstance(body, dict) and part in body
        inside |= isinstance(body, list) and isinstance(part, int) and part < len(body)
        if inside:
            body = body[part]
        elif place < len(rest) - 1 or not isinstance(body, dict) or not _is_name(part):
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)


def _is_name(part: object) -> bool:
    return isinstance(part, str) and part.isidentifier() and part not in _KINDS


def _allowed(request: Request) -> str:
    """All methods of a path; Starlette tells those of its first route."""
    methods: set[str] = set()
    for path, operations in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            methods |= {method.upper() for method in operations}
    return ", ".join(sorted(methods))


_TITLES = {
    "invalid-request": "The request does not fit",
    "malformed": "The body cannot be read",
    "too-large": "The request is too large",
    "not-json": "The body must be JSON",
    "unauthorized": "A key is needed",
    "wrong-key": "The key is wrong",
    "forbidden": "The key does not allow this",
    "too-many-calls": "Too many calls",
    "busy": "Too many calls are waiting",
    "not-ready": "Not ready",
    "encoder-away": "The encoder's server does not answer",
    "milvus-away": "Milvus does not answer",
    "milvus-refused": "Milvus refused",
    "jobs-away": "Jobs cannot be kept",
    "review-away": "Decisions cannot be kept",
    "disk-full": "The disk is full",
    "index-replaced": "The items are being replaced",
    "model-refused": "The saved model cannot be used",
    "timeout": "Too late",
    "nothing-learned": "There is nothing to answer from",
    "read-only": "This cannot be changed here",
    "conflict": "This contradicts what there is",
    "not-finished": "The job has not finished",
    "not-found": "There is no such thing",
    "defect": "A defect",
}
