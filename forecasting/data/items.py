"""When items are on sale: their first and their last days."""

from __future__ import annotations

import pandas as pd

from forecasting.data.row_rules import check_rows
from retrieval import parse_dates


def item_lives(
    ids: pd.Series[str],
    launch_dates: pd.Series[pd.Timestamp],
    delisted: pd.Series[pd.Timestamp] | None = None,
    source: str = "items",
) -> pd.DataFrame:
    """Return the items by id: id, launch and delisted, the first and the last day on sale.

    All dates are local: a time zone is dropped, not converted.

    Args:
        ids: The items, each once.
        launch_dates: Aligned with them by position; missing where unknown.
        delisted: Aligned with them; None where no item has such a date.
        source: What to call their table.

    Raises:
        TableError: A value is no date, or an item ends before it begins.
    """
    items = pd.DataFrame({"id": ids.to_numpy(dtype=object)})
    items["launch"] = _days(ids, launch_dates, "launch date", source)
    items["delisted"] = pd.NaT
    if delisted is not None:
        items["delisted"] = _days(ids, delisted, "delisting date", source)
    check_rows(
        items,
        items["delisted"] < items["launch"],
        "delisted before launch",
        ["id", "launch", "delisted"],
        hint="an item that came back has no delisting date, or its second life an id of its own",
        source=source,
    )
    return items.sort_values("id", kind="stable", ignore_index=True)


def _days(
    ids: pd.Series[str], dates: pd.Series[pd.Timestamp], what: str, source: str
) -> pd.DatetimeIndex:
    """Local days (n,) of a date that each item has; NaT where it is missing."""
    days = parse_dates(dates).normalize()
    table = pd.DataFrame({"item": ids.to_numpy(), what: dates.to_numpy(dtype=object)})
    bad = days.isna() & dates.notna().to_numpy()
    check_rows(table, bad, f"{what} is not a date", ["item", what], source=source)
    return days
