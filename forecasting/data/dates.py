"""Dates as the clock on the wall showed them, and dates that a caller names."""

from __future__ import annotations

from typing import Any

import pandas as pd

from retrieval import InputError


def local_dates(dates: pd.Series[pd.Timestamp] | pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Dates (n,) as the clock on the wall showed them; NaT where there is none.

    A time zone is dropped, not converted: a sale at 23:30 in Berlin belongs to that day in Berlin.
    """
    if pd.api.types.is_datetime64_any_dtype(dates.dtype):
        return pd.DatetimeIndex(dates).tz_localize(None)
    # As text: the same moment in two zones may be two days. A table has few dates in many rows.
    codes, texts = pd.factorize(dates.astype(str).where(dates.notna().to_numpy()))
    parsed = _parse(texts).append(pd.DatetimeIndex([pd.NaT]))  # -1, the code of what is missing
    return pd.DatetimeIndex(parsed[codes])


def named_date(name: str, date: object) -> pd.Timestamp:
    """Return a date that a caller names, as the clock on the wall shows it.

    Raises:
        InputError: It is none. An empty one is a slip, such as a variable that is not set: whoever
            means "all there is" leaves it out.
    """
    found: Any = pd.NaT
    try:
        found = pd.Timestamp(date)  # type: ignore[arg-type]  # that is what is asked
    except (TypeError, ValueError) as error:
        if str(date).strip():
            raise InputError(f"{name}: {date!r} is not a date; write YYYY-MM-DD") from error
    if pd.isna(found):
        raise InputError(f"{name}: the date is empty ({date!r}); write YYYY-MM-DD, or leave it out")
    moment: pd.Timestamp = found.tz_localize(None)
    return moment


def _parse(texts: pd.Index[str]) -> pd.DatetimeIndex:
    """Local dates of texts, NaT where one is no date; 20240108 is one."""
    try:
        found = pd.to_datetime(texts, errors="coerce", format="ISO8601")
    except ValueError:  # pandas refuses several time zones in a column
        moments = [pd.to_datetime(text, errors="coerce", format="ISO8601") for text in texts]
        found = pd.DatetimeIndex([moment.replace(tzinfo=None) for moment in moments])
    return found.tz_localize(None)
