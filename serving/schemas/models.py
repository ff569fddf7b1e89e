"""Define what is answered about the models behind the answers."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from serving.schemas.items import Message


class Forecasts(Message):
    """What the forecaster wants to know of a launch, and what it forecasts."""

    text: list[str] = Field(description="Text columns, of `text`.")
    attributes: list[str] = Field(description="Columns of `attributes`.")
    covariates: list[str] = Field(description="What plans are about, of `future`.")
    freq: str = Field(description="Of the periods, as pandas names it.")
    horizon: int = Field(description="How many periods are forecast, from the launch on.")
    cutoff: date = Field(description="The last period seen; launches lie after it.")


class Models(Message):
    """What answers now, by the versions that stand in answers as `model_version`."""

    labels: str | None = Field(description="Of the classifier; null: it has learned nothing yet.")
    text: list[str] = Field(description="Text columns of the items it labels.")
    forecaster: str | None = Field(description="Of the saved forecaster; null: there is none.")
    forecasts: Forecasts | None = Field(description="What that wants to know; null without one.")
