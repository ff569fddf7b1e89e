"""Facts of items: one field of one item with its value, as a sentence that can be searched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from retrieval import as_text, is_number

MOST_CHARACTERS = 2_000  # of a value: an answer quotes it, and an encoder reads no more


@dataclass(frozen=True)
class Fact:
    """What one field of an item says.

    Attributes:
        item: Id of the item.
        field: Name of its column.
        value: What stands there, as text.
    """

    item: str
    field: str
    value: str

    @property
    def name(self) -> str:
        """The field's name in words."""
        return field_words(self.field)

    @property
    def sentence(self) -> str:
        """Name and value as a sentence."""
        return f"the {self.name} is {self.value}."


def field_words(field: str) -> str:
    """Return the name of a column in words: ``launch_date`` and ``launchDate`` are two words."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field)
    return " ".join(re.split(r"[\W_]+", spaced.lower())).strip() or field


def facts_of(item: str, row: dict[str, Any]) -> list[Fact]:
    """Return the facts of one item; what is missing is none.

    Args:
        item: Its id.
        row: Column → value.
    """
    told = ((field, value_text(value)) for field, value in row.items())
    return [Fact(item, field, value) for field, value in told if value]


def value_text(value: Any) -> str:
    """Return a cell as an answer quotes it: dates as days, whole numbers without a point."""
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    if is_number(value):
        return f"{float(value):.10g}"
    return as_text(value).strip()[:MOST_CHARACTERS]
