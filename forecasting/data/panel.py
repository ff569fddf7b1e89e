"""Sales as a table of items by periods, as seen at a cutoff.

A period is named by its first day and lies on the grid of ``freq`` (``"W-MON"``: weeks from Monday
to Sunday, named by their Monday). A cutoff means the end of the period that holds it: that period
and those before it are *seen*, and nothing in a later one changes the panel.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.checks import check_choice
from forecasting.data.sales import (
    BeforeLaunch,
    Repeats,
    Returns,
    check_rows,
    item_days,
    local_dates,
    validate_sales,
)
from retrieval import InputError, TableError, parse_date

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Grid:
    """The periods of a frequency, counted from the first one of the sales table."""

    freq: str
    origin: pd.Timestamp

    def index(self, dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ints:
        """Return the period each date falls into, from the origin; ``NEVER`` for missing dates."""
        local = local_dates(dates)
        known = local.notna()
        out = np.full(len(local), NEVER, dtype=np.int64)
        if not known.any():
            return out
        days = local[known].normalize()
        low, high = min(days.min(), self.origin), max(days.max(), self.origin)
        starts = _starts(self.freq, low, high.year)
        zero = starts.searchsorted(self.origin)
        out[known] = starts.searchsorted(days, side="right") - 1 - zero
        return out

    def dates(self, periods: Ints) -> pd.DatetimeIndex:
        """Return the first day of each period; the inverse of `index`."""
        unique, inverse = np.unique(periods, return_inverse=True)
        offset = pd.tseries.frequencies.to_offset(self.freq)
        starts = pd.DatetimeIndex([self.origin + int(period) * offset for period in unique])
        return starts.as_unit("ns")[inverse]

    def first_share(self, dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Floats:
        """Share (n,) of the days of its period that lie on or after each date; 1.0 where missing.

        An item launched on a Friday has 3/7 of its first week (Monday to Sunday) to sell in.
        """
        local = local_dates(dates)
        known = local.notna()
        days = local[known].normalize()
        period = self.index(days)
        start, following = self.dates(period), self.dates(period + 1)
        out = np.ones(len(local))
        out[known] = (following - days) / (following - start)
        return out


@dataclass(frozen=True)
class Panel:
    """Sales of the n items visible by the cutoff in the T periods up to it.

    Items are sorted by id. What holds for all items alike may be given once, as an array without
    axes.

    Attributes:
        ids: (n,) item ids.
        grid: The periods, 0 to T - 1 and beyond.
        units: (n, T) what item i sold in period t. NaN is unknown: before ``visible[i]``, after
            ``delisted[i]``, and where the item was out of stock. A period in between that has no
            row is zero.
        visible: (n,) period of launch, or of the first known sale where no launch date is known.
        launch: (n,) period of launch; ``NEVER`` for items without a launch date.
        first_share: (n,) share of the launch period's days that lie on or after the launch date;
            1.0 without launch date.
        delisted: (n,) last period on sale; ``NEVER`` where the item was still listed at the
            panel's end.
    """

    ids: npt.NDArray[np.object_]
    grid: Grid
    units: npt.NDArray[np.float32]
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

    def curves(self, horizon: int) -> npt.NDArray[np.float32]:
        """Launch curves (n, horizon) by age; NaN where unknown, and without launch date."""
        periods = np.where(self.launch == NEVER, self.end + 1, self.launch)[:, None]
        periods = periods + np.arange(horizon)[None, :]
        inside = (periods >= 0) & (periods <= self.end)
        taken = np.take_along_axis(self.units, np.clip(periods, 0, self.end), axis=1)
        return np.where(inside, taken, np.float32(np.nan))


def build_panel(
    sales: pd.DataFrame,
    ids: "pd.Series[str]",
    launch_dates: "pd.Series[pd.Timestamp]",
    *,
    freq: str,
    cutoff: "pd.Timestamp | str | None" = None,
    delisted: "pd.Series[pd.Timestamp] | None" = None,
    returns: Returns = "refuse",
    repeats: Repeats = "refuse",
    in_stock: str | None = None,
    before_launch: BeforeLaunch = "refuse",
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Panel:
    """Validate a sales table and lay it out by item and period, as seen at ``cutoff``.

    All dates are local: a time zone is dropped, not converted.

    Args:
        sales: long table ``id_col, time_col, target_col``.
        ids: the items, each once.
        launch_dates: their launch dates, aligned with ``ids`` by position; missing where unknown.
        freq: pandas frequency whose points name the first day of each period.
        cutoff: a date in the last period seen; rows of later ones are dropped. Where that period
            has no row, the panel ends with the last one before it that has. None: the last one of
            the table.
        delisted: the last day each item is on sale, aligned with ``ids``; missing where it is
            still listed. Later periods are unknown, not zero.
        returns: rows with negative units: ``refuse``; ``net``, subtract them inside their period,
            where less than zero counts as zero; ``drop``, leave them out.
        repeats: several rows of an item and period, and dates inside a period: ``refuse``;
            ``sum``, add up all rows whose date lies in a period.
        in_stock: column of booleans, missing where in stock. The units of a period with a row that
            is out of stock are unknown; such a row may lack them.
        before_launch: rows of periods before the item's launch: ``refuse``; ``drop``, leave them
            out.
        id_col: column of the item's id.
        time_col: column of the period's first day, or of any day in it with ``repeats="sum"``.
        target_col: column of the units sold.

    Raises:
        TableError: a column is missing or rows break the rules above; the first offenders are
            listed.
        InputError: the cutoff lies before the first sale, or a choice is unknown.
    """
    check_choice("before_launch", before_launch, get_args(BeforeLaunch))
    columns = {"id_col": id_col, "time_col": time_col, "target_col": target_col}
    table = validate_sales(
        sales, ids, freq=freq, returns=returns, repeats=repeats, in_stock=in_stock, **columns
    )
    items = item_lives(ids, launch_dates, delisted)
    rows = pd.Index(items["id"]).get_indexer(table[id_col])
    inside = _inside_life(table, rows, items, freq, before_launch, **columns)
    table, rows = table[inside], rows[inside]

    days = pd.DatetimeIndex(table[time_col])
    grid = Grid(freq, _floor(days.min(), freq))
    periods = grid.index(days)
    end = _last_seen(periods, grid, cutoff)
    seen = periods <= end
    sold = table[target_col].to_numpy()
    units = _lay_out(rows[seen], periods[seen], sold[seen], (len(items), end + 1))
    launch, gone = grid.index(items["launch"]), grid.index(items["delisted"])
    visible = np.where(launch == NEVER, _first_sale(units), launch)
    period = np.arange(end + 1)[None, :]
    units[(period < visible[:, None]) | (period > gone[:, None])] = np.nan
    known = visible <= end
    return Panel(
        ids=items["id"].to_numpy(dtype=object)[known],
        grid=grid,
        units=units[known],
        visible=visible[known],
        launch=launch[known],
        first_share=grid.first_share(items["launch"][known]),
        # A delisting to come is not known yet: whoever reads the panel must not see it.
        delisted=np.where(gone > end, NEVER, gone)[known],
    )


def item_lives(
    ids: "pd.Series[str]",
    launch_dates: "pd.Series[pd.Timestamp]",
    delisted: "pd.Series[pd.Timestamp] | None",
) -> pd.DataFrame:
    """Return the items by id: id, launch and delisted, the first and the last day on sale.

    Args:
        ids: the items, each once.
        launch_dates: aligned with them; missing where unknown.
        delisted: aligned with them; None where no item has such a date.

    Raises:
        TableError: a value is no date, or an item ends before it begins.
    """
    items = pd.DataFrame({"id": ids.to_numpy(dtype=object)})
    items["launch"] = item_days(ids, launch_dates, "launch date")
    items["delisted"] = pd.NaT if delisted is None else item_days(ids, delisted, "delisting date")
    check_rows(
        items,
        items["delisted"] < items["launch"],
        "delisted before launch",
        ["id", "launch", "delisted"],
        hint="an item that came back has no delisting date, or its second life an id of its own",
        source="items",
    )
    return items.sort_values("id", kind="stable", ignore_index=True)


def _inside_life(
    table: pd.DataFrame,
    rows: Ints,
    items: pd.DataFrame,
    freq: str,
    before_launch: BeforeLaunch,
    *,
    id_col: str,
    time_col: str,
    target_col: str,
) -> Bools:
    """Rows (n,) to keep; refuses those before the item's launch and sales after its delisting."""
    days = pd.DatetimeIndex(table[time_col])
    grid = Grid(freq, _floor(days.min(), freq))
    period = grid.index(days)
    launch = grid.index(items["launch"])[rows]
    early = (launch != NEVER) & (period < launch)
    if before_launch == "refuse":
        check_rows(
            table,
            early,
            f"{time_col} lies before the item's launch date",
            [id_col, time_col],
            hint='before_launch="drop" leaves such rows out; an earlier life of the item can be '
            "kept under an id of its own",
        )
    late = (table[target_col] > 0) & (period > grid.index(items["delisted"])[rows])
    check_rows(
        table,
        late,
        f"{time_col} lies after the item's delisting date",
        [id_col, time_col, target_col],
        hint="an item that is still sold has no delisting date",
    )
    if early.all():
        raise TableError('sales: with before_launch="drop" no row is left')
    kept: Bools = ~early
    return kept


def _last_seen(periods: Ints, grid: Grid, cutoff: "pd.Timestamp | str | None") -> int:
    """Return the last period with a row by the cutoff; what no row reaches is unknown, not zero."""
    if cutoff is None:
        return int(periods.max())
    day = pd.DatetimeIndex([parse_date(cutoff, "cutoff")])
    seen = periods[periods <= grid.index(day)[0]]
    if not len(seen):
        raise InputError(
            f"cutoff {day[0]:%Y-%m-%d} lies before the first sale, {grid.origin:%Y-%m-%d}"
        )
    return int(seen.max())


def _lay_out(
    rows: Ints, periods: Ints, sold: Floats, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return sums by item and period, at least zero; NaN where one of the numbers is."""
    cell = rows * shape[1] + periods
    order = np.lexsort((sold, cell))  # the sum of floats depends on their order; this one is fixed
    cell, sold = cell[order], sold[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    units = np.zeros(shape, dtype=np.float32)
    units.ravel()[cell[first]] = np.maximum(np.add.reduceat(sold, first), 0)
    return units


def _first_sale(units: npt.NDArray[np.float32]) -> Ints:
    """Return the first period (n,) with known units; ``NEVER`` without any."""
    selling = units > 0
    return np.where(selling.any(axis=1), selling.argmax(axis=1), NEVER)


@lru_cache(maxsize=32)
def _starts(freq: str, low: pd.Timestamp, last_year: int) -> pd.DatetimeIndex:
    """Return the grid's points from the last one on or before a date to the end of a year."""
    return pd.date_range(_floor(low, freq), f"{last_year:04}-12-31", freq=freq, unit="s")


def _floor(date: pd.Timestamp, freq: str) -> pd.Timestamp:
    """Return the grid's last point on or before a date."""
    return pd.Timestamp(pd.tseries.frequencies.to_offset(freq).rollback(date.normalize()))
