"""Sales as a table of items by periods, validated once.

``ds`` names the first day of its period and lies on the grid of ``freq`` (``"W-MON"``: weeks from
Monday to Sunday, named by their Monday). A period is *seen* by a cutoff when its ``ds <= cutoff``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval import InputError, TableError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
_SHOWN = 5


@dataclass(frozen=True)
class Grid:
    """The periods of a frequency, counted from the first one of the sales table."""

    freq: str
    origin: pd.Timestamp

    def index(self, dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> Ints:
        """The period each date falls into, from the origin; ``NEVER`` for missing dates."""
        stamps = pd.DatetimeIndex(dates).as_unit("ns")
        known = stamps.notna()
        out = np.full(len(stamps), NEVER, dtype=np.int64)
        if not known.any():
            return out
        days = stamps[known].normalize()
        low, high = min(days.min(), self.origin), max(days.max(), self.origin)
        starts = pd.date_range(_floor(low, self.freq), high, freq=self.freq).as_unit("ns")
        found = np.searchsorted(starts.asi8, days.asi8, side="right") - 1
        zero = int(np.searchsorted(starts.asi8, self.origin.as_unit("ns").value))
        out[known] = found - zero
        return out

    def dates(self, periods: Ints) -> pd.DatetimeIndex:
        """The first day of each period; the inverse of `index`."""
        unique, inverse = np.unique(periods, return_inverse=True)
        offset = pd.tseries.frequencies.to_offset(self.freq)
        starts = pd.DatetimeIndex([self.origin + int(period) * offset for period in unique])
        return starts.as_unit("ns")[inverse]


@dataclass(frozen=True)
class Panel:
    """Sales of the n items visible by the cutoff in the T periods up to it.

    ``units[i, t]`` is what item i sold in period t: NaN before ``visible[i]``, zero where a period
    after it has no row. ``visible`` is the period of launch, or of the first sale where no launch
    date is known; ``launch`` is ``NEVER`` for items without a launch date. Items are sorted by id.
    """

    ids: npt.NDArray[np.object_]
    grid: Grid
    units: npt.NDArray[np.float32]
    visible: Ints
    launch: Ints

    @property
    def end(self) -> int:
        """The last period of the panel."""
        return int(self.units.shape[1]) - 1

    def curves(self, horizon: int) -> npt.NDArray[np.float32]:
        """Launch curves (n, horizon) by age; NaN after the panel's end and without launch date."""
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
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Panel:
    """Validate a sales table and lay it out by item and period, as seen at ``cutoff``.

    Args:
        sales: long table ``id_col, time_col, target_col``; no negative or missing numbers, one row
            an item and period.
        ids: the items, each once.
        launch_dates: their launch dates, aligned with ``ids``; missing where unknown.
        freq: pandas frequency whose points name the first day of each period.
        cutoff: the last period seen; rows after it are dropped. None, or a date after the table:
            the last one of the table.
        id_col: column of the item's id.
        time_col: column of the period's first day.
        target_col: column of the units sold.

    Raises:
        TableError: a column is missing or rows break the rules above; the first offenders are
            listed.
        InputError: the cutoff lies before the first sale.
    """
    table = validate_sales(
        sales, ids, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col
    )
    grid = Grid(freq, pd.Timestamp(table[time_col].min()))
    last = pd.Timestamp(table[time_col].max())
    if cutoff is not None:
        last = min(
            last, pd.Timestamp(cutoff)
        )  # periods after the table's end are unknown, not zero
    end = int(grid.index(pd.DatetimeIndex([last]))[0])
    if end < 0:
        raise InputError(
            f"cutoff {last:%Y-%m-%d} lies before the first sale, {grid.origin:%Y-%m-%d}"
        )
    order = np.argsort(ids.to_numpy(dtype=object), kind="stable")
    sorted_ids = ids.to_numpy(dtype=object)[order]
    launch = grid.index(pd.DatetimeIndex(launch_dates))[order]
    rows = pd.Index(sorted_ids).get_indexer(table[id_col])
    periods = grid.index(pd.DatetimeIndex(table[time_col]))
    early = (launch[rows] != NEVER) & (periods < launch[rows])
    _check(table, early, f"{time_col} lies before the item's launch date", [id_col, time_col])
    sold = table[target_col].to_numpy(dtype=np.float32)
    seen = periods <= end
    rows, periods, sold = rows[seen], periods[seen], sold[seen]

    visible = launch.copy()
    first_sale = np.full(len(sorted_ids), NEVER, dtype=np.int64)
    np.minimum.at(first_sale, rows[sold > 0], periods[sold > 0])
    visible[launch == NEVER] = first_sale[launch == NEVER]
    units = np.zeros((len(sorted_ids), end + 1), dtype=np.float32)
    units[rows, periods] = sold
    units[np.arange(end + 1)[None, :] < visible[:, None]] = np.nan
    seen_items = visible <= end
    return Panel(
        sorted_ids[seen_items], grid, units[seen_items], visible[seen_items], launch[seen_items]
    )


def validate_sales(
    sales: pd.DataFrame,
    ids: "pd.Series[str]",
    *,
    freq: str,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> pd.DataFrame:
    """A clean copy of a sales table: ids as text, dates as timestamps, units as numbers.

    Raises:
        TableError: naming the rule broken and the first offending rows.
    """
    columns = [id_col, time_col, target_col]
    missing = [name for name in columns if name not in sales.columns]
    if missing:
        have = ", ".join(map(str, sales.columns))
        raise TableError(f"sales: no column {', '.join(map(repr, missing))}; the table has {have}")
    if sales.empty:
        raise TableError("sales: the table has no rows")
    table = sales[columns].copy()
    for name in columns:
        _check(table, table[name].isna(), f"{name} is missing", columns)
    table[id_col] = table[id_col].astype(str)
    if not pd.api.types.is_datetime64_any_dtype(table[time_col]):
        table[time_col] = _to_dates(table, time_col)
    if not pd.api.types.is_numeric_dtype(table[target_col]):
        raise TableError(f"sales: {target_col} must be numeric, found {table[target_col].dtype}")
    _check(
        table,
        ~np.isfinite(table[target_col].to_numpy(dtype=float)),
        f"{target_col} is infinite",
        columns,
    )
    _check(table, table[target_col] < 0, f"{target_col} is negative", columns)
    unique = pd.DatetimeIndex(table[time_col].unique())
    off = unique[[not _on_grid(date, freq) for date in unique]]
    _check(table, table[time_col].isin(off), f"{time_col} is not on the grid of {freq!r}", columns)
    _check(table, table.duplicated([id_col, time_col]), f"({id_col}, {time_col}) repeats", columns)
    _check(table, ~table[id_col].isin(ids), f"{id_col} is not among the items", columns)
    return table


def _to_dates(table: pd.DataFrame, time_col: str) -> "pd.Series[pd.Timestamp]":
    dates = pd.to_datetime(table[time_col], errors="coerce", format="ISO8601")
    _check(table, dates.isna(), f"{time_col} is not a date", list(table.columns))
    return dates


def _check(
    table: pd.DataFrame,
    bad: "pd.Series[bool] | Bools",
    rule: str,
    show: Sequence[str],
) -> None:
    """Raise a TableError that lists the first rows (counted from 1) for which ``bad`` holds."""
    rows = np.flatnonzero(np.asarray(bad, dtype=bool))
    if not len(rows):
        return
    first = table.iloc[rows[:_SHOWN]][list(show)].to_dict("records")
    lines = [
        f"row {row + 1}: " + ", ".join(f"{name}={_shown(value)}" for name, value in record.items())
        for row, record in zip(rows, first, strict=False)
    ]
    if len(rows) > _SHOWN:
        lines.append(f"... and {len(rows) - _SHOWN} more")
    raise TableError("\n  ".join([f"sales: {rule}", *lines]))


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else repr(value)


def _on_grid(date: pd.Timestamp, freq: str) -> bool:
    offset = pd.tseries.frequencies.to_offset(freq)
    return bool(offset.is_on_offset(date)) and date == date.normalize()


def _floor(date: pd.Timestamp, freq: str) -> pd.Timestamp:
    """The grid's last point on or before a date."""
    return pd.Timestamp(pd.tseries.frequencies.to_offset(freq).rollback(date.normalize()))
