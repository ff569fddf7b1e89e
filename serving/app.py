"""The application: routes, middleware, and what is started and stopped with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from pipelines import Settings
from serving import problems
from serving.jobs.queue import Jobs
from serving.middleware import Requests
from serving.observability.tracing import instrument
from serving.review.reviews import Reviews
from serving.routes import (
    answers,
    concepts,
    forecasts,
    health,
    items,
    jobs as routes_jobs,
    labels,
    models,
    review,
)
from serving.runtime.runtime import Runtime
from serving.web import pages

_DESCRIPTION = """Labels and launch forecasts for items without history, from the like items known.

Every failure is `application/problem+json` (RFC 9457); its `type` tells failures apart. Send
`X-Request-ID` to find a call in the logs again; the answer carries it in any case."""


def create_app(settings: Settings, on_failure: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application.

    Args:
        settings: Its section `serve`, and those of items, index, encoder and classify.
        on_failure: Called once, where the settings cannot work; ``app.state.runtime.failure`` says
            why.
    """
    runtime = Runtime(settings, on_failure)
    jobs, reviews = Jobs(runtime), Reviews(runtime)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        jobs.start()
        yield
        await jobs.close()
        await reviews.close()
        await runtime.close()

    app = FastAPIOffline(
        title="likewise",
        version=version("likewise"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead wherever Host says
    )
    app.state.runtime = runtime
    app.state.jobs = jobs
    app.state.reviews = reviews
    app.add_middleware(Requests, runtime=runtime)
    problems.install(app)
    every = (labels, answers, forecasts, items, concepts, models, routes_jobs, review)
    for routes in every:
        app.include_router(routes.router)
    pages.install(app)
    app.include_router(health.router)
    if settings.serve.metrics:
        app.include_router(health.measures)
    if settings.serve.telemetry:
        instrument(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with problems in place of FastAPI's own errors."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        schemas = document["components"]["schemas"]
        template = "#/components/schemas/{model}"
        problem = problems.Problem.model_json_schema(ref_template=template)
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
    return app.openapi_schema or {}
