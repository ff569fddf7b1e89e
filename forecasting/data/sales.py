"""The sales table, checked once at the boundary.

Real tables hold returns, several rows a period, time zones and stock-outs; each has one rule, and
``docs/sales-data.md`` tells it to whoever keeps the table. What breaks a rule is refused with its
rows and with what can be done; nothing is mended unasked.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.checks import check_choice
from retrieval import Offense, TableError, first_few, parse_dates

Returns = Literal["refuse", "net", "drop"]
Repeats = Literal["refuse", "sum"]
BeforeLaunch = Literal["refuse", "drop"]


def validate_sales(
    sales: pd.DataFrame,
    ids: "pd.Series[str]",
    *,
    freq: str,
    returns: Returns = "refuse",
    repeats: Repeats = "refuse",
    in_stock: str | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> pd.DataFrame:
    """Return a clean copy of a sales table.

    Args:
        sales: long table ``id_col, time_col, target_col``.
        ids: the items, each once.
        freq: pandas frequency whose points name the first day of each period.
        returns: what to do with negative units: ``refuse``; ``net``, keep them, to be subtracted
            inside their period; ``drop``, leave their rows out.
        repeats: what to do with several rows of an item and period, and with dates inside a
            period: ``refuse``; ``sum``, keep them, to be added up.
        in_stock: column of booleans, missing where in stock; None if the table does not tell.
        id_col: column of the item's id.
        time_col: column of the period's first day, or of any day in it with ``repeats="sum"``.
        target_col: column of the units sold.

    Returns:
        The three columns: ids as text; dates local and without zone; units as float64, NaN where
        the row is out of stock, whatever it says. The index counts the rows of ``sales`` from 0.

    Raises:
        TableError: naming the rule broken and the first offending rows.
        InputError: ``returns`` or ``repeats`` is unknown.
    """
    check_choice("returns", returns, get_args(Returns))
    check_choice("repeats", repeats, get_args(Repeats))
    columns = [id_col, time_col, target_col]
    table = _take(sales, columns if in_stock is None else [*columns, in_stock])
    for name in (id_col, time_col):
        check_rows(table, table[name].isna(), f"{name} is missing", columns)
    table[id_col] = table[id_col].astype(str)
    check_rows(table, ~table[id_col].isin(ids), f"{id_col} is not among the items", columns)
    dates = local_dates(table[time_col])
    check_rows(table, dates.isna(), f"{time_col} is not a date", columns)
    table[time_col] = dates
    table[target_col] = _units(table, target_col, in_stock, columns)
    table = _without_returns(table[columns], target_col, returns)
    if repeats == "refuse":
        _refuse_repeats(table, id_col, time_col, freq)
    return table


def local_dates(dates: "pd.Series[pd.Timestamp] | pd.DatetimeIndex") -> pd.DatetimeIndex:
    """Dates (n,) as the clock on the wall showed them; NaT where there is none.

    A time zone is dropped, not converted: a sale at 23:30 in Berlin belongs to that day in Berlin.
    """
    return parse_dates(dates)


def item_days(
    ids: "pd.Series[str]", dates: "pd.Series[pd.Timestamp]", what: str
) -> pd.DatetimeIndex:
    """Local days (n,) of a date that each item has; NaT where it is missing.

    Raises:
        TableError: a value is not a date.
    """
    days = local_dates(dates).normalize()
    table = pd.DataFrame({"item": ids.to_numpy(), what: dates.to_numpy(dtype=object)})
    bad = days.isna() & dates.notna().to_numpy()
    check_rows(table, bad, f"{what} is not a date", ["item", what], source="items")
    return days


def check_rows(
    table: pd.DataFrame,
    bad: "pd.Series[bool] | pd.Index[bool] | npt.NDArray[np.bool_]",
    rule: str,
    show: Sequence[str],
    *,
    hint: str = "",
    source: str = "sales",
    involved: "pd.Series[bool] | None" = None,
) -> None:
    """Raise a TableError that lists the first rows for which ``bad`` holds, counted from 1.

    Args:
        table: its index counts the rows of the caller's table from 0.
        bad: (rows,) booleans.
        rule: what these rows break.
        show: columns to show of them.
        hint: what can be done.
        source: what to call the table.
        involved: (rows,) booleans, where it takes more rows than those to break the rule: nobody
            knows which of two equal rows is right.
    """
    rows = np.flatnonzero(np.asarray(bad, dtype=bool))
    if not len(rows):
        return

    def said(row: int) -> str:
        record = table.iloc[[row]][list(show)].to_dict("records")[0]
        values = ", ".join(f"{name}={_shown(value)}" for name, value in record.items())
        return f"row {table.index[row] + 1}: {values}"

    lines = [*first_few(rows.tolist(), said), *([hint] if hint else [])]
    message = "\n  ".join([f"{source}: {rule}", *lines])
    offending = rows if involved is None else np.flatnonzero(involved)
    raise TableError(message, [_offense(table, offending, rule, source)])


def _offense(table: pd.DataFrame, rows: npt.NDArray[np.int64], rule: str, source: str) -> Offense:
    """Return the rows that break a rule; a rule begins with the column, or columns, it is about."""
    column = next((name for name in map(str, table.columns) if rule.startswith(f"{name} ")), "")
    values = table[column].iloc[rows].tolist() if column else []
    if rule.startswith("("):
        column = rule[1:].partition(")")[0]
    return Offense(source, table.index[rows].tolist(), column, rule, values)


def _take(sales: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    missing = [name for name in columns if name not in sales.columns]
    if missing:
        have = ", ".join(map(str, sales.columns))
        raise TableError(f"sales: no column {', '.join(map(repr, missing))}; the table has {have}")
    if sales.empty:
        raise TableError("sales: the table has no rows")
    return sales[list(columns)].reset_index(drop=True)


def _units(
    table: pd.DataFrame, target_col: str, in_stock: str | None, show: Sequence[str]
) -> "pd.Series[float]":
    """Units as float64; NaN where out of stock, because what was sold is not what was wanted."""
    if not pd.api.types.is_numeric_dtype(table[target_col]):
        raise TableError(f"sales: {target_col} must be numeric, found {table[target_col].dtype}")
    units = table[target_col].astype("float64")
    out = np.zeros(len(table), dtype=bool)
    if in_stock is not None:
        out = _out_of_stock(table, in_stock, [*show, in_stock])
    check_rows(
        table,
        units.isna() & ~out,
        f"{target_col} is missing",
        show,
        hint="units that are unknown are told by a row out of stock, in the column `in_stock`",
    )
    check_rows(table, np.isinf(units) & ~out, f"{target_col} is infinite", show)
    return units.mask(out)


def _out_of_stock(table: pd.DataFrame, in_stock: str, show: Sequence[str]) -> npt.NDArray[np.bool_]:
    flags = table[in_stock].astype(object)  # in which 0 equals False and "0" does not
    known = flags.isna() | flags.isin([False, True])
    check_rows(table, ~known, f"{in_stock} is neither true nor false", show)
    return flags.isin([False]).to_numpy()


def _without_returns(table: pd.DataFrame, target_col: str, returns: Returns) -> pd.DataFrame:
    negative = (table[target_col] < 0).to_numpy()
    if returns == "refuse":
        check_rows(
            table,
            negative,
            f"{target_col} is negative",
            list(table.columns),
            hint='returns="net" subtracts such rows inside their period, '
            'returns="drop" leaves them out',
        )
    if returns != "drop":
        return table
    if negative.all():
        raise TableError(f'sales: with returns="drop" no row is left; {target_col} is negative')
    return table[~negative]


def _refuse_repeats(table: pd.DataFrame, id_col: str, time_col: str, freq: str) -> None:
    dates = table[time_col]
    days = dates.dt.normalize()
    offset = pd.tseries.frequencies.to_offset(freq)
    unique = pd.DatetimeIndex(days.unique())
    off = unique[[not offset.is_on_offset(day) for day in unique]]
    check_rows(
        table,
        days.isin(off) | (dates != days),
        f"{time_col} is not on the grid of {freq!r}",
        list(table.columns),
        hint='repeats="sum" puts each date into the period that holds it, and adds up',
    )
    check_rows(
        table,
        table.duplicated([id_col, time_col]),
        f"({id_col}, {time_col}) repeats",
        list(table.columns),
        hint='repeats="sum" adds up the rows of a period',
        involved=table.duplicated([id_col, time_col], keep=False),
    )


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return f"{value:%Y-%m-%d}"
    return str(value) if isinstance(value, pd.Timestamp) else repr(value)
