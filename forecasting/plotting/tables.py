"""The rows of a table that a picture shows, checked once before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retrieval import InputError, TableError, first_few, parse_dates


def checked(
    table: pd.DataFrame,
    source: str,
    columns: Sequence[str],
    *,
    numbers: Sequence[str] = (),
    dates: Sequence[str] = (),
) -> pd.DataFrame:
    """Return a copy with ids as text, dates as timestamps and numbers as floats.

    Args:
        table: What the caller passed.
        source: Its name in messages.
        columns: Those it must have.
        numbers: Those of them that hold numbers; a missing one is NaN.
        dates: Those of them that hold dates; none may be missing.

    Raises:
        TableError: It has no rows, lacks a column, or a column holds something else.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{source}: expected a pandas DataFrame, got {type(table).__name__}")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        there = ", ".join(map(str, table.columns)) or "none"
        raise TableError(f"{source}: missing column {', '.join(missing)}; there are: {there}")
    if table.empty:
        raise TableError(f"{source}: the table has no rows, there is nothing to draw")
    clean = table.reset_index(drop=True)
    clean["unique_id"] = clean["unique_id"].astype(str)
    for name in numbers:
        clean[name] = _converted(pd.to_numeric(clean[name], errors="coerce"), clean, name, source)
        clean[name] = clean[name].astype(float)
        if np.isinf(clean[name]).any():
            raise TableError(
                f"{source}: {name} is infinite in row {np.isinf(clean[name]).argmax() + 1}"
            )
    for name in dates:
        found = pd.Series(parse_dates(clean[name]), index=clean.index)
        clean[name] = _converted(found, clean, name, source)
        if found.isna().any():
            raise TableError(f"{source}: {name} is missing in row {int(found.isna().argmax()) + 1}")
    return clean


def choose_item(table: pd.DataFrame, item: object, source: str) -> str:
    """Return the item to draw: the one named, or the only one there is.

    Raises:
        InputError: No item has this id, or none is named and there are several.
    """
    ids = table["unique_id"].unique()
    there = ", ".join(first_few(list(ids)))
    if item is None:
        if len(ids) > 1:
            raise InputError(f"{source} holds several items; name one of them: {there}")
        return str(ids[0])
    if str(item) not in ids:
        raise InputError(f"{source}: unknown item {str(item)!r}; there are: {there}")
    return str(item)


def rows_of(table: pd.DataFrame, item: str) -> pd.DataFrame:
    """Return the rows of one item, numbered anew."""
    return table[table["unique_id"] == item].reset_index(drop=True)


def refuse_repeats(table: pd.DataFrame, column: str, item: str, source: str, hint: str) -> None:
    """Raise a TableError where several rows of one item share a value of the column."""
    repeated = table.loc[table[column].duplicated(), column]
    if len(repeated):
        first = repeated.iloc[0]
        shown = f"{first:%Y-%m-%d}" if isinstance(first, pd.Timestamp) else repr(first)
        raise TableError(f"{source}: item {item!r} has several rows of {column} {shown}; {hint}")


def check_most(most: int) -> None:
    """Raise an InputError unless there is something to draw."""
    if most < 1:
        raise InputError(f"most must be at least 1, got {most}")


def _converted(found: pd.Series, clean: pd.DataFrame, name: str, source: str) -> pd.Series:
    """Return the column as converted; a value that was there and could not be is an error."""
    lost = clean[name].notna() & found.isna()
    if lost.any():
        value = clean.loc[lost, name].iloc[0]
        kind = "a date" if pd.api.types.is_datetime64_any_dtype(found) else "a number"
        raise TableError(f"{source}: {name} holds {value!r}, which is not {kind}")
    return found
