"""From tables to what the API takes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from retrieval import LOST, InputError, as_text, cell_texts, lost, parse_date

# Of orders: numbers or columns, and what holds for all.
_AMOUNTS = (
    "overage_cost",
    "underage_cost",
    "service_level",
    "pack_size",
    "minimum",
    "unit_cost",
)
_SINGLE = ("lead_time", "budget")
_ORDERED = (
    "cutoff",
    "quantity",
    "mean",
    "left",
    "missing",
    "cost",
    "naive_quantity",
    "naive_cost",
)


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
    """Return the rows of a table as the API takes items."""
    columns = [text] if isinstance(text, str) else list(text)
    rows = []
    names = [name for name in (item_id, label) if name is not None]
    for one in items.assign(**{name: _names(items[name]) for name in names}).to_dict("records"):
        row: dict[str, Any] = {"text": {name: _plain(one[name]) for name in columns}}
        if item_id is not None:
            row["item_id"] = _plain(one[item_id])
        if label is not None:
            row["label"] = _plain(one[label])
        if launch_date is not None:
            day = one[launch_date]
            row["launch_date"] = None if pd.isna(day) else _day(day, launch_date)
        if attributes:
            row["attributes"] = {name: _value(one[name]) for name in attributes}
        rows.append(row)
    return rows


def options_of(**options: Any) -> dict[str, Any]:
    """Return options of a question as the API takes them, without those that are None."""
    told = {name: value for name, value in options.items() if value is not None}
    if "as_of" in told:
        told["as_of"] = _day(told["as_of"], "as_of")
    if "where" in told:
        told["where"] = {
            column: [_value(one) for one in asked] if isinstance(asked, list) else _asked(asked)
            for column, asked in told["where"].items()
        }
    return told


def _asked(condition: Any) -> Any:
    return dict(condition) if isinstance(condition, Mapping) else _value(condition)


def launches_body(
    rows: list[dict[str, Any]],
    observed: pd.DataFrame | None,
    observed_until: Any,
    future: pd.DataFrame | None,
) -> dict[str, Any]:
    """Return launches with their sales and plans as the API takes them."""
    body: dict[str, Any] = {"items": rows}
    if observed is not None:
        body["observed"] = _sales(observed)
        if observed_until is None and len(observed):
            observed_until = max(one["ds"] for one in body["observed"])
    if observed_until is not None:
        body["observed_until"] = _day(observed_until, "observed_until")
    if future is not None:
        body["future"] = _plans(future)
    return body


def orders_body(
    body: Mapping[str, Any], items: pd.DataFrame, terms: Mapping[str, Any]
) -> dict[str, Any]:
    """Return launches with the terms of their orders as the API takes them.

    Args:
        body: As of `launches_body`.
        items: The table they are of; amounts that are names are columns of it.
        terms: By name.

    Raises:
        InputError: There is no such column.
    """
    told = {name: value for name, value in terms.items() if value is not None}
    ids = [one["item_id"] for one in body["items"]]

    def by_item(name: str) -> dict[str, Any]:
        column = told[name]
        if column not in items:
            there = ", ".join(map(str, items.columns))
            raise InputError(f"orders: {name}: no column {column!r}; there are: {there}")
        return dict(zip(ids, map(_plain, items[column]), strict=True))

    made = {name: told[name] for name in _SINGLE if name in told}
    for name in _AMOUNTS:
        if name in told:
            made[name] = by_item(name) if isinstance(told[name], str) else _plain(told[name])
    if "by" in told:
        made["groups"] = {one: as_text(group) for one, group in by_item("by").items()}
    return {**body, **made}


def part_of(body: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the same of some of the launches."""
    ids = {one["item_id"] for one in rows}
    own = {
        name: [one for one in body[name] if one["item_id"] in ids]
        for name in ("observed", "future")
        if name in body
    }
    return {**body, "items": rows, **own}


def curve_table(found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the curves of forecasts as the library has them."""
    table = pd.DataFrame(
        [
            {
                "unique_id": one["item_id"],
                "cutoff": one["cutoff"],
                **{name: period[name] for name in ("ds", "age", "mean")},
                **period["quantiles"],
            }
            for one in found
            for period in one["curve"]
        ]
    )
    days = {name: pd.to_datetime(table[name]) for name in ("cutoff", "ds") if name in table}
    return table.assign(**days)


def order_table(
    found: Sequence[Mapping[str, Any]], groups: Mapping[str, str] | None
) -> pd.DataFrame:
    """Return orders as the library has them; groups by item id."""
    table = pd.DataFrame(
        [{"unique_id": one["item_id"], **{name: one[name] for name in _ORDERED}} for one in found],
        columns=["unique_id", *_ORDERED],
    )
    if groups is not None:
        table.insert(2, "group", table["unique_id"].map(groups))
    return table.assign(cutoff=pd.to_datetime(table["cutoff"]))


def taken_table(answers: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what launches take, a row each."""
    columns = ["unique_id", "cutoff", "mean", "taken", "siblings", "words"]
    table = pd.DataFrame(
        [
            {
                "unique_id": one["item_id"],
                **{name: one[name] for name in ("cutoff", "mean", "taken")},
                "siblings": {each["item_id"]: each["taken"] for each in one["siblings"]},
                "words": answer["estimate"]["words"],
            }
            for answer in answers
            for one in answer["results"]
        ],
        columns=columns,
    )
    return table.assign(
        cutoff=pd.to_datetime(table["cutoff"]), taken=table["taken"].astype("float64")
    )


def total_table(found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the totals of forecasts as the library has them."""
    return pd.DataFrame(
        [
            {
                "unique_id": one["item_id"],
                "cutoff": pd.Timestamp(one["cutoff"]),
                "mean": one["total"]["mean"],
                **one["total"]["quantiles"],
                **{name: one[name] for name in ("novelty", "novel", "method")},
                "warnings": "; ".join(one["warnings"]),
                **({} if one["planned"] is None else {"planned": one["planned"]}),
            }
            for one in found
        ]
    )


def _sales(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"item_id": as_text(one["item_id"]), "ds": _day(one["ds"], "ds"), "y": one["y"]}
        for one in _with_item_id(table)
    ]


def _plans(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"item_id": as_text(one.pop("item_id")), "ds": _day(one.pop("ds"), "ds"), "values": one}
        for one in _with_item_id(table)
    ]


def _with_item_id(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.rename(columns={"unique_id": "item_id"}).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _day(value: Any, what: str) -> str:
    return f"{parse_date(value, what):%Y-%m-%d}"


def _names(values: pd.Series) -> pd.Series:
    """Return ids or labels as the library names them."""
    if lost(values).any():
        raise InputError(f"column {values.name}: {values[lost(values)].iloc[0]} {LOST}")
    return cell_texts(values)


def _value(value: Any) -> Any:
    """Return what an attribute holds as JSON has it; a date as the library has it."""
    told = _plain(value)
    return told if told is None or isinstance(told, str | bool | int | float) else as_text(told)


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:
        return None
    return value.item() if hasattr(value, "item") else value
