"""The sales table, checked once, and laid out as often as somebody stands somewhere in it.

Real tables hold returns, several rows a period, time zones and stock-outs; each has one rule, and
``docs/sales-data.md`` tells it to whoever keeps the table. What breaks a rule is refused with its
rows and with what can be done; nothing is mended unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasting.checks import tell
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.dates import named_date
from forecasting.data.panel import (
    NEVER,
    Bools,
    Floats,
    Grid,
    Ints,
    Panel,
    named_periods,
    other_weeks,
)
from forecasting.data.plausibility import beyond_reason, is_told_in_part
from forecasting.data.row_rules import SalesRows, ask, cell_rules, period_rules, shown
from retrieval import InputError, Offense, TableError, first_few


@dataclass(frozen=True, eq=False)
class Sales:
    """What items sold, row by row; every row keeps the rules.

    Attributes:
        lives: The items by id, as `forecasting.data.items.item_lives` returns them.
        grid: The periods, from that of the first row on.
        item: (n,) position of each row's item in `lives`.
        period: (n,) its period.
        units: (n,) what was sold; NaN where unknown.
        row: (n,) its position in the caller's table; -1 where no row there is left.
        days: Those with a row, each once.
        columns: What the columns are called.
        source: What the table is called.
    """

    lives: pd.DataFrame
    grid: Grid
    item: Ints
    period: Ints
    units: Floats
    row: Ints
    days: pd.DatetimeIndex
    columns: Columns
    source: str

    @classmethod
    def read(
        cls,
        sales: pd.DataFrame,
        lives: pd.DataFrame,
        *,
        freq: str,
        columns: Columns = Columns(),
        rules: SalesRules = SalesRules(),
        grid: Grid | None = None,
        source: str = "sales",
    ) -> Sales:
        """Check a sales table.

        Args:
            sales: Long table of units by item and date, a row a period or, as `rules` say, several.
            lives: The items, as `forecasting.data.items.item_lives` returns them.
            freq: pandas frequency whose points name the first day of each period.
            columns: What the columns of the table are called.
            rules: What to do with awkward rows.
            grid: The periods, where they are known; None: from the first row on.
            source: What to call the table.

        Raises:
            TableError: A column is missing or rows break the rules; the first offenders of every
                rule are named.
        """
        return Sieved.read(
            sales, lives, freq=freq, columns=columns, rules=rules, grid=grid, source=source
        ).clean()

    @classmethod
    def none(cls, lives: pd.DataFrame, grid: Grid, columns: Columns, source: str) -> Sales:
        """Return sales without a row."""
        nothing = np.empty(0, dtype=np.int64)
        days = pd.DatetimeIndex([])
        return cls(lives, grid, nothing, nothing, np.empty(0), nothing, days, columns, source)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.item)

    def of(self, ids: Sequence[str]) -> Sales:
        """Return those of some of the items alone."""
        kept = self.lives["id"].isin(ids).to_numpy()
        position = np.cumsum(kept) - 1
        mine = kept[self.item]
        return replace(
            self,
            lives=self.lives[kept].reset_index(drop=True),
            item=position[self.item[mine]],
            **{name: getattr(self, name)[mine] for name in ("period", "units", "row")},
        )

    def hiding(self, ids: Sequence[str | None], dates: pd.DatetimeIndex) -> Sales:
        """Return the same with periods that bad rows were about unknown, each by a row of its own.

        Without a row they would count as zero. A period that another row tells of is as told.

        Args:
            ids: (m,) the items of the bad rows, as text; None where a row has none.
            dates: (m,) their dates, NaT where a row has none.
        """
        if not len(self) or not len(ids):
            return self
        item = pd.Index(self.lives["id"]).get_indexer(pd.Index(list(ids), dtype=object))
        launch, period = self.grid.index(self.lives["launch"])[item], self.grid.index(dates)
        begun = np.where(launch == NEVER, 0, launch)
        inside = (item >= 0) & (period >= np.maximum(begun, 0)) & (period <= self.period.max())
        cells = np.unique(np.stack([item[inside], period[inside]]), axis=1)
        width = int(self.period.max()) + 1
        new = ~np.isin(cells[0] * width + cells[1], self.item * width + self.period)
        item, period = cells[0][new], cells[1][new]
        return replace(
            self,
            item=np.concatenate([self.item, item]),
            period=np.concatenate([self.period, period]),
            units=np.concatenate([self.units, np.full(len(item), np.nan)]),
            row=np.concatenate([self.row, np.full(len(item), -1)]),
        )

    def end(self, cutoff: pd.Timestamp | str | None = None) -> int:
        """Return the last period seen: that of the last row by the cutoff, if told as a whole.

        What no row reaches is unknown, not zero.

        Args:
            cutoff: A date in the last period to be seen; None: all are.

        Raises:
            InputError: The cutoff is no date, or lies before the first row.
        """
        return self._whole(self._reached(cutoff))

    def first_after(self, cutoff: pd.Timestamp | str | None = None) -> pd.Timestamp:
        """Return the first day of the period after the cutoff's; None: after the last one seen.

        A period that is told in part only is still to come.
        """
        reached = self._reached(cutoff)
        after = self._whole(reached) + 1
        if cutoff is not None and after > reached:
            after = self._holding("cutoff", cutoff) + 1
        return self.grid.dates(np.array([after]))[0]

    def panel(self, cutoff: pd.Timestamp | str | None = None) -> Panel:
        """Lay sales out by item and period, as seen at a cutoff.

        Args:
            cutoff: As in `end`.

        Raises:
            InputError: As in `end`.
        """
        reached = self._reached(cutoff)
        end = self._whole(reached)
        if end < reached:
            self._tell_of_part(reached)
        return self._laid_out(0, end)

    def last_told(self, until: pd.Timestamp | str | None = None) -> pd.Timestamp | None:
        """Return the first day of the last period that sales so far tell of; None: of none."""
        if until is None and not len(self):
            return None
        return self.grid.dates(np.array([self._last_told(until)]))[0]

    def so_far(self, until: pd.Timestamp | str | None = None, usual: float = 0.0) -> Panel | None:
        """Lay out what new items sold so far, from the first launch on; None: nothing is told.

        A cell beyond reason is named, and stays as told: it moves no other item.

        Args:
            until: A date in the last period that sales tell of; None: that of the last row.
            usual: What the best seller of the market usually sells in a period.
        """
        if until is None and not len(self):
            return None
        end = self._last_told(until)
        if until is None and end < self._reached(None):
            self._tell_of_part(end + 1)
        launch = self.grid.index(self.lives["launch"])
        return self._laid_out(min(int(launch.min()), end), end, usual, as_told=True)

    def _last_told(self, until: pd.Timestamp | str | None) -> int:
        return self.end() if until is None else self._holding("observed_until", until)

    def _holding(self, name: str, date: pd.Timestamp | str) -> int:
        """Return the period that holds a date."""
        return int(self.grid.index(pd.DatetimeIndex([named_date(name, date)]))[0])

    def _reached(self, cutoff: pd.Timestamp | str | None) -> int:
        """Return the last period with a row by the cutoff."""
        if cutoff is None:
            return int(self.period.max())
        seen = self.period[self.period <= self._holding("cutoff", cutoff)]
        if not len(seen):
            day, first = named_date("cutoff", cutoff), f"{self.grid.origin:%Y-%m-%d}"
            raise InputError(f"cutoff {day:%Y-%m-%d} lies before the first sale, {first}")
        return int(seen.max())

    def _whole(self, last: int) -> int:
        """Return a period, or the one before it where it is told in part only."""
        return last - 1 if last > 0 and is_told_in_part(self.days, self.grid, last) else last

    def _laid_out(
        self, begin: int, end: int, usual: float = 0.0, *, as_told: bool = False
    ) -> Panel:
        inside = (self.period >= begin) & (self.period <= end)
        shape = (len(self.lives), end - begin + 1)
        units = _summed(self.item[inside], self.period[inside] - begin, self.units[inside], shape)
        unreal = beyond_reason(units, usual)
        if len(unreal.item):
            then = "it is taken as told" if as_told else "it counts as unknown"
            self._tell_of_cells(unreal.item, unreal.period + begin, unreal.usual, then)
            if not as_told:
                units[unreal.item, unreal.period] = np.nan
        grid = replace(self.grid, origin=self.grid.dates(np.array([begin]))[0])
        launch, gone = grid.index(self.lives["launch"]), grid.index(self.lives["delisted"])
        visible = np.where(launch == NEVER, _first_sale(units), launch)
        period = np.arange(units.shape[1])[None, :]
        units[(period < visible[:, None]) | (period > gone[:, None])] = np.nan
        known = visible < units.shape[1]
        return Panel(
            ids=self.lives["id"].to_numpy(dtype=object)[known],
            grid=grid,
            units=units[known],
            visible=visible[known],
            launch=launch[known],
            first_share=grid.first_share(self.lives["launch"][known]),
            # A delisting to come is not known yet: whoever reads the panel must not see it.
            delisted=np.where(gone >= units.shape[1], NEVER, gone)[known],
        )

    def _tell_of_cells(self, item: Ints, period: Ints, usual: float, then: str) -> None:
        columns, days = self.columns, self.grid.dates(period)

        def said(at: int) -> str:
            here = (self.item == item[at]) & (self.period == period[at])
            rows = np.flatnonzero(here)
            row = rows[np.argmax(self.units[rows])]
            known = {
                columns.id_col: self.lives["id"].iloc[item[at]],
                columns.time_col: days[at],
                columns.target_col: float(self.units[row]),
            }
            cells = ", ".join(f"{name}={shown(value)}" for name, value in known.items())
            return f"row {self.row[row] + 1}: {cells}"

        rule = (
            f"{columns.target_col} is beyond reason, where no item usually sells more than "
            f"{usual:g} in a period; {then}"
        )
        lines = [f"{self.source}: {rule}", *first_few(list(range(len(item))), said)]
        tell("\n  ".join(lines), stacklevel=7)

    def _tell_of_part(self, period: int) -> None:
        first = self.grid.dates(np.array([period]))[0]
        last = self.days[self.grid.index(self.days) == period].max()
        tell(
            f"{self.source}: the period of {first:%Y-%m-%d} is told in part only, its rows end on "
            f"{last:%Y-%m-%d}; it is left out",
            stacklevel=5,
        )


@dataclass(frozen=True)
class Sieved:
    """A sales table in which each row has been asked once.

    Attributes:
        offenses: The bad rows by the rule that they break first.
        told: A message for each of these rules.
        kept: Makes sales of the others. What a bad row hides is unknown there.
    """

    offenses: tuple[Offense, ...]
    told: tuple[str, ...]
    kept: Callable[[], Sales]

    @classmethod
    def read(
        cls,
        sales: pd.DataFrame,
        lives: pd.DataFrame,
        *,
        freq: str,
        columns: Columns,
        rules: SalesRules,
        grid: Grid | None = None,
        source: str = "sales",
    ) -> Sieved:
        """Ask each row; all arguments are those of `Sales.read`."""
        rows = SalesRows.read(sales, lives, columns, source)
        free = np.ones(len(rows.table), dtype=bool)
        broken, free, why = ask(cell_rules(columns, rules), rows, free)
        if free.any():
            found, ends = named_periods(freq, rows.dates[free], grid)
            rows = rows.on(found, lives, ends=ends)
            hint = other_weeks(freq, rows.dates[free].unique())
            more, free, why = ask(period_rules(columns, rules, freq, hint), rows, free)
            broken += more

        def kept() -> Sales:
            """Return the good rows; what the bad ones hid is unknown."""
            if not free.any():
                if grid is None:
                    raise TableError(f"{source}: {why or 'no row is left'}")
                return Sales.none(lives, grid, columns, source)
            left = _sales(rows, free, lives, grid, columns, source)
            bad = np.unique(np.concatenate([np.empty(0, int), *(one.involved for one in broken)]))
            ids = rows.table[columns.id_col].astype(str).to_numpy()[bad]
            return left.hiding(ids.tolist(), rows.dates[bad])

        return cls(
            tuple(one.offense(rows.table, source) for one in broken),
            tuple(one.told(rows.table, source) for one in broken),
            kept,
        )

    def clean(self) -> Sales:
        """Return the sales, if no row is bad.

        Raises:
            TableError: Some are; the first ones of every rule are named.
        """
        if self.offenses:
            raise TableError("\n".join(self.told), self.offenses)
        return self.kept()


def _sales(
    rows: SalesRows,
    free: Bools,
    lives: pd.DataFrame,
    grid: Grid | None,
    columns: Columns,
    source: str,
) -> Sales:
    """Return the free rows as sales; a grid that is not given begins with the first of them."""
    assert rows.grid is not None
    period = rows.period[free]
    if grid is None:
        first = int(period.min())
        grid = replace(rows.grid, origin=rows.grid.dates(np.array([first]))[0])
        period = period - first
    return Sales(
        lives=lives,
        grid=grid,
        item=rows.item[free],
        period=period,
        units=rows.units[free],
        row=np.flatnonzero(free),
        days=rows.dates[free].unique().normalize().unique(),
        columns=columns,
        source=source,
    )


def _summed(item: Ints, period: Ints, sold: Floats, shape: tuple[int, int]) -> Floats:
    """Return sums by item and period, at least zero; NaN where one of the numbers is."""
    cell = item * shape[1] + period
    order = np.lexsort((sold, cell))  # the sum of floats depends on their order; this one is fixed
    cell, sold = cell[order], sold[order]
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    units = np.zeros(shape)
    if len(first):
        units.ravel()[cell[first]] = np.maximum(np.add.reduceat(sold, first), 0)
    return units


def _first_sale(units: Floats) -> Ints:
    """Return the first period (n,) with known units; ``NEVER`` without any."""
    selling = units > 0
    return np.where(selling.any(axis=1), selling.argmax(axis=1), NEVER)
