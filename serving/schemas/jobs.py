"""Define what is sent and answered about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from serving.problems import Problem
from serving.schemas.forecasts import Forecast, LaunchForecast
from serving.schemas.items import Message, Sent
from serving.schemas.labels import Classify, Labeled


class ClassifyJob(Sent):
    """Many items to label."""

    task: Literal["classify"]
    request: Classify


class ForecastJob(Sent):
    """Many launches to forecast."""

    task: Literal["forecast"]
    request: Forecast


Job = Annotated[ClassifyJob | ForecastJob, Field(discriminator="task")]


class JobState(Message):
    """How far a job is."""

    job_id: str
    task: Literal["classify", "forecast"]
    status: Literal["queued", "running", "done", "failed"]
    items: int
    items_done: int
    created: datetime
    problem: Problem | None = Field(None, description="Why it failed.")


class ClassifyResults(Message):
    """What a job of labels came to."""

    results: list[Labeled]


class ForecastResults(Message):
    """What a job of forecasts came to."""

    results: list[LaunchForecast]
