"""What a caller sends and gets: items and labels. For launches see `serving.schemas.forecasts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict

MOST_ITEMS = 100_000  # of one body, jobs included; `serve.cap` and `serve.job_cap` are lower

# Half a character (a lone surrogate) can be written in JSON and nowhere else.
_NO_SURROGATE = r"^[^\ud800-\udfff]*$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"\S")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"\S")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _written_out(value: object) -> object:
    if not isinstance(value, str | date):  # a number would be taken for seconds since 1970
        raise ValueError("a date is a string, YYYY-MM-DD")
    return value


def _within_reach(day: date) -> date:
    # Tables count nanoseconds in 64 bits.
    if not 1700 <= day.year <= 2261:
        raise ValueError("a date lies between the years 1700 and 2261")
    return day


Day = Annotated[date, BeforeValidator(_written_out), AfterValidator(_within_reach)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Value = Annotated[str, StringConstraints(max_length=1_000)] | bool | int | Number | None

EXAMPLE_ITEM: JsonDict = {"item_id": "4021", "text": "frozen pizza 12 oz"}


class Message(BaseModel):
    """A body, or a part of one; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(Message):
    """An item to ask about."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_ITEM]})

    item_id: Id | None = Field(
        None, description="Its id; an item of the index by that id has no say about itself."
    )
    text: Text | dict[Column, str | None] = Field(
        description="What describes it: one text, or the text columns of the index by name."
    )


class KnownItem(Item):
    """An item to keep: a labeled one is a neighbor of later questions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "item_id": "4021",
                    "text": "frozen pizza 12 oz",
                    "label": "FROZEN PIZZA",
                    "launch_date": "2024-03-01",
                }
            ]
        }
    )

    item_id: Id
    label: Label | None = None
    launch_date: Day | None = None
    attributes: dict[Column, Value] = Field({}, description="Columns that `where` may filter by.")


class Range(Message):
    """Numbers between two ends, both included; one end may be open."""

    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a range needs low or high")
        return self


Scalar = Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | bool | Number
Where = dict[Column, Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=100)] | Range]


class _Visible(Message):
    as_of: Day | None = Field(None, description="Only items launched up to then are seen.")
    where: Where | None = Field(
        None, description="Attribute → a value, several, or a range; all must hold."
    )


class Classify(_Visible):
    """Items to label."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_ITEM]}]})

    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]
    candidates: Annotated[list[Label], Field(min_length=1, max_length=1_000)] | None = Field(
        None, description="Only these labels come into question."
    )
    neighbors: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        5, description="How many of the neighbors that voted to list."
    )
    coverage: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = Field(
        None, description="Share of label sets that hold the true label; null: as configured."
    )
    confidence: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = Field(
        None, description="Probability that the label of a hierarchy must reach."
    )


class Neighbor(Message):
    """A labeled item that voted."""

    item_id: str
    label: str
    similarity: float
    weight: float = Field(description="Its share of the whole vote.")


class Labeled(Message):
    """What an item is."""

    item_id: str | None
    label: str | None = Field(description="null: nothing is visible to answer from.")
    probability: float | None
    known: bool = Field(description="false: none of these.")
    novelty: float | None
    label_set: list[str] | None
    neighbors: list[Neighbor]
    parts: dict[str, float | None] = Field(
        description="What neighbors, prototypes and head add to the probability."
    )


class ClassifyResult(Message):
    """The items' labels, in the order asked."""

    results: list[Labeled]
    model_version: str


class Similar(_Visible):
    """Items whose like is sought."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_ITEM], "k": 5}]})

    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]
    k: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 10
    labeled: StrictBool | None = Field(
        None, description="true: labeled items only; false: the others."
    )


class SimilarItem(Message):
    """A like item."""

    item_id: str
    similarity: float
    label: str | None


class SimilarTo(Message):
    """The like items of one item, most similar first."""

    item_id: str | None
    neighbors: list[SimilarItem]


class SimilarResult(Message):
    """The like items of each, in the order asked."""

    results: list[SimilarTo]


class Items(Message):
    """Items to add or replace."""

    items: Annotated[list[KnownItem], Field(min_length=1, max_length=MOST_ITEMS)]


class Written(Message):
    """What a write did; it is in Milvus now."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


class Deleted(Message):
    """What a delete did."""

    deleted: int


class StoredItem(Message):
    """An item as it is kept."""

    item_id: str
    text: str | None = Field(description="null where texts are not kept.")
    label: str | None
    launch_date: date | None
    attributes: dict[str, Any]


class StoredItems(Message):
    """Items as they are kept; ids that do not exist are left out."""

    items: list[StoredItem]


class NewLabel(Message):
    """A label in words, which can be named from now on without an example."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "TEAS", "descriptions": ["tea bags, iced tea, loose tea"]}]
        }
    )

    label: Label
    descriptions: Annotated[list[Text], Field(max_length=20)] = Field(
        [], description="What it is about; none: its name."
    )


class KnownLabel(Message):
    """A label."""

    label: str
    examples: int
    described: bool = Field(description="Whether it is known in words.")


class Labels(Message):
    """All labels, sorted."""

    labels: list[KnownLabel]
    model_version: str | None


class Correction(Message):
    """What an item really is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"item_id": "4021", "label": "FROZEN PIZZA", "text": "frozen pizza 12 oz"}]
        }
    )

    item_id: Id
    label: Label
    text: Text | dict[Column, str | None] | None = Field(
        None, description="null: as kept; needed where the item is new, or texts are not kept."
    )


class Feedback(Message):
    """Corrected labels; each is a labeled neighbor of the next question."""

    corrections: Annotated[list[Correction], Field(min_length=1, max_length=MOST_ITEMS)]


class Contribution(Message):
    """What one part adds to the probability of one label."""

    part: str
    contribution: float | None = Field(description="null: the head does not know the label yet.")


class ExplainedLabel(Message):
    """A label that comes into question."""

    label: str
    probability: float
    contributions: list[Contribution]


class ExplainedItem(Message):
    """Why an item gets its label: the most probable ones, and what each rests on."""

    item_id: str | None
    labels: list[ExplainedLabel]


class ExplainClassifyResult(Message):
    """The explanations, in the order asked."""

    results: list[ExplainedItem]
    model_version: str


class ExplainClassify(_Visible):
    """Items whose labels are to be explained."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_ITEM]}]})

    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]
    labels: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    candidates: Annotated[list[Label], Field(min_length=1, max_length=1_000)] | None = None


class Health(Message):
    """Whether a probe is content."""

    status: Literal["ok", "starting", "unavailable"]
    reasons: list[str] = []


def ids_of(items: Sequence[Item]) -> list[str]:
    """The ids that items have."""
    return [one.item_id for one in items if one.item_id is not None]
