"""Rows of tables as the API takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd


def questions(
    items: pd.DataFrame | Sequence[str], text: Sequence[str] | str | None, item_id: str
) -> list[dict[str, Any]]:
    """Texts, or a table that may have ids, as items to ask about."""
    if not isinstance(items, pd.DataFrame):
        return [{"text": one} for one in items]
    named = item_id if item_id in items else None
    columns = [str(one) for one in items.columns if one != item_id] if text is None else text
    return rows_of(items, columns, named, None, None, ())


def rows_of(
    items: pd.DataFrame,
    text: Sequence[str] | str,
    item_id: str | None,
    label: str | None,
    launch_date: str | None,
    attributes: Sequence[str],
) -> list[dict[str, Any]]:
    """The rows of a table as the API takes items."""
    columns = [text] if isinstance(text, str) else list(text)
    rows = []
    for one in items.to_dict("records"):
        row: dict[str, Any] = {"text": {name: _plain(one[name]) for name in columns}}
        if item_id is not None:
            row["item_id"] = str(one[item_id])
        if label is not None:
            row["label"] = _plain(one[label])
        if launch_date is not None:
            day = one[launch_date]
            row["launch_date"] = None if pd.isna(day) else f"{pd.Timestamp(day):%Y-%m-%d}"
        if attributes:
            row["attributes"] = {name: _plain(one[name]) for name in attributes}
        rows.append(row)
    return rows


def sales(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Sales so far as the API takes them."""
    return [
        {"item_id": str(one["item_id"]), "ds": f"{pd.Timestamp(one['ds']):%Y-%m-%d}", "y": one["y"]}
        for one in _with_item_id(table)
    ]


def plans(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Plans as the API takes them."""
    return [
        {
            "item_id": str(one.pop("item_id")),
            "ds": f"{pd.Timestamp(one.pop('ds')):%Y-%m-%d}",
            "values": one,
        }
        for one in _with_item_id(table)
    ]


def _with_item_id(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.rename(columns={"unique_id": "item_id"}).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    return value.item() if hasattr(value, "item") else value
