"""Define what is sent and answered about review: queues, items to decide, decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator

from serving.schemas.items import Id, Label, Message, Sent, Where

MOST_IN_A_QUEUE = 20_000
MOST_IN_A_GROUP = 50
Reviewer = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"\S")
]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Source = Literal["unlabeled", "issues"]
Order = Literal["worth", "unsure", "novel", "random", "id"]
Verdict = Literal["label", "none", "skip"]
Half = Annotated[float, Field(strict=True, ge=0, le=1)]


class StartQueue(Sent):
    """Items that people are to look at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "new items of March"}]})

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    source: Source = Field(
        "unlabeled",
        description="Items without a label; or issues: labeled items whose label those like them "
        "contradict.",
    )
    where: Where | None = Field(None, description="Of the items, as elsewhere.")
    order: Order = Field(
        "worth",
        description="worth: what settles most first. unsure, novel: that alone. random, id: as "
        "they come.",
    )
    random_share: Half = Field(
        0.1, description="Share drawn at random, from which accuracy is estimated."
    )
    second_share: Half = Field(
        0.0, description="Share of all items that a second person labels, too, blind to the first."
    )
    precision: Annotated[float, Field(strict=True, gt=0, lt=1)] = Field(
        0.95, description="Wanted of labels that no person looks at."
    )
    most: Annotated[int, Field(strict=True, ge=1, le=MOST_IN_A_QUEUE)] = Field(
        5_000, description="Items at most; of more, so many are drawn at random."
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31)] = 0


class Estimate(Message):
    """How often the machine's label, as it was shown, was right for items drawn at random."""

    right: int
    of: int = Field(description="Random items that a person has decided.")
    share: float | None
    low: float | None = Field(description="Of the 95 % interval.")
    high: float | None


class Automatic(Message):
    """What needs no person: items of which the machine is sure at the precision wanted."""

    items: int = Field(description="Undecided items whose label set holds one label.")
    share: float | None = Field(description="Of the undecided items.")
    precision: Estimate = Field(description="Of random items that it was as sure of.")


class Agreement(Message):
    """Whether two people say the same of the same item."""

    items: int
    same: int
    kappa: float | None = Field(description="Cohen's; null where it is not defined.")


class Queue(Message):
    """A queue, and how far it is."""

    queue_id: str
    name: str
    source: Source
    order: Order
    precision: float
    created: datetime
    items: int
    decided: int
    skipped: int
    gone: int = Field(description="Removed, or labeled elsewhere, since.")
    unscored: int = Field(description="The machine has not looked at them yet.")
    reviewers: dict[str, int] = Field(description="Who has decided how many.")
    estimate: Estimate
    automatic: Automatic
    agreement: Agreement


class Queues(Message):
    """The queues, the newest first."""

    queues: list[Queue]


class AskNext(Sent):
    """Who wants an item."""

    reviewer: Reviewer | None = Field(
        None, description="Who decides; only where the server asks for no keys. Else the key's."
    )
    group: StrictBool = Field(False, description="With the items like it that would get its label.")


class Choice(Message):
    """A label that comes into question."""

    label: str
    probability: float


class Witness(Message):
    """A labeled item that says so."""

    item_id: str
    text: str | None
    label: str
    similarity: float
    weight: float
    count: int


class Alike(Message):
    """An item that the same label would settle."""

    item_id: str
    text: str | None
    similarity: float
    label: str | None
    probability: float | None


class ReviewItem(Message):
    """An item to decide, with what speaks for its labels."""

    item_id: str
    text: str | None
    picture: str | None = Field(description="A data: address.")
    given: str | None = Field(description="The label it has, where that is in doubt.")
    attributes: dict[str, Any]
    known: bool = Field(description="false: none of these, says the machine.")
    novelty: float | None
    choices: list[Choice] = Field(description="The likeliest labels, the most probable first.")
    label_set: list[str] | None
    neighbors: list[Witness]
    unsure: list[str] = Field(description="Why it is worth a look, in words.")
    random: bool = Field(description="Drawn at random, for the estimate.")
    second: bool = Field(description="Somebody else has decided it; this is a second opinion.")
    alike: list[Alike]


class NextItem(Message):
    """The item to decide now, leased to the reviewer; null: there is none for now."""

    item: ReviewItem | None
    queue: Queue


class Decide(Sent):
    """What one or several items are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"item_ids": ["4021"], "verdict": "label", "label": "FROZEN PIZZA"}]
        }
    )

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IN_A_GROUP)]
    verdict: Verdict
    label: Label | None = None
    new_label: StrictBool = Field(False, description="The label may be one that is not there yet.")
    reason: Reason = ""
    reviewer: Reviewer | None = None

    @model_validator(mode="after")
    def _has_a_label(self) -> Self:
        if (self.label is not None) != (self.verdict == "label"):
            raise ValueError("a label goes with the verdict label, and with no other")
        if len(set(self.item_ids)) < len(self.item_ids):
            raise ValueError("an item_id is there more than once")
        return self


class Decided(Message):
    """What a decision did."""

    items: int
    label: str | None = Field(description="As it is spelled here.")
    settled: list[str] = Field(description="Other items of which the machine is now sure.")
    unsettled: list[str] = Field(description="Those of which it was, and is no more.")


class AskUndo(Sent):
    """Who takes back the last decision of one's own."""

    reviewer: Reviewer | None = None


class Undone(Message):
    """What was taken back."""

    item_ids: list[str]


class Decision(Message):
    """A decision as it is kept."""

    item_id: str
    reviewer: str
    verdict: Verdict
    label: str | None
    label_before: str | None
    reason: str
    shown_label: str | None = Field(description="What the machine said.")
    shown_probability: float | None
    random: bool
    second: bool
    made: datetime
    undone: bool


class Decisions(Message):
    """All decisions of a queue, the first first; those taken back, too."""

    decisions: list[Decision]
