"""What a row of a table may not be, and how rows that are it are told.

The rules of a sales table are two lists of masks over its rows. All are asked in one pass: a row
counts for the first rule it breaks, and a message names the first rows of every rule broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Number

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.columns import Columns, SalesRules
from forecasting.data.panel import NEVER, Bools, Floats, Grid, Ints
from retrieval import Offense, TableError, first_few, parse_dates


def check_rows(
    table: pd.DataFrame,
    bad: pd.Series[bool] | pd.Index[bool] | npt.NDArray[np.bool_],
    rule: str,
    show: Sequence[str],
    *,
    hint: str = "",
    source: str = "sales",
    involved: pd.Series[bool] | None = None,
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
    if len(rows):
        offending = rows if involved is None else np.flatnonzero(involved)
        broken = Broken(rule, show, hint, rows, offending)
        raise TableError(broken.told(table, source), [broken.offense(table, source)])


@dataclass(frozen=True)
class Broken:
    """A rule that rows of a table break.

    Attributes:
        rule: What it is; it begins with the column, or columns, it is about.
        show: Columns to show of the rows.
        hint: What can be done.
        rows: Positions of the rows to be named.
        involved: Positions of all rows that are in doubt.
    """

    rule: str
    show: Sequence[str]
    hint: str
    rows: Ints
    involved: Ints

    def told(self, table: pd.DataFrame, source: str) -> str:
        """Return a message that names the first rows, counted from 1."""

        def said(row: int) -> str:
            record = table.iloc[[row]][list(self.show)].to_dict("records")[0]
            values = ", ".join(f"{name}={shown(value)}" for name, value in record.items())
            return f"row {table.index[row] + 1}: {values}"

        lines = [*first_few(self.rows.tolist(), said), *([self.hint] if self.hint else [])]
        return "\n  ".join([f"{source}: {self.rule}", *lines])

    def offense(self, table: pd.DataFrame, source: str) -> Offense:
        """Return all rows in doubt, for programs."""
        names = map(str, table.columns)
        column = next((name for name in names if self.rule.startswith(f"{name} ")), "")
        values = table[column].iloc[self.involved].tolist() if column else []
        if self.rule.startswith("("):
            column = self.rule[1:].partition(")")[0]
        rows = table.index[self.involved].tolist()
        return Offense(source, rows, column, self.rule, values)


def shown(value: object) -> str:
    """Return a cell for a message."""
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return f"{value:%Y-%m-%d}"
    return str(value) if isinstance(value, pd.Timestamp) else repr(value)


@dataclass(frozen=True)
class SalesRows:
    """The n rows of a sales table, as far as they can be read.

    Attributes:
        table: Their columns as they came; the index counts rows from 0.
        dates: (n,) local; NaT where there is none.
        units: (n,) float64; NaN where they are none, or unknown because out of stock.
        no_number: (n,) what stands for the units is something else.
        flagged: (n,) whether it can be told that the row is in stock or is not.
        out: (n,) whether it is out of stock.
        item: (n,) position among the lives; -1 for strangers.
        grid: The periods; None until the dates are known to be dates.
        period: (n,) where each date falls.
        launch: (n,) the item's period of launch; ``NEVER`` without one.
        gone: (n,) the item's last period on sale; ``NEVER`` without one.
        ends: Whether all dates are last days of their periods.
    """

    table: pd.DataFrame
    dates: pd.DatetimeIndex
    units: Floats
    no_number: Bools
    flagged: Bools
    out: Bools
    item: Ints
    grid: Grid | None = None
    period: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    launch: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    gone: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ends: bool = False

    @classmethod
    def read(
        cls, sales: pd.DataFrame, lives: pd.DataFrame, columns: Columns, source: str
    ) -> SalesRows:
        """Read a sales table.

        Raises:
            TableError: A column is missing, or holds something else than its kind.
        """
        names = [columns.id_col, columns.time_col, columns.target_col]
        names += [] if columns.in_stock is None else [columns.in_stock]
        table = _taken(sales, names, source)
        units, no_number = _units(table[columns.target_col], source)
        flagged, out = np.ones(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
        if columns.in_stock is not None:
            flags = table[columns.in_stock].astype(object)  # 0 equals False in it, "0" does not
            flagged = (flags.isna() | flags.isin([False, True])).to_numpy()
            out = flags.isin([False]).to_numpy()
        return cls(
            table=table,
            dates=parse_dates(table[columns.time_col]),
            # What was sold is not what was wanted.
            units=np.where(out, np.nan, units),
            no_number=no_number & ~out,
            flagged=flagged,
            out=out,
            item=pd.Index(lives["id"]).get_indexer(table[columns.id_col].astype(str)),
        )

    def on(self, grid: Grid, lives: pd.DataFrame, *, ends: bool) -> SalesRows:
        """Return the same with the periods that its dates fall into."""
        launch, gone = grid.index(lives["launch"]), grid.index(lives["delisted"])
        return replace(
            self,
            grid=grid,
            period=grid.index(self.dates),
            launch=launch[self.item],
            gone=gone[self.item],
            ends=ends,
        )


@dataclass(frozen=True)
class Rule:
    """What a row may not be.

    Attributes:
        text: In words; it begins with the column, or columns, it is about.
        breaks: Which rows (n,) do, given the rows and which of them (n,) are still in question.
        show: Columns to show of them.
        hint: What can be done.
        drops: Where such rows are left out instead: the parameter that says so.
        together: Which rows (n,) are in doubt, where it takes more than those named.
    """

    text: str
    breaks: Callable[[SalesRows, Bools], Bools]
    show: Sequence[str]
    hint: str = ""
    drops: str = ""
    together: Callable[[SalesRows, Bools], Bools] | None = None


def ask(rules: Iterable[Rule], rows: SalesRows, free: Bools) -> tuple[list[Broken], Bools, str]:
    """Return the rules that rows break, which (n,) of the free ones are left, and why none is.

    Why none is left: the rule by which the last ones are left out; empty where some are left, or
    are refused.
    """
    broken: list[Broken] = []
    for rule in rules:
        bad = rule.breaks(rows, free) & free
        if not bad.any():
            continue
        if rule.drops:
            free = free & ~bad
            if not free.any():
                return broken, free, f'with {rule.drops}="drop" no row is left; {rule.text}'
            continue
        involved = bad if rule.together is None else rule.together(rows, free) & free
        broken.append(
            Broken(rule.text, rule.show, rule.hint, np.flatnonzero(bad), np.flatnonzero(involved))
        )
        free = free & ~involved
    return broken, free, ""


def cell_rules(columns: Columns, rules: SalesRules) -> list[Rule]:
    """Return the rules that ask each row for itself."""
    show = [columns.id_col, columns.time_col, columns.target_col]
    stock = [*show, str(columns.in_stock)]
    unknown = "units that are unknown are told by a row out of stock, in the column `in_stock`"
    negative = (
        'returns="net" subtracts such rows inside their period, returns="drop" leaves them out'
    )
    item, time, target = columns.id_col, columns.time_col, columns.target_col
    drops = "returns" if rules.returns == "drop" else ""
    found = [
        Rule(f"{item} is missing", lambda rows, _: _missing(rows, item), show),
        Rule(f"{time} is missing", lambda rows, _: _missing(rows, time), show),
        Rule(f"{item} is not among the items", lambda rows, _: rows.item < 0, show),
        Rule(f"{time} is not a date", lambda rows, _: np.asarray(rows.dates.isna()), show),
        Rule(f"{columns.in_stock} is neither true nor false", lambda rows, _: ~rows.flagged, stock),
        Rule(f"{target} is not a number", lambda rows, _: rows.no_number, show),
        Rule(
            f"{target} is missing",
            lambda rows, _: np.isnan(rows.units) & ~rows.out,
            show,
            hint=unknown,
        ),
        Rule(f"{target} is infinite", lambda rows, _: np.isinf(rows.units), show),
    ]
    if rules.returns != "net":
        text = f"{target} is negative"
        found.append(Rule(text, lambda rows, _: rows.units < 0, show, hint=negative, drops=drops))
    return found


def period_rules(columns: Columns, rules: SalesRules, freq: str, hint: str = "") -> list[Rule]:
    """Return the rules that ask where a row's period lies, once dates are known to be dates.

    Args:
        columns: What the columns are called.
        rules: What to do with awkward rows.
        freq: The frequency of the periods.
        hint: What to write where dates do not fit it.
    """
    item, time = columns.id_col, columns.time_col
    show = [item, time, columns.target_col]
    found = []
    if rules.repeats == "refuse":
        found = [
            Rule(
                f"{time} is not on the grid of {freq!r}",
                _off_grid,
                show,
                hint=f"{time} is the first day of its period, or in all rows the last one; {hint}"
                'repeats="sum" (in settings sales.repeats: sum) puts each date into the period '
                "that holds it, and adds up",
            ),
            Rule(
                f"({item}, {time}) repeats",
                lambda rows, free: _repeats(rows, free, "first"),
                show,
                hint='repeats="sum" adds up the rows of a period',
                together=lambda rows, free: _repeats(rows, free, False),
            ),
        ]
    return [
        *found,
        Rule(
            f"{time} lies before the item's launch date",
            lambda rows, _: (rows.launch != NEVER) & (rows.period < rows.launch),
            [item, time],
            hint='before_launch="drop" leaves such rows out; an earlier life of the item can be '
            "kept under an id of its own",
            drops="before_launch" if rules.before_launch == "drop" else "",
        ),
        Rule(
            f"{time} lies after the item's delisting date",
            lambda rows, _: (rows.units > 0) & (rows.period > rows.gone),
            show,
            hint="an item that is still sold has no delisting date",
        ),
    ]


def _taken(sales: pd.DataFrame, columns: Sequence[str], source: str) -> pd.DataFrame:
    missing = [name for name in columns if name not in sales.columns]
    if missing:
        have = ", ".join(map(str, sales.columns))
        named = ", ".join(map(repr, missing))
        raise TableError(f"{source}: no column {named}; the table has {have}")
    if sales.empty:
        raise TableError(f"{source}: the table has no rows")
    return sales[list(columns)].reset_index(drop=True)


def _units(column: pd.Series, source: str) -> tuple[Floats, Bools]:
    """Units (n,) as float64, and which cells (n,) are something else; objects may be anything."""
    if pd.api.types.is_numeric_dtype(column):
        units = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return units, np.zeros(len(column), dtype=bool)
    if column.dtype != object:
        raise TableError(f"{source}: {column.name} must be numeric, found {column.dtype}")
    there = np.asarray(column.notna(), dtype=bool)
    is_number = np.array([isinstance(cell, Number) for cell in column], dtype=bool)
    numbers = column.where(is_number & there).astype("float64")
    found: Floats = np.asarray(numbers, dtype=np.float64)
    return found, np.logical_and(there, ~is_number)


def _missing(rows: SalesRows, column: str) -> Bools:
    return rows.table[column].isna().to_numpy()


def _off_grid(rows: SalesRows, free: Bools) -> Bools:
    """Rows (n,) whose date does not name its period."""
    assert rows.grid is not None
    at = rows.period[free]
    named = rows.grid.dates(at + 1) - pd.Timedelta(days=1) if rows.ends else rows.grid.dates(at)
    off = np.zeros(len(free), dtype=bool)
    off[free] = rows.dates[free] != named
    return off


def _repeats(rows: SalesRows, free: Bools, keep: str | bool) -> Bools:
    """Free rows (n,) whose item and period another free row has, too."""
    cells = pd.DataFrame({"item": rows.item[free], "period": rows.period[free]})
    repeats = np.zeros(len(free), dtype=bool)
    repeats[free] = cells.duplicated(keep=keep)  # type: ignore[arg-type]
    return repeats
