"""The dates of a launch's periods, and how a picture writes them."""

from __future__ import annotations

import pandas as pd

_TICKS = 8
_DAYS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "quarter": (89, 92), "year": (365, 366)}


class LaunchDates:
    """The periods from a launch to the end of its forecast.

    Args:
        ds: The forecast's periods, ascending.
        age: Their ages; the first is above 0 where the launch was before.

    Attributes:
        all: The periods.
        first: The age of the first of them.
        unit: What a period is called.
    """

    def __init__(self, ds: pd.Series, age: pd.Series) -> None:
        forecast = pd.DatetimeIndex(ds)
        start = 0 if pd.isna(age.iloc[0]) else int(age.iloc[0])
        self.unit = _unit(forecast)
        before = _before(forecast, start, self.unit)
        self.all = before.append(forecast)
        self.first = start - len(before)

    def ticks(self, since: pd.Timestamp) -> tuple[list[pd.Timestamp], list[str]]:
        """Dates to mark, not too many, and how to write them: the year where it begins."""
        shown = [date for date in self.all if date >= since]
        marked = shown[:: -(-len(shown) // _TICKS)]
        labels = []
        for place, date in enumerate(marked):
            day = f"{date.day} " if self.unit in ("day", "week", "period") else ""
            new_year = place == 0 or date.year != marked[place - 1].year
            labels.append(f"{day}{date:%b}" + (f"\n{date.year}" if new_year else ""))
        return marked, labels


def _unit(forecast: pd.DatetimeIndex) -> str:
    days = (forecast[1:] - forecast[:-1]).days
    for unit, (shortest, longest) in _DAYS.items():
        if len(days) and days.min() >= shortest and days.max() <= longest:
            return unit
    return "period"


def _before(forecast: pd.DatetimeIndex, periods: int, unit: str) -> pd.DatetimeIndex:
    """That many periods before the first one, if the forecast shows how long a period is."""
    if periods <= 0 or len(forecast) < 2:
        return forecast[:0]
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    step = forecast[1] - forecast[0] if months is None else pd.DateOffset(months=months)
    return pd.DatetimeIndex([forecast[0] - back * step for back in range(periods, 0, -1)])
