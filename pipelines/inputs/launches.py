"""The tables of a launch forecast, read in the columns that a forecaster needs.

A saved forecaster knows its columns itself, which is why they are asked of it and not of the
settings.

The tables of a launch forecast without their bad rows.

What a bad row of sales would have told is not known: where its item and period can be read, that
period counts as unknown, as if the item had been out of stock. Without a row it would count as
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import structlog
from pandas.tseries.frequencies import to_offset

from forecasting import NEVER, Grid, LaunchForecaster, Reader, item_lives, local_dates, plan_array
from pipelines.config.sections import ItemsSettings
from pipelines.inputs.bad_rows import Quarantine, Role, Screened, texts_of
from pipelines.inputs.items import TableInput, item_kinds, name_of, read_input
from pipelines.tables.reader import Kind
from retrieval import InputError, Offense, TableError

# A name that no table has by chance.
_KNOWN = "likewise: period is known"


class NothingToForecastError(InputError):
    """No item launches after the cutoff."""


_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class LaunchTables:
    """Reads tables for a forecaster; DataFrames stay as they are.

    Attributes:
        forecaster: It need not be fitted, unless a method says so.
        more: What the table of new items holds besides, for orders.
        are_named: Whether new items are a table of their own; else they are among the items.
    """

    forecaster: LaunchForecaster
    more: Mapping[str, Kind] = field(default_factory=dict)
    are_named: bool = False

    def items(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """Read the items to learn from; in all methods, `skip`: positions of rows to leave out."""
        return self._items(source, {}, skip, {} if self.are_named else self.more)

    def sales(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """Return a panel of sales."""
        columns = self.forecaster.columns
        kinds: dict[str, Kind] = {columns.id_col: "string", columns.time_col: "date"}
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
        kinds: dict[str, Kind] = {columns.id_col: "string", columns.time_col: "date"}
        kinds |= dict.fromkeys(columns.covariates, "number")
        return read_input(source, kinds, columns.id_col, skip=skip)

    def new(
        self,
        source: TableInput | None,
        known: pd.DataFrame | None,
        cutoff: pd.Timestamp | str | None,
        skip: Collection[int] = (),
    ) -> pd.DataFrame:
        """Return the items to forecast.

        Args:
            source: Their table; None: those of `known` that launch after the cutoff's period.
            known: The items learned from; None: the forecaster is fitted, and knows them.
            cutoff: None: that of the forecaster, which is fitted.
            skip: As in the others.

        Raises:
            NothingToForecastError: Nothing launches after the cutoff.
        """
        if source is None:
            assert known is not None
            return self._launching_after(cutoff or self.forecaster.cutoff_, known)
        learned = self.forecaster.history_.attributes if known is None else known
        numeric = learned.select_dtypes("number").columns
        # Those of a few new rows may all be missing, or look like numbers by chance.
        attributes = self.forecaster.attributes
        kinds: dict[str, Kind] = {
            name: "number" if name in numeric else "string" for name in attributes
        }
        return self._items(source, kinds, skip, self.more)

    def last_period(self, panel: pd.DataFrame, source: TableInput) -> pd.Timestamp:
        """Return the last day of a panel of sales that was read from `source`.

        Raises:
            TableError: There is none.
        """
        time_col = self.forecaster.columns.time_col
        last = panel[time_col].max()
        if panel.empty:
            raise TableError(f"{name_of(source, 'sales')}: the table has no rows")
        if pd.isna(last):
            raise TableError(f"{name_of(source, 'sales')}: no date in {time_col}")
        return pd.Timestamp(last)

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
        )
        kinds = item_kinds(columns, known)
        if made.columns.elsewhere is not None:
            kinds.setdefault(made.columns.elsewhere, "string")
        if made.columns.delist_date is not None:
            kinds[made.columns.delist_date] = "date"
        for name, kind in more.items():
            kinds.setdefault(name, kind)
        return read_input(source, kinds, made.item_id, skip=skip)

    def _launching_after(self, cutoff: pd.Timestamp | str, items: pd.DataFrame) -> pd.DataFrame:
        made = self.forecaster
        period = to_offset(made.freq)
        first = period.rollback(pd.Timestamp(cutoff).normalize()) + period
        coming = items[pd.to_datetime(items[made.launch_date]) >= first]
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

    def items(self, source: TableInput) -> pd.DataFrame:
        """Return the items to learn from."""
        made, reader = self.tables.forecaster, self._reader

        def use(table: pd.DataFrame) -> None:
            clean = reader.items(table)
            ends = None if made.columns.delist_date is None else clean[made.columns.delist_date]
            item_lives(clean[made.item_id], clean[made.launch_date], ends)

        screened = self._screen("items", source, self.tables.items, use, id_col=made.item_id)
        self._left_out |= screened.bad_ids
        return screened.table

    def sales(self, source: TableInput, items: pd.DataFrame, role: Role = "sales") -> pd.DataFrame:
        """Return a panel of sales.

        Args:
            source: The table. Sales of items in quarantine are left out, too.
            items: All items there are.
            role: What the table is to the job.
        """
        made, reader = self.tables.forecaster, self._reader
        if not self.quarantine.is_on:
            return self.tables.sales(source)
        known = reader.items(items, "new_items" if role == "observed" else "items")

        def use(table: pd.DataFrame) -> None:
            if role != "observed" or not table.empty:
                reader.panel(known, table, None)

        def ignore(table: pd.DataFrame) -> pd.Series[bool]:
            orphans: pd.Series[bool] = table[made.columns.id_col].astype(str).isin(self._left_out)
            if orphans.any():
                _log.warning("sales of quarantined items left out", rows=int(orphans.sum()))
            return orphans

        screened = self._screen(role, source, self.tables.sales, use, ignore=ignore)
        if not screened.bad.num_rows or screened.table.empty:
            return screened.table
        return self._with_unknown(screened.table, screened.bad, known)

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
        panel: pd.DataFrame | None,
    ) -> pd.DataFrame:
        """Return the items to forecast.

        Args:
            source: As in `LaunchTables.new`, like the next two.
            known: The items learned from.
            cutoff: The last day seen.
            panel: The sales that are learned from; None: the forecaster is fitted.
        """
        if source is None or not self.quarantine.is_on:
            return self.tables.new(source, known, cutoff)
        made, reader = self.tables.forecaster, self._reader
        end = made.cutoff_ if panel is None else self._last_seen(panel, cutoff)
        rule = f"must lie after the cutoff's period {end:%Y-%m-%d}"

        def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
            return self.tables.new(there, known, cutoff, skip)

        def use(table: pd.DataFrame) -> None:
            dates = reader.items(table, "new_items")[made.launch_date]
            late = np.flatnonzero(~(dates >= end + to_offset(made.freq)))
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
        first, freq = local_dates(dates).min(), self.tables.forecaster.freq
        first = pd.Timestamp(0) if pd.isna(first) else first.normalize()
        return Grid(freq, pd.Timestamp(to_offset(freq).rollback(first)))

    def _last_seen(self, panel: pd.DataFrame, cutoff: pd.Timestamp | str | None) -> pd.Timestamp:
        """Return the last period with sales by the cutoff, as the forecaster will find it."""
        days = pd.Series(local_dates(panel[self.tables.forecaster.columns.time_col]))
        grid = self._grid(days)
        periods = grid.index(days)
        if cutoff is not None:
            periods = periods[periods <= grid.index(pd.DatetimeIndex([pd.Timestamp(cutoff)]))[0]]
        end = periods.max() if len(periods) else 0
        return grid.dates(np.array([end]))[0]

    def _with_unknown(self, good: pd.DataFrame, bad: pa.Table, known: pd.DataFrame) -> pd.DataFrame:
        """Return the good rows, and a row out of stock for each period that bad ones were about."""
        made = self.tables.forecaster
        columns = made.columns
        grid = self._grid(good[columns.time_col])
        launch = pd.Series(
            grid.index(known[made.launch_date]), index=known[made.item_id].to_numpy()
        )
        rows = pd.DataFrame(
            {
                columns.id_col: texts_of(bad, columns.id_col),
                "period": grid.index(local_dates(bad[columns.time_col].to_pandas())),
            }
        ).drop_duplicates()
        rows = rows[rows[columns.id_col].isin(launch.index)]
        begun = launch[rows[columns.id_col]].to_numpy()
        last = grid.index(good[columns.time_col]).max()
        inside = (rows["period"] >= np.where(begun == NEVER, 0, begun)) & (rows["period"] <= last)
        rows = rows[inside & (rows["period"] >= 0)]
        dates = grid.dates(rows["period"].to_numpy())
        rows[columns.time_col] = _like(good[columns.time_col], dates)
        told = pd.DataFrame(
            {
                columns.id_col: good[columns.id_col].astype(str).to_numpy(),
                "period": grid.index(good[columns.time_col]),
            }
        )
        rows = rows.merge(told, how="left", on=[columns.id_col, "period"], indicator="there")
        rows = rows[rows["there"] == "left_only"].drop(columns=["there", "period"])
        if rows.empty:
            return good
        flag = columns.in_stock or _KNOWN
        _log.info("periods of bad sales rows count as unknown", rows=len(rows))
        stocked = good if flag in good else good.assign(**{flag: True})
        unknown = rows.assign(**{columns.target_col: np.nan, flag: False})
        unknown = unknown.reindex(columns=stocked.columns)
        both: pd.DataFrame = pd.concat([stocked, unknown], ignore_index=True)
        return both


def _like(column: pd.Series[pd.Timestamp], dates: pd.DatetimeIndex) -> pd.Index[pd.Timestamp]:
    """Dates of the kind that a column holds: timestamps with its time zone, days or texts."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return dates.tz_localize(column.dtype.tz)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return dates
    known = column.dropna()
    texts = len(known) and isinstance(known.iloc[0], str)
    return pd.Index(dates.strftime("%Y-%m-%d") if texts else dates.date)


@contextmanager
def telling_stock(tables: LaunchTables, sales: pd.DataFrame | None) -> Iterator[None]:
    """Lets the forecaster read the column that tells unknown periods, if the sales have one."""
    forecaster = tables.forecaster
    before = forecaster.columns
    if before.in_stock is None and sales is not None and _KNOWN in sales:
        forecaster.columns = replace(before, in_stock=_KNOWN)
    try:
        yield
    finally:
        forecaster.columns = before
