"""From items of a request to the tables the engines take, and back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pipelines import ItemsSettings
from retrieval import Between, ItemIndex, TableError, Where, has_picture, read_pictures
from serving.problems import ApiError, unfit
from serving.schemas.items import Item, KnownItem, Range

PICTURE = "data:image/"
"""How the address begins by which a picture is sent where a text may stand."""

# Ids of items that have none: of this process alone, and not to be written by anybody else.
_NAMELESS = "\x1flikewise-"
_numbers = itertools.count()


@dataclass(frozen=True)
class Columns:
    """The columns of a collection: those it has, or those it will have.

    Attributes:
        text: Text columns.
        item_id: Id column.
        label: Label column; None: it keeps no labels.
        launch_date: Launch date column; None: it keeps none.
        attributes: Attribute column → what it holds; "any" where that is not known yet.
    """

    text: tuple[str, ...]
    item_id: str
    label: str | None
    launch_date: str | None
    attributes: Mapping[str, str]

    @classmethod
    def of(cls, index: ItemIndex, settings: ItemsSettings) -> Columns:
        """Return the columns of an index, or, where it is empty, those of the settings."""
        if index.exists:
            layout = index.layout
            return cls(
                layout.text, layout.item_id, layout.label, layout.launch_date, layout.attributes
            )
        return cls(
            settings.text or ("text",),
            settings.id,
            settings.label or "label",
            settings.launch_date or "launch_date",
            dict.fromkeys(settings.attributes, "any"),
        )


def nameless_id() -> str:
    """Return an id that no item has."""
    return f"{_NAMELESS}{next(_numbers)}"


def is_nameless(item_id: str) -> bool:
    """Whether an id was made by `nameless_id`."""
    return item_id.startswith(_NAMELESS)


def check_texts(items: Sequence[Any], text: Sequence[str], pointer: str = "/items") -> None:
    """Refuse texts in columns that there are not, and items without any text."""
    for row, one in enumerate(items):
        if one.item_id is not None and is_nameless(one.item_id):
            raise unfit(f"{pointer}/{row}/item_id", "this id is reserved")
        if isinstance(one.text, str) or one.text is None:
            continue
        for column in one.text:
            if column not in text:
                there = ", ".join(text)
                detail = f"no text column {column!r}; there are: {there}"
                raise unfit(f"{pointer}/{row}/text/{column}", detail)
        if not any(value and value.strip() for value in one.text.values()):
            raise unfit(f"{pointer}/{row}/text", "holds no text")


def text_columns(items: Sequence[Any], text: Sequence[str]) -> dict[str, list[str | None]]:
    """Column → the texts of n items; a single text stands in the first column."""
    told = [{text[0]: one.text} if isinstance(one.text, str) else (one.text or {}) for one in items]
    columns: dict[str, list[str | None]] = {
        name: [each.get(name) for each in told] for name in text
    }
    return {name: _with_pictures(values, name) for name, values in columns.items()}


def _with_pictures(values: list[str | None], column: str) -> list[str | None]:
    """Return texts (n,) among which pictures, sent as ``data:`` addresses, are read.

    Raises:
        ApiError: One is no picture, damaged or too large.
    """
    told: list[str | None] = []
    for row, value in enumerate(values):
        if value is not None and value.startswith(PICTURE):
            try:
                value = str(read_pictures([value], folder=None, source=column).iloc[0])
            except TableError as error:
                problem = error.offenses[0].problem
                raise unfit(f"/items/{row}/text/{column}", f"the picture {problem}") from None
        elif value is not None and has_picture(value):
            raise unfit(f"/items/{row}/text/{column}", f"send a picture as {PICTURE}...")
        told.append(value)
    return told


def question_table(items: Sequence[Item], columns: Columns) -> pd.DataFrame | list[str]:
    """Items to ask about; texts alone where none has an id, which is quicker."""
    texts = text_columns(items, columns.text)
    if all(one.item_id is None for one in items):
        rows = zip(*texts.values(), strict=True)
        return [" ".join(part.strip() for part in row if part).strip() for row in rows]
    ids = [one.item_id or nameless_id() for one in items]
    return _strings({columns.item_id: ids, **texts})


def known_table(items: Sequence[KnownItem], columns: Columns) -> pd.DataFrame:
    """Items to keep.

    Raises:
        ApiError: An attribute that there is not, or a value that does not fit one.
    """
    check_attributes(items, columns.attributes)
    for name in ("label", "launch_date"):
        if getattr(columns, name) is None:
            for row, one in enumerate(items):
                if getattr(one, name) is not None:
                    raise unfit(f"/items/{row}/{name}", f"the collection keeps no {name}")
    table = _strings(
        {
            columns.item_id: [one.item_id for one in items],
            **text_columns(items, columns.text),
            **({} if columns.label is None else {columns.label: [one.label for one in items]}),
        }
    )
    if columns.launch_date is not None:
        table[columns.launch_date] = _days([one.launch_date for one in items])
    for name in columns.attributes:
        table[name] = _objects([one.attributes.get(name) for one in items])
    return table


def check_attributes(
    items: Sequence[Any], kinds: Mapping[str, str], pointer: str = "/items"
) -> None:
    """Refuse attributes that there are not, and strings where numbers are kept."""
    for row, one in enumerate(items):
        for name, value in one.attributes.items():
            where = f"{pointer}/{row}/attributes/{name}"
            if name not in kinds:
                there = ", ".join(kinds) or "none"
                raise unfit(where, f"no attribute {name!r}; there are: {there}")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if kinds[name] == "number" and value is not None and not is_number:
                raise unfit(where, f"{name!r} holds numbers")


def launch_table(
    items: Sequence[Any],
    *,
    item_id: str,
    text: Sequence[str],
    launch_date: str,
    kinds: Mapping[str, str],
) -> pd.DataFrame:
    """Return launches to forecast, with the attributes of the forecaster."""
    check_attributes(items, kinds)
    table = _strings({item_id: [one.item_id for one in items], **text_columns(items, text)})
    table[launch_date] = _days([one.launch_date for one in items])
    for name in kinds:
        table[name] = _objects([one.attributes.get(name) for one in items])
    return table


def where_of(told: Mapping[str, Any] | None) -> Where | None:
    """Return a filter as the index takes it."""
    if told is None:
        return None
    return {
        column: Between(one.low, one.high) if isinstance(one, Range) else one
        for column, one in told.items()
    }


def plain(value: Any) -> Any:
    """Return a value of a table as JSON has it: no NaN, no numpy."""
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if value is None or value is pd.NaT:
        return None
    return value.item() if isinstance(value, np.generic) else value


def require_text_column(settings: ItemsSettings, index: ItemIndex) -> None:
    """Refuse to make a collection of which nobody said what its texts are called."""
    if not index.exists and not settings.text:
        raise ApiError(409, "conflict", "there is no collection yet; set items.text to make one")


def _strings(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: _objects(values) for name, values in columns.items()})


def _objects(values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


def _days(dates: Sequence[date | None]) -> pd.Series:
    moments = [pd.NaT if one is None else pd.Timestamp(one) for one in dates]
    return pd.Series(moments, dtype="datetime64[ns]")
