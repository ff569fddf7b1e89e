"""Routes for what is too long for a call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request, Response, Security
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from serving.jobs.queue import Jobs
from serving.jobs.requests import JobRequest
from serving.problems import documented
from serving.schemas.jobs import ClassifyResults, ForecastResults, Job, JobState
from serving.session import Reading, bearer
from serving.validation import Handler, Validated, check_scopes


class _JobRoute(APIRoute):
    """A route whose body, if it has one, goes to the disk as it arrives."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def handle(request: Request) -> Response:
            check_scopes(self, request)
            jobs: Jobs = request.app.state.jobs
            async with jobs.uploaded(request.stream(), request.state.caller.tenant) as found:
                request.state.job = found
                return await answer(Validated(request.scope, request.receive, found.skeleton))

        return handle


router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], dependencies=[Security(bearer)], route_class=_JobRoute
)
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="From the answer to the POST.")]


@router.post(
    "",
    operation_id="start_job",
    status_code=202,
    response_model=JobState,
    responses={
        202: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **documented(400, 409, 413, 415, 422),
    },
)
async def start_job(session: Reading, job: Annotated[Job, Body()], response: Response) -> Any:
    """Label or forecast more items than a call may have; accepted, it survives a restart."""
    request: JobRequest = session.state.job  # of which `job` is what is no list
    async with session.runtime.tenant(session.tenant) as tenant:
        request = await session.jobs.checked(request, tenant)
    session.state.items = request.items
    state = await session.jobs.accept(request, session.caller, session.request_id)
    response.headers["Location"] = f"/v1/jobs/{state.job_id}"
    return state


@router.get(
    "/{job_id}", operation_id="get_job", response_model=JobState, responses=documented(404, 422)
)
async def get_job(session: Reading, job_id: JobId) -> Any:
    """Tell how far a job is."""
    return await session.runtime.in_thread(session.jobs.state, session.tenant, job_id)


@router.get(
    "/{job_id}/result",
    operation_id="get_job_result",
    response_class=StreamingResponse,
    responses={
        200: {"model": ClassifyResults | ForecastResults, "description": "In the order asked."},
        **documented(404, 409, 422),
    },
)
async def get_job_result(session: Reading, job_id: JobId) -> StreamingResponse:
    """Fetch the results of a finished job."""
    pieces = await session.runtime.in_thread(session.jobs.result, session.tenant, job_id)
    return StreamingResponse(pieces, media_type="application/json")
