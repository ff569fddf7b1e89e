"""The tables of a launch forecast, read in the columns that a forecaster needs.

A saved forecaster knows its columns itself, which is why they are asked of it and not of the
settings.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd
import structlog
from pandas.tseries.frequencies import to_offset

from forecasting import LaunchForecaster
from pipelines.config.sections import ItemsSettings
from pipelines.inputs.items import TableInput, item_kinds, name_of, read_input
from pipelines.tables.reader import Kind
from retrieval import InputError, TableError


class NothingToForecastError(InputError):
    """No item launches after the cutoff."""


_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class LaunchTables:
    """Reads tables for a forecaster; DataFrames stay as they are.

    Attributes:
        forecaster: It need not be fitted, unless a method says so.
    """

    forecaster: LaunchForecaster

    def items(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """The items to learn from; in all methods, `skip` are positions of rows to leave out."""
        return self._items(source, {}, skip)

    def sales(self, source: TableInput, skip: Collection[int] = ()) -> pd.DataFrame:
        """A panel of sales."""
        made = self.forecaster
        kinds: dict[str, Kind] = {made.id_col: "string", made.time_col: "date"}
        kinds[made.target_col] = "number"
        if made.in_stock is not None:
            kinds[made.in_stock] = "flag"
        return read_input(source, kinds, made.id_col, skip=skip)

    def plan(self, source: TableInput | None, skip: Collection[int] = ()) -> pd.DataFrame | None:
        """The plans, if there are any.

        Raises:
            InputError: There are, and no column of them is named.
        """
        made = self.forecaster
        if source is None:
            if made.covariates:
                _log.warning("no table of plans", covariates=list(made.covariates))
            return None
        if not made.covariates:
            name = name_of(source, "future")
            raise InputError(
                f"{name}: set forecast.covariates in the config, the columns of the plan to use"
            )
        kinds: dict[str, Kind] = {made.id_col: "string", made.time_col: "date"}
        kinds |= dict.fromkeys(made.covariates, "number")
        return read_input(source, kinds, made.id_col, skip=skip)

    def new(
        self,
        source: TableInput | None,
        known: pd.DataFrame | None,
        cutoff: pd.Timestamp | str | None,
        skip: Collection[int] = (),
    ) -> pd.DataFrame:
        """The items to forecast.

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
        return self._items(source, kinds, skip)

    def last_period(self, panel: pd.DataFrame, source: TableInput) -> pd.Timestamp:
        """The last day of a panel of sales that was read from `source`.

        Raises:
            TableError: There is none.
        """
        last = panel[self.forecaster.time_col].max()
        if panel.empty:
            raise TableError(f"{name_of(source, 'sales')}: the table has no rows")
        if pd.isna(last):
            raise TableError(f"{name_of(source, 'sales')}: no date in {self.forecaster.time_col}")
        return pd.Timestamp(last)

    def _items(
        self, source: TableInput, known: dict[str, Kind], skip: Collection[int]
    ) -> pd.DataFrame:
        made = self.forecaster
        columns = ItemsSettings(
            id=made.item_id,
            text=(made.text,) if isinstance(made.text, str) else tuple(made.text),
            launch_date=made.launch_date,
            attributes=tuple(made.attributes),
        )
        kinds = item_kinds(columns, known)
        if made.elsewhere is not None:
            kinds.setdefault(made.elsewhere, "string")
        if made.delist_date is not None:
            kinds[made.delist_date] = "date"
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
