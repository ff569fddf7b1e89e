"""Define what is sent and answered about items, and what all bodies are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import InitErrorDetails

from retrieval import InputError, as_label_list, parse_date


def _one_label(label: str) -> str:
    if as_label_list(label) is not None:
        raise ValueError("a list of labels, where an item has one")
    return label


MOST_ITEMS = 100_000  # of one body, jobs included; `serve.cap` and `serve.job_cap` are lower
Id = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"\S")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_000, pattern=r"\S"),
    AfterValidator(_one_label),
]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _read(value: object) -> date:
    if isinstance(value, str) and _ISO_DAY.fullmatch(value):
        with suppress(ValueError):  # which the other way tells in more words
            return datetime.fromisoformat(value).date()
    try:
        return _read_any(value) if isinstance(value, str) else parse_date(value, "date").date()
    except InputError:
        raise ValueError("a date is a string, YYYY-MM-DD") from None


@lru_cache(10_000)  # half a millisecond each, and a body has few dates in many rows
def _read_any(text: str) -> date:
    return parse_date(text, "date").date()


def _within_reach(day: date) -> date:
    # Tables count nanoseconds in 64 bits.
    if not 1700 <= day.year <= 2261:
        raise ValueError("a date lies between the years 1700 and 2261")
    return day


def _few(value: object) -> object:
    if isinstance(value, dict) and len(value) > _MOST_KEYS:
        raise ValueError(f"has {len(value):,} keys, where {_MOST_KEYS} may be")
    return value


def _in_slices(value: object, validate: Callable[[object], list[Any]]) -> list[Any]:
    """Validate a list slice by slice: of one that is wrong all through, the first errors do."""
    if not isinstance(value, list):
        return validate(value)
    found: list[Any] = []
    for first in range(0, len(value), _SLICE):
        try:
            found += validate(value[first : first + _SLICE])
        except ValidationError as error:
            told = [cast(InitErrorDetails, one) for one in error.errors(include_url=False)]
            for one in told:
                place, *rest = one["loc"]
                one["loc"] = (first + int(place), *rest)
            raise ValidationError.from_exception_data(error.title, told) from None
    return found


_ISO_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}(?:[T ][\d:.,+Z-]{0,40})?", re.ASCII)
_MOST_KEYS = 200
_SLICE = 64
Few = BeforeValidator(_few)
"""An object of keys that a caller may choose; so many keys that all errors can be told."""
Sliced = WrapValidator(_in_slices)
"""A list of any length, of which the first errors are told."""

Day = Annotated[date, BeforeValidator(_read), AfterValidator(_within_reach)]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Value = Annotated[str, StringConstraints(max_length=1_000)] | bool | Whole | Number | None

EXAMPLE_ITEM: JsonDict = {"item_id": "4021", "text": "frozen pizza 12 oz"}


class Message(BaseModel):
    """A body, or a part of one; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sent(Message):
    """A body, or a part of one, that a caller sends."""

    @model_validator(mode="before")
    @classmethod
    def _has_few_keys(cls, value: object) -> object:
        return _few(value)


class Item(Sent):
    """An item to ask about."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_ITEM]})

    item_id: Id | None = Field(
        None, description="Its id; an item of the index by that id has no say about itself."
    )
    text: Text | Annotated[dict[Column, str | None], Few] = Field(
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
    attributes: Annotated[dict[Column, Value], Few] = Field(
        {}, description="Columns that `where` may filter by."
    )


class Range(Sent):
    """Numbers between two ends, both included; one end may be open."""

    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a range needs low or high")
        return self


Scalar = Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | bool | Whole | Number
Where = Annotated[
    dict[Column, Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=100)] | Range], Few
]


class Items(Sent):
    """Items to add or replace."""

    items: Annotated[list[KnownItem], Sliced, Field(min_length=1, max_length=MOST_ITEMS)]


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


def ids_of(items: Sequence[Item]) -> list[str]:
    """Return the ids that items have."""
    return [one.item_id for one in items if one.item_id is not None]
