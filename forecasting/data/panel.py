"""Sales as a table of items by periods, as seen at a cutoff.

A period is named by its first day and lies on the grid of ``freq`` (``"W-MON"``: weeks from Monday
to Sunday, named by their Monday). A cutoff means the end of the period that holds it: that period
and those before it are *seen*, and nothing in a later one changes the panel.
"""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.frequencies import to_offset

from retrieval import parse_dates

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
FEWEST_USUAL = 3  # periods with sales that make a usual level


@dataclass(frozen=True)
class Grid:
    """The periods of a frequency, counted from the first one of the sales table.

    That one anchors periods of several units (four weeks), of which the calendar alone does not say
    where they begin.
    """

    freq: str
    origin: pd.Timestamp

    @classmethod
    def around(cls, freq: str, day: pd.Timestamp) -> "Grid":
        """Return the grid whose first period holds a day."""
        return cls(freq, _floor(day, freq))

    def index(self, dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ints:
        """Return the period each date falls into, from the origin; ``NEVER`` for missing dates."""
        local = parse_dates(dates)
        known = local.notna()
        out = np.full(len(local), NEVER, dtype=np.int64)
        if not known.any():
            return out
        days = local[known].normalize()
        low, high = min(days.min(), self.origin), max(days.max(), self.origin)
        starts = _starts(self.freq, self.origin, low, high.year)
        zero = starts.searchsorted(self.origin)
        out[known] = starts.searchsorted(days, side="right") - 1 - zero
        return out

    def dates(self, periods: Ints) -> pd.DatetimeIndex:
        """Return the first day of each period; the inverse of `index`."""
        unique, inverse = np.unique(periods, return_inverse=True)
        offset = to_offset(self.freq)
        starts = pd.DatetimeIndex([self.origin + int(period) * offset for period in unique])
        return starts.as_unit("ns")[inverse]

    def first_share(self, dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Floats:
        """Share (n,) of the days of its period that lie on or after each date; 1.0 where missing.

        An item launched on a Friday has 3/7 of its first week (Monday to Sunday) to sell in.
        """
        local = parse_dates(dates)
        known = local.notna()
        days = local[known].normalize()
        period = self.index(days)
        start, following = self.dates(period), self.dates(period + 1)
        out = np.ones(len(local))
        out[known] = (following - days) / (following - start)
        return out


def named_periods(
    freq: str, dates: pd.DatetimeIndex, grid: Grid | None = None
) -> tuple[Grid, bool]:
    """Return the periods of some dates, and whether all of these are last days of theirs.

    A week from Monday to Sunday is the same one, whether its Monday names it or its Sunday.
    """
    days, day = dates.unique(), pd.Timedelta(days=1)
    by_first = Grid.around(freq, days.min()) if grid is None else grid
    if _begin(days, by_first):
        return by_first, False
    by_last = by_first
    if grid is None:
        after = Grid.around(freq, days.min() + day)
        by_last = Grid(freq, after.dates(np.array([-1]))[0])
    return (by_last, True) if _begin(days + day, by_last) else (by_first, False)


def _begin(days: pd.DatetimeIndex, grid: Grid) -> bool:
    """Whether each of some dates is the first day of a period."""
    return bool((grid.dates(grid.index(days)) == days).all())


def other_weeks(freq: str, dates: pd.DatetimeIndex) -> str:
    """Return what to write for a frequency of weeks that begin on another day than the dates."""
    offset, weekdays = to_offset(freq), dates.day_of_week.unique()
    if not isinstance(offset, pd.offsets.Week) or len(weekdays) != 1:
        return ""
    day, units = dates[0], "" if offset.n == 1 else offset.n
    first, last = (f"{units}W-{one:%a}".upper() for one in (day, day + pd.Timedelta(days=1)))
    return (
        f"all dates are {day:%A}s: write freq={first!r} if weeks begin on that day, "
        f"freq={last!r} if they end on it; or else "
    )


@dataclass(frozen=True)
class Panel:
    """Sales of the n items visible by the cutoff in the T periods up to it.

    Items are sorted by id. What holds for all items alike may be given once, as an array without
    axes.

    Attributes:
        ids: (n,) item ids.
        grid: The periods, 0 to T - 1 and beyond.
        units: (n, T) what item i sold in period t. NaN is unknown: before ``visible[i]``, after
            ``delisted[i]``, where the item was out of stock, and where a cell cannot be. A period
            in between that has no row is zero.
        visible: (n,) period of launch, or of the first known sale where no launch date is known.
        launch: (n,) period of launch; ``NEVER`` for items without a launch date.
        first_share: (n,) share of the launch period's days that lie on or after the launch date;
            1.0 without launch date.
        delisted: (n,) last period on sale; ``NEVER`` where the item was still listed at the
            panel's end.
    """

    ids: npt.NDArray[np.object_]
    grid: Grid
    units: Floats
    visible: Ints
    launch: Ints
    first_share: Floats = field(default_factory=lambda: np.array(1.0))
    delisted: Ints = field(default_factory=lambda: np.array(NEVER))

    def __post_init__(self) -> None:
        for name in ("first_share", "delisted"):
            object.__setattr__(self, name, np.broadcast_to(getattr(self, name), self.ids.shape))

    @property
    def end(self) -> int:
        """The last period of the panel."""
        return int(self.units.shape[1]) - 1

    @cached_property
    def usual(self) -> float:
        """What the best seller usually sells in a period."""
        return usual_of_best_seller(self.units)

    def curves(self, horizon: int) -> Floats:
        """Launch curves (n, horizon) by age; NaN where unknown, and without launch date."""
        periods = np.where(self.launch == NEVER, self.end + 1, self.launch)[:, None]
        periods = periods + np.arange(horizon)[None, :]
        inside = (periods >= 0) & (periods <= self.end)
        taken = np.take_along_axis(self.units, np.clip(periods, 0, self.end), axis=1)
        return np.where(inside, taken, np.nan)


def usual_of_best_seller(units: Floats) -> float:
    """Return the largest of the items' median sales (n, T) over the periods in which they sold.

    A best seller makes that level himself, and a few wrong cells do not move it: items count that
    sold in three periods at least.
    """
    item, period = np.nonzero(units > 0)
    if not len(item):
        return 0.0
    sold = pd.Series(units[item, period])
    by_item = sold.groupby(item).agg(["median", "size"])
    usual = by_item["median"][by_item["size"] >= FEWEST_USUAL].max()
    return float(np.nanmax([usual, sold.median()]))


@lru_cache(maxsize=32)
def _starts(freq: str, origin: pd.Timestamp, low: pd.Timestamp, last_year: int) -> pd.DatetimeIndex:
    """Return the grid's points from the last one on or before a date to the end of a year."""
    offset, last = to_offset(freq), f"{last_year:04}-12-31"
    if offset.n == 1:
        return pd.date_range(_floor(low, freq), last, freq=offset, unit="s")
    # Periods of several units are counted from the origin, whatever comes before it.
    count = 2
    while (before := pd.date_range(end=origin, periods=count, freq=offset, unit="s"))[0] > low:
        count *= 2
    after = pd.date_range(origin, last, freq=offset, unit="s")
    return pd.DatetimeIndex(before[:-1].append(after))


def _floor(date: pd.Timestamp, freq: str) -> pd.Timestamp:
    """Return the last point on or before a date of the grid of single units."""
    return pd.Timestamp(to_offset(freq).rollback(date.normalize()))
