"""Define what is sent and answered about launches."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator
from pydantic.config import JsonDict

from serving.schemas.items import (
    MOST_ITEMS,
    Column,
    Day,
    Few,
    Id,
    Message,
    Number,
    Sent,
    Sliced,
    Text,
    Value,
)

EXAMPLE_LAUNCH: JsonDict = {
    "item_id": "18293696",
    "text": {"product_type": "frozen pizza", "package_size": "12 oz"},
    "launch_date": "2017-10-16",
    "attributes": {"department": "GROCERY"},
}


class Launch(Sent):
    """An item that is to be launched after the forecaster's cutoff."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_LAUNCH]})

    item_id: Id
    text: Text | Annotated[dict[Column, str | None], Few] = Field(
        description="What describes it: one text, or the text columns of the forecaster by name."
    )
    launch_date: Day
    attributes: Annotated[dict[Column, Value], Few] = Field(
        {}, description="The attributes of the forecaster."
    )


class Sale(Sent):
    """Units of an item in a period."""

    item_id: Id
    ds: Day = Field(description="First day of the period.")
    y: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Plan(Sent):
    """What is planned for an item in a period: the covariates of the forecaster."""

    item_id: Id
    ds: Day
    values: Annotated[dict[Column, Number], Few]


Amount = Number | dict[Id, Number]


class Launches(Sent):
    """Launches to ask about; each id once."""

    items: Annotated[list[Launch], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({one.item_id for one in self.items}) < len(self.items):
            raise ValueError("an item_id is there more than once")
        return self


class Forecast(Launches):
    """Launches to forecast."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_LAUNCH]}]})

    observed: Annotated[list[Sale], Sliced, Field(max_length=1_000_000)] | None = Field(
        None,
        description="Sales of these items so far; from its launch on, an item sold nothing in a "
        "period without a row.",
    )
    observed_until: Day | None = Field(
        None, description="A day in the last period observed; null: the last one with a row."
    )
    future: Annotated[list[Plan], Sliced, Field(max_length=1_000_000)] | None = Field(
        None, description="Plans for these items."
    )
    strict: StrictBool = Field(
        False, description="true: refuse a launch of which there would be warnings."
    )


class Orders(Launches):
    """Launches to order, and what orders cost: numbers for all items, or by item_id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_LAUNCH], "service_level": 0.9}]}
    )

    overage_cost: Amount | None = Field(None, description="Of a unit left over.")
    underage_cost: Amount | None = Field(None, description="Of a unit missing.")
    service_level: Amount | None = Field(
        None, description="Instead of both: the probability to have enough."
    )
    lead_time: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Periods that the order has to last for; null: the horizon."
    )
    pack_size: Amount = Field(1.0, description="Orders are multiples of it.")
    minimum: Amount = Field(0.0, description="The least that is ordered, if anything is.")
    unit_cost: Amount | None = Field(None, description="What a unit takes of the budget.")
    groups: dict[Id, str] | None = Field(
        None, description="The group of each item, for budgets of their own."
    )
    budget: Number | dict[str, Number] | None = Field(
        None, description="Of all orders together; by group, where there are groups."
    )
    future: Annotated[list[Plan], Sliced, Field(max_length=1_000_000)] | None = Field(
        None, description="Plans for these items."
    )


class Taken(Launches):
    """Launches of which is asked what they take from others."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_LAUNCH]}]})

    future: Annotated[list[Plan], Sliced, Field(max_length=1_000_000)] | None = Field(
        None, description="Plans for these items."
    )


class Sibling(Message):
    """An item on sale from which a launch is expected to take."""

    item_id: str
    taken: float = Field(description="Units over the launch's horizon.")


class TakenByLaunch(Message):
    """What one launch is expected to take."""

    item_id: str
    cutoff: date = Field(description="First day of the last period seen.")
    mean: float = Field(description="Expected units over the horizon, what it takes included.")
    taken: float | None = Field(description="Units of these that others lose; null: not shown.")
    siblings: list[Sibling] = Field(description="Its nearest items on sale, which lose them.")


class TakenEstimate(Message):
    """What past launches took: units lost by their siblings, by unit that they sold."""

    share: float | None
    low: float | None = Field(description="Of its 95 % interval.")
    high: float | None
    launches: int = Field(description="How many past launches it is of.")
    placebo: float | None = Field(description="The same at made-up dates; near zero if all is well")
    placebo_low: float | None
    placebo_high: float | None
    shown: bool = Field(description="Its interval is above zero, and made-up dates find nothing.")
    words: str = Field(description="What was found, or why nothing is shown.")


class TakenResult(Message):
    """What launches take, in the order asked."""

    results: list[TakenByLaunch]
    estimate: TakenEstimate
    model_version: str


class Order(Message):
    """How much to order of one launch, and what is expected of that."""

    item_id: str
    cutoff: date = Field(description="First day of the last period seen.")
    quantity: float
    mean: float = Field(description="Expected demand.")
    left: float = Field(description="Units expected to be left over.")
    missing: float = Field(description="Units expected to be missing.")
    cost: float
    naive_quantity: float = Field(description="Of who orders the mean.")
    naive_cost: float


class OrdersResult(Message):
    """The orders, in the order asked."""

    results: list[Order]
    model_version: str


class Period(Message):
    """What is expected in one period after the launch."""

    ds: date
    age: int = Field(description="0 is the period of launch.")
    mean: float
    quantiles: dict[str, float] = Field(description="By level.", examples=[{"0.5": 2.0}])


class Total(Message):
    """What is expected over the horizon; its quantiles are not sums."""

    mean: float
    quantiles: dict[str, float]


class LaunchForecast(Message):
    """The forecast of one launch."""

    item_id: str
    cutoff: date = Field(description="First day of the last period seen.")
    curve: list[Period]
    total: Total
    novelty: float | None = Field(
        description="Share of past launches that had something more similar."
    )
    novel: bool = Field(description="Too unlike anything known: the interval is wide.")
    method: str
    warnings: list[str] = Field(
        description="What was not known of it: a category never seen, an attribute missing or out "
        "of range, a launch further ahead than was learned from."
    )
    planned: bool | None = Field(
        description="Whether the item's plan moves its forecast; where it is not known, or a part "
        "of it, the forecast is one that knows no plans. Null: the forecaster learned of none."
    )


class ForecastResult(Message):
    """The forecasts, in the order asked."""

    results: list[LaunchForecast]
    model_version: str


class ExplainForecast(Launches):
    """Launches whose forecasts are to be explained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_LAUNCH]}]})


class Analogue(Message):
    """A like item that a forecast leans on."""

    item_id: str
    pool: str = Field(
        description="incumbent, launch, sibling, elsewhere, concept, replaces, variant_of; "
        "outcome: its course."
    )
    similarity: float | None
    similarity_of: str = Field(
        description="What is similar: text, demand, the same product, or graph; told: a relation."
    )
    weight: float
    level: float | None = Field(description="Mean units over the last weeks up to the cutoff.")
    curve: list[float] | None
    concept: str | None = Field(
        None, description="The lowest concept that both are of, where the forecaster knows any."
    )


class Influence(Message):
    """What moves the level of a forecast."""

    name: str
    value: float | str | None
    contribution: float = Field(description="To the logarithm of the level; 0.1: 10 % more.")


class ExplainedLaunch(Message):
    """What the forecast of one launch rests on."""

    item_id: str
    analogues: list[Analogue]
    influences: list[Influence] = Field(description="Empty where the like items vote.")


class ExplainForecastResult(Message):
    """The explanations, in the order asked."""

    results: list[ExplainedLaunch]
    model_version: str
