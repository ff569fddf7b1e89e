"""What every route needs of a request: who calls, the runtime, and how large it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from pipelines import Scope
from serving.jobs.queue import Jobs
from serving.keys import Caller
from serving.observability.audit import audit_entries
from serving.problems import ApiError
from serving.review.reviews import Reviews
from serving.runtime.runtime import Runtime
from serving.validation import check_scope

# For the OpenAPI document; `serving.middleware` has looked at the key by then.
bearer = HTTPBearer(
    auto_error=False, description="A key (`likewise key`); none is needed where none are set."
)


@dataclass(frozen=True)
class Session:
    """One request.

    Attributes:
        runtime: What answers.
        caller: Who asks.
        request_id: Its id.
        state: Of the request, for the log line.
        jobs: What is too long for a call.
        reviews: What people decide.
    """

    runtime: Runtime
    caller: Caller
    request_id: str
    state: Any
    jobs: Jobs
    reviews: Reviews

    @property
    def tenant(self) -> str | None:
        """Whose items are seen."""
        return self.caller.tenant

    def allow(self, items: Sequence[Any], what: str = "items") -> None:
        """Refuse more items than a call may have."""
        cap = self.runtime.settings.serve.cap
        if len(items) > cap:
            hint = "; POST /v1/jobs takes more" if what == "items" else ""
            raise ApiError(
                413, "too-large", f"a call may have {cap} {what}, not {len(items)}{hint}"
            )
        if wait := self.runtime.keys.wait_for_items(self.caller, len(items)):
            raise ApiError(
                429,
                "too-many-calls",
                f"key {self.caller.name!r} sends too many {what}",
                retry_after=wait,
            )
        self.state.items = len(items)

    def audit(self, task: str, answer: Mapping[str, Any]) -> None:
        """Write down what was answered."""
        log = self.runtime.audit
        if log is not None:
            log.write(audit_entries(task, answer, self.request_id, self.tenant))


def session_of(request: Request) -> Session:
    """Return the session of a request, of the API or of a page."""
    state, app = request.state, request.app.state
    return Session(app.runtime, state.caller, state.request_id, state, app.jobs, app.reviews)


@dataclass(frozen=True)
class _Needing:
    """The session of a request whose key must have a scope."""

    scope: Scope

    # async, or FastAPI sends each request through a thread of its own: a quarter of the throughput.
    async def __call__(self, request: Request) -> Session:
        found = session_of(request)
        check_scope(found.caller, self.scope)
        return found


Reading = Annotated[Session, Depends(_Needing("read"))]
Writing = Annotated[Session, Depends(_Needing("write"))]
