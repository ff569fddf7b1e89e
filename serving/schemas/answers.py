"""Define what is sent and answered about questions and recommendations."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator

from serving.schemas.items import Day, Id, Message, Sent, Where

Question = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"\S")]


class Ask(Sent):
    """A question about the items."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "which pizzas cost under 5 dollars?"}]}
    )

    question: Question
    item_id: Id | None = Field(None, description="The item it is about; null: it is found.")
    where: Where | None = Field(
        None, description="Attribute → a value, several, or a range; all must hold."
    )
    as_of: Day | None = Field(None, description="Answered as it was known on that day.")
    today: Day | None = Field(
        None, description="What `next month` is counted from; null: `as_of`, or else today."
    )
    k: Annotated[int, Field(strict=True, ge=1, le=50)] | None = Field(
        None, description="Sources, or items of a list, at most; null: as configured."
    )
    threshold: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        None, description="Probability below which no answer is given; null: as configured."
    )


class Source(Message):
    """What an answer rests on."""

    item_id: str
    field: str
    value: str
    probability: float | None = Field(description="null: it shows an item that was listed.")


class Answered(Message):
    """An answer, or why there is none."""

    question: str
    answer: str | None = Field(description="null: nothing is likely enough.")
    probability: float | None
    abstained: bool
    items: list[str]
    sources: list[Source]
    conditions: list[str] = Field(description="Those that were applied.")
    notes: list[str]
    as_of: str | None
    catalog: str = Field(description="Stands for what was visible: an equal one answers alike.")


class Recommend(Sent):
    """What to recommend: one of `like`, `customer` and `buyers_of`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"like": "4021", "k": 5}]})

    like: Id | None = Field(None, description="An item: others like it, which differ.")
    customer: Id | None = Field(None, description="A customer: items for this one.")
    buyers_of: Id | None = Field(None, description="An item, a launch too: customers for it.")
    k: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    kind: Literal["known", "new"] = Field(
        "known", description="Of items for a customer: bought before by anybody, or by nobody yet."
    )
    again: StrictBool = Field(False, description="What was bought already may come again.")
    where: Where | None = Field(None, description="Of the items; a range is a price band.")
    exclude: Annotated[list[Id], Field(max_length=1_000)] = Field(
        [], description="Items that must not come."
    )
    as_of: Day | None = Field(None, description="As it was known on that day.")
    diversity: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        None, description="0: those that fit best; 1: unlike one another."
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if sum(one is not None for one in (self.like, self.customer, self.buyers_of)) != 1:
            raise ValueError("give one of like, customer and buyers_of")
        return self


class Reason(Message):
    """A purchase that a recommendation rests on."""

    item_id: str
    similarity: float
    share: float = Field(description="Of all that speaks for it.")


class Recommendation(Message):
    """An item, or a customer."""

    id: str
    score: float = Field(description="Comparable within one answer.")
    because: list[Reason]


class Recommended(Message):
    """Recommendations, the best first."""

    recommendations: list[Recommendation]
