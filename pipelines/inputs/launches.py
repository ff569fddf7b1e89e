"""The tables of a launch forecast, read in the columns that a forecaster needs.

A saved forecaster knows its columns itself, which is why they are asked of it and not of the
settings.

The tables of a launch forecast without their bad rows.

What a bad row of sales would have told is not known: where its item and period can be read, that
period counts as unknown, as if the item had been out of stock. Without a row it would count as
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import structlog

from forecasting import NEVER, Grid, LaunchForecaster, Reader, Sales, plan_array
from pipelines.config.sections import ItemsSettings
from pipelines.inputs.bad_rows import Asked, Quarantine, Role, Screened, texts_of
from pipelines.inputs.items import (
    TableInput,
    item_kinds,
    name_of,
    naming_tables,
    read_input,
)
from pipelines.tables.reader import Kind, format_of
from retrieval import InputError, Offense, TableError, parse_dates


class NothingToForecastError(InputError):
    """No item launches after the cutoff."""


_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class LaunchTables:
    """Reads tables for a forecaster; DataFrames stay as they are.

    Attributes:
        forecaster: It need not be fitted, unless a method says so.
        categories: Attributes that are categories, whatever they look like.
        called: Column of what people call an item; None: there is none of its own.
        more: What the table of new items holds besides, for orders.
        are_named: Whether new items are a table of their own; else they are among the items.
    """

    forecaster: LaunchForecaster
    categories: Collection[str] = ()
    called: str | None = None
    more: Mapping[str, Kind] = field(default_factory=dict)
    are_named: bool = False

    def items(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """Read the items to learn from; in all methods, `skip`: positions of rows to leave out."""
        return self._items(source, {}, skip, {} if self.are_named else self.more)

    def sales(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """Return a panel of sales."""
        columns = self.forecaster.columns
        kinds: dict[str, Kind] = {columns.id_col: "name", columns.time_col: "date"}
        kinds[columns.target_col] = "number"
        if columns.in_stock is not None:
            kinds[columns.in_stock] = "flag"
        return read_input(source, kinds, columns.id_col, skip=skip)

    def plan(self, source: TableInput | None, skip: Collection[int] = ()) -> pd.DataFrame | None:
        """Return the plans, if there are any.

        Raises:
            InputError: There are, and no column of them is named.
        """
        columns = self.forecaster.columns
        if source is None:
            return None
        if not columns.covariates:
            name = name_of(source, "future")
            raise InputError(
                f"{name}: set forecast.covariates in the config, the columns of the plan to use"
            )
        kinds: dict[str, Kind] = {columns.id_col: "name", columns.time_col: "date"}
        kinds |= dict.fromkeys(columns.covariates, "number")
        return read_input(source, kinds, columns.id_col, skip=skip)

    def new(
        self,
        source: TableInput | None,
        known: pd.DataFrame | None,
        first: pd.Timestamp | None = None,
        skip: Collection[int] = (),
    ) -> pd.DataFrame:
        """Return the items to forecast.

        Args:
            source: Their table; None: those of `known` that launch after the cutoff's period.
            known: The items learned from; None: the forecaster is fitted, and knows them.
            first: First day of the period after the cutoff's; `known` needs it.
            skip: As in the others.

        Raises:
            NothingToForecastError: Nothing launches after the cutoff.
        """
        if source is None:
            assert known is not None and first is not None
            return self._launching_from(first, known)
        learned = self.forecaster.history_.attributes if known is None else known
        numeric = learned.select_dtypes("number").columns
        # Those of a few new rows may all be missing, or look like numbers by chance.
        attributes = self.forecaster.attributes
        kinds: dict[str, Kind] = {
            name: "number" if name in numeric else "string" for name in attributes
        }
        return self._items(source, kinds, skip, self.more)

    def _items(
        self,
        source: TableInput,
        known: dict[str, Kind],
        skip: Collection[int],
        more: Mapping[str, Kind],
    ) -> pd.DataFrame:
        made = self.forecaster
        columns = ItemsSettings(
            id=made.item_id,
            text=(made.text,) if isinstance(made.text, str) else tuple(made.text),
            launch_date=made.launch_date,
            attributes=tuple(made.attributes),
            categories=tuple(name for name in made.attributes if name in self.categories),
        )
        kinds = item_kinds(columns, known)
        for name in made.columns.naming:
            kinds.setdefault(name, "name")
        if made.columns.delist_date is not None:
            kinds[made.columns.delist_date] = "date"
        if self.called is not None:
            kinds.setdefault(self.called, "string")
        for name, kind in more.items():
            kinds.setdefault(name, kind)
        return read_input(source, kinds, made.item_id, skip=skip)

    def _launching_from(self, first: pd.Timestamp, items: pd.DataFrame) -> pd.DataFrame:
        launch = parse_dates(items[self.forecaster.launch_date])
        coming = items[launch >= first]
        if coming.empty:
            raise NothingToForecastError(
                f"no item launches on {first:%Y-%m-%d} or later, after the cutoff's period; "
                "choose an earlier cutoff, or name the new items"
            )
        return coming


@dataclass
class ScreenedLaunches:
    """Reads what `LaunchTables` reads; where bad rows are refused, it does nothing else.

    Attributes:
        tables: They read.
        quarantine: What becomes of bad rows.
    """

    tables: LaunchTables
    quarantine: Quarantine
    _left_out: set[str] = field(default_factory=set)
    _sources: dict[str, TableInput] = field(default_factory=dict)

    def items(self, source: TableInput) -> pd.DataFrame:
        """Return the items to learn from."""
        made, reader = self.tables.forecaster, self._reader
        self._sources["items"] = source

        def use(table: pd.DataFrame) -> None:
            reader.lives(reader.items(table))

        screened = self._screen("items", source, self.tables.items, use, id_col=made.item_id)
        self._left_out |= screened.bad_ids
        return screened.table

    def sales(
        self,
        source: TableInput,
        items: pd.DataFrame,
        role: Role = "sales",
        grid: Grid | None = None,
    ) -> Sales:
        """Return what items sold, checked.

        Args:
            source: The table. Sales of items in quarantine are left out, too.
            items: All items there are.
            role: What the table is to the job.
            grid: The periods of the sales before those observed.
        """
        made, reader = self.tables.forecaster, self._reader
        of_new = role == "observed"
        self._sources[role] = source
        with self.named():
            known = reader.items(items, "new_items" if of_new else "items")

            def ask(table: pd.DataFrame) -> Asked[Sales]:
                if of_new and table.empty:
                    return _Nothing(reader.sales_so_far(items, table, _known(grid)))
                return reader.sieved(known, table, grid)

            def ignore(table: pd.DataFrame) -> pd.Series[bool]:
                ids = table[made.columns.id_col].astype(str)
                orphans: pd.Series[bool] = ids.isin(self._left_out)
                if orphans.any():
                    _log.warning("sales of quarantined items left out", rows=int(orphans.sum()))
                return orphans

            screened = self.quarantine.sieve(role, source, self.tables.sales, ask, ignore=ignore)
        return self._hiding(screened.result, screened.bad, source)

    def named(self) -> AbstractContextManager[None]:
        """Put the files read so far into messages of those who know only their roles."""
        return naming_tables(**self._sources)

    def plan(self, source: TableInput | None) -> pd.DataFrame | None:
        """Return the plans, if there are any."""
        if source is None or not self.quarantine.is_on:
            return self.tables.plan(source)
        made = self.tables.forecaster

        def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
            table = self.tables.plan(there, skip)
            assert table is not None
            return table

        def use(table: pd.DataFrame) -> None:
            plan_array(
                table,
                np.empty(0, dtype=object),
                np.empty(0, dtype=np.int64),
                self._grid(table[made.columns.time_col]),
                made.horizon,
                covariates=made.columns.covariates,
                id_col=made.columns.id_col,
                time_col=made.columns.time_col,
            )

        return self._screen("future", source, read, use).table

    def new(
        self,
        source: TableInput | None,
        known: pd.DataFrame | None,
        cutoff: pd.Timestamp | str | None,
        sold: Sales | None,
    ) -> pd.DataFrame:
        """Return the items to forecast.

        Args:
            source: As in `LaunchTables.new`, like the next one.
            known: The items learned from.
            cutoff: A day in the last period seen; None: in the last one there is.
            sold: The sales that are learned from; None: the forecaster is fitted.
        """
        made, reader = self.tables.forecaster, self._reader
        if sold is None:
            grid, end = made.panel_.grid, made.panel_.end
            first = grid.dates(np.array([end + 1]))[0]
        else:
            grid, end, first = sold.grid, sold.end(cutoff), sold.first_after(cutoff)
        if source is not None:
            self._sources["new_items"] = source
        if source is None or not self.quarantine.is_on:
            return self.tables.new(source, known, first)
        rule = f"must lie after the cutoff's period {grid.dates(np.array([end]))[0]:%Y-%m-%d}"

        def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
            return self.tables.new(there, known, first, skip)

        def use(table: pd.DataFrame) -> None:
            dates = reader.items(table, "new_items")[made.launch_date]
            period = grid.index(pd.DatetimeIndex(dates))
            late = np.flatnonzero((period <= end) | (period == NEVER))
            if len(late):
                found = dates.iloc[late].tolist()
                offense = Offense("new_items", late.tolist(), made.launch_date, rule, found)
                raise TableError(f"new_items: {made.launch_date} {rule}", [offense])

        screened = self._screen("new_items", source, read, use, id_col=made.item_id)
        self._left_out |= screened.bad_ids
        return screened.table

    def _screen(
        self,
        role: Role,
        source: TableInput,
        read: Callable[[TableInput, Collection[int]], pd.DataFrame],
        use: Callable[[pd.DataFrame], None],
        *,
        id_col: str | None = None,
        ignore: Callable[[pd.DataFrame], pd.Series[bool]] | None = None,
    ) -> Screened[None]:
        if not self.quarantine.is_on:  # the forecaster checks what it is given
            return Screened(read(source, ()), None)
        return self.quarantine.screen(role, source, read, use, id_col=id_col, ignore=ignore)

    @property
    def _reader(self) -> Reader:
        return self.tables.forecaster.reader

    def _grid(self, dates: pd.Series[pd.Timestamp]) -> Grid:
        """Return the periods, from that of the first of some dates on."""
        first = parse_dates(dates).min()
        return Grid.around(self._reader.freq, pd.Timestamp(0) if pd.isna(first) else first)

    def _hiding(self, sold: Sales, bad: pa.Table, source: TableInput) -> Sales:
        """Return sales in which what bad rows were about is unknown, as far as it can be read."""
        columns = self.tables.forecaster.columns
        if not bad.num_rows:
            return sold
        dates = parse_dates(bad[columns.time_col].to_pandas(), format_of(source).date_format)
        return sold.hiding(texts_of(bad, columns.id_col), dates)


@dataclass(frozen=True)
class _Nothing:
    """A table without a row, of which there is nothing to ask."""

    made: Sales
    offenses: tuple[Offense, ...] = ()

    def clean(self) -> Sales:
        return self.made

    kept = clean


def _known(grid: Grid | None) -> Grid:
    assert grid is not None
    return grid
