"""Dates as the clock on the wall showed them."""

from __future__ import annotations

import pandas as pd

from retrieval import parse_dates


def local_dates(dates: pd.Series[pd.Timestamp] | pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Dates (n,) as the clock on the wall showed them; NaT where there is none.

    A time zone is dropped, not converted: a sale at 23:30 in Berlin belongs to that day in Berlin.
    """
    return parse_dates(dates)
