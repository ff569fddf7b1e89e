"""Define what is sent and answered about labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
)

from serving.schemas.items import (
    EXAMPLE_ITEM,
    MOST_ITEMS,
    Column,
    Day,
    Few,
    Id,
    Item,
    Label,
    Message,
    Sent,
    Sliced,
    Text,
    Where,
)


class _Visible(Sent):
    as_of: Day | None = Field(None, description="Only items launched up to then are seen.")
    where: Where | None = Field(
        None, description="Attribute → a value, several, or a range; all must hold."
    )


class Classify(_Visible):
    """Items to label."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_ITEM]}]})

    items: Annotated[list[Item], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]
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
    count: int = Field(
        description="How many items of this label are as similar: of one text, as a rule."
    )


class Labeled(Message):
    """What an item is."""

    item_id: str | None
    label: str | None = Field(description="null: nothing is visible to answer from.")
    probability: float | None
    known: bool = Field(
        description="false: none of these, however probable the best of them; `why` says why."
    )
    why: str | None = Field(description="Why it is none of these, in words; null where known.")
    novelty: float | None
    label_set: list[str] | None
    assured: bool = Field(
        description="false: too few examples, of this label and of labels of like size, to promise "
        "that the sets of its items hold it."
    )
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

    items: Annotated[list[Item], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]
    k: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 10
    labeled: StrictBool | None = Field(
        None, description="true: labeled items only; false: the others."
    )
    all: StrictBool = Field(
        False, description="true: items of one text and label are listed each; false: once."
    )


class SimilarItem(Message):
    """A like item."""

    item_id: str
    similarity: float
    label: str | None
    count: int = Field(description="How many items of this text and label there are.")


class SimilarTo(Message):
    """The like items of one item, most similar first."""

    item_id: str | None
    neighbors: list[SimilarItem]


class SimilarResult(Message):
    """The like items of each, in the order asked."""

    results: list[SimilarTo]


class NewLabel(Sent):
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
    """The labels, sorted; those that match a search, the likeliest first."""

    labels: list[KnownLabel]
    model_version: str | None


class Correction(Sent):
    """What an item really is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"item_id": "4021", "label": "FROZEN PIZZA", "text": "frozen pizza 12 oz"}]
        }
    )

    item_id: Id
    label: Label
    text: Text | Annotated[dict[Column, str | None], Few] | None = Field(
        None, description="null: as kept; needed where the item is new, or texts are not kept."
    )
    new_label: bool = Field(
        False, strict=True, description="Whether the label may be one that does not exist yet."
    )


class Feedback(Sent):
    """Corrected labels; each is a labeled neighbor of the next question."""

    corrections: Annotated[list[Correction], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]


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

    items: Annotated[list[Item], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]
    labels: Annotated[int, Field(strict=True, ge=1, le=20)] = 3
    candidates: Annotated[list[Label], Field(min_length=1, max_length=1_000)] | None = None


class Health(Message):
    """Whether a probe is content."""

    status: Literal["ok", "starting", "unavailable"]
    reasons: list[str] = Field([])
