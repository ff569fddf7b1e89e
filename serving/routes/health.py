"""Routes for those who run the server: is it alive, is it ready, how does it do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serving.schemas.labels import Health

router = APIRouter(tags=["operation"])
measures = APIRouter(tags=["operation"])


@router.get("/livez", operation_id="livez")
async def livez() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    operation_id="readyz",
    responses={503: {"model": Health, "description": "Not ready, and why."}},
)
async def readyz(request: Request, response: Response) -> Health:
    """Tell whether encoder, Milvus, models and the disk do what they are for."""
    runtime = request.app.state.runtime
    reasons = [*runtime.reasons, *request.app.state.jobs.reasons]
    if not reasons:
        return Health(status="ok")
    response.status_code = 503
    response.headers["Retry-After"] = "2"
    return Health(status="starting" if runtime.is_starting else "unavailable", reasons=reasons)


@measures.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Measures in Prometheus' format."""
    text = request.app.state.runtime.metrics.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
