"""The tables of a forecaster, checked and turned into what models learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.checks import check_columns, check_freq
from forecasting.data.attributes import as_known
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.groups import near_twins, told_groups
from forecasting.data.history import History, launched
from forecasting.data.items import item_lives
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Bools, Floats, Grid, Ints, Panel
from forecasting.data.plans import missing_plans, plan_array
from forecasting.data.sales import Sales, Sieved
from forecasting.features.doubts import doubts
from forecasting.updates.first_weeks import Observed
from retrieval import (
    Encoder,
    InputError,
    ItemIndex,
    Kind,
    Offense,
    TableError,
    item_texts,
    validate_items,
)

_NEW, _OBSERVED = "new_items", "observed"


@dataclass(frozen=True)
class Reader:
    """Reads tables; its attributes are what parameters of the same names say.

    Attributes:
        freq: As in `LaunchForecaster`, and so the others.
        horizon: Periods to forecast.
        text: Columns to embed.
        attributes: Columns to learn from.
        launch_date: Column of launch dates.
        item_id: Column of item ids.
        columns: What the other columns are called.
        rules: What awkward rows of sales mean.
        max_lead: The longest lead at which `past_launches` are described.
        kinds: What the attributes of new items hold: what those learned from did.
    """

    freq: str
    horizon: int
    text: str | Sequence[str]
    attributes: Sequence[str]
    launch_date: str
    item_id: str
    columns: Columns
    rules: SalesRules
    max_lead: int
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what no table can be read by.

        Raises:
            InputError: Something is no frequency, or a column has two meanings.
        """
        check_freq(self.freq)
        columns = self.columns
        if not isinstance(self.text, str):
            check_columns("text", self.text)
        taken = {
            "ids": self.item_id,
            "launch dates": self.launch_date,
            "last days on sale": columns.delist_date,
        }
        check_columns("attributes", self.attributes, taken)
        taken = {"ids": columns.id_col, "periods": columns.time_col}
        check_columns("covariates", columns.covariates, taken)

    def items(self, items: pd.DataFrame, source: str = "items") -> pd.DataFrame:
        """Validate items; the columns are those of `retrieval.items.validate_items`."""
        delist_date, naming = self.columns.delist_date, self.columns.naming
        fixed: dict[str, Kind] = dict.fromkeys(naming, "string")
        clean = validate_items(
            items,
            item_id=self.item_id,
            text=self.text,
            launch_date=self.launch_date,
            attributes=[*self.attributes, *naming],
            kinds={**(self.kinds if source == _NEW else {}), **fixed},
            source=source,
        )
        if delist_date is None:
            return clean
        if delist_date in items.columns:
            last_days = items[delist_date].to_numpy()
        elif source == _NEW:  # what has not begun need not say when it ends
            last_days = np.full(len(items), np.datetime64("NaT"), dtype="datetime64[ns]")
        else:
            raise TableError(f"{source}: missing column {delist_date}")
        return clean.assign(**{delist_date: last_days})

    def lives(self, items: pd.DataFrame, source: str = "items") -> pd.DataFrame:
        """Return when validated items are on sale, as `forecasting.data.items.item_lives` does."""
        delist_date = self.columns.delist_date
        ends = None if delist_date is None else items[delist_date]
        return item_lives(items[self.item_id], items[self.launch_date], ends, source)

    def sales(self, items: pd.DataFrame, sales: pd.DataFrame | Sales) -> Sales:
        """Return what validated items sold, checked; what has been checked stays as it is.

        Raises:
            TableError: The table is not in order.
            InputError: Sales that were checked are those of other items, or by other periods.
        """
        if not isinstance(sales, Sales):
            return self.sieved(items, sales).clean()
        if sales.grid.freq != self.freq or not sales.lives.equals(self.lives(items)):
            raise InputError("sales: they were checked for other items, or for another freq")
        return sales

    def sieved(self, items: pd.DataFrame, sales: pd.DataFrame, grid: Grid | None = None) -> Sieved:
        """Ask each row of a sales table of validated items.

        Args:
            items: The items; new ones where a grid is given.
            sales: Their sales, or what new items sold so far.
            grid: The periods of the sales that were before; None: the table makes its own.
        """
        return Sieved.read(
            sales,
            self.lives(items, "items" if grid is None else _NEW),
            freq=self.freq,
            columns=self.columns,
            rules=self.rules,
            grid=grid,
            source="sales" if grid is None else _OBSERVED,
        )

    def texts(self, items: pd.DataFrame) -> pd.Series:
        """Return what is embedded of each item."""
        return item_texts(items, self.text)

    def products(self, items: pd.DataFrame) -> npt.NDArray[np.object_] | None:
        """(n,) what each item is, wherever it is sold; None where that is not told."""
        column = self.columns.elsewhere
        return None if column is None else items[column].to_numpy(dtype=object)

    def groups(self, items: pd.DataFrame) -> Ints:
        """(n,) the same number for items that share their fate, told or recognized."""
        column = self.columns.shared
        if column is not None:
            return told_groups(items[column].to_numpy(dtype=object))
        return near_twins(self.texts(items), items[self.launch_date])

    def past_launches(
        self,
        history: History,
        products: npt.NDArray[np.object_] | None,
        groups: Ints,
        index: ItemIndex,
        future: pd.DataFrame | None,
    ) -> tuple[Ints, Launches]:
        """Every launch seen, as forecast at the shortest and at the longest lead.

        Args:
            history: What had been sold.
            products: (items,) in the order of its panel, or None.
            groups: (items,) in that order.
            index: Has the vectors of its items.
            future: The plans with which they began.

        Returns:
            Positions (n,) in the panel, and the rows.
        """
        panel = history.panel
        items, standing = [], []
        for lead in sorted({0, self.max_lead}):
            possible = launched(panel)
            possible = possible[panel.launch[possible] - 1 - lead >= 0]
            items.append(possible)
            standing.append(panel.launch[possible] - 1 - lead)
        position = np.concatenate(items)
        unique, inverse = np.unique(position, return_inverse=True)
        ids, period = panel.ids[position], panel.launch[position]
        return position, Launches(
            ids=ids,
            vectors=index.vectors(panel.ids[unique].tolist())[inverse],
            period=period,
            standing=np.concatenate(standing),
            attributes=history.attributes.iloc[position].reset_index(drop=True),
            first_share=panel.first_share[position],
            product=np.array(None) if products is None else products[position],
            plan=self._plan(future, ids, period, panel.grid),
            group=groups[position],
        )

    def new_launches(
        self,
        new_items: pd.DataFrame,
        history: History,
        encoder: Encoder,
        future: pd.DataFrame | None = None,
    ) -> Launches:
        """Validate new items and stand them at the end of the panel.

        Raises:
            TableError: The table is not in order, or an item is not launched after that.
        """
        panel = history.panel
        clean = self.items(new_items, _NEW)
        dates = pd.DatetimeIndex(clean[self.launch_date])
        period = panel.grid.index(dates)
        self._refuse_launched(clean, period, panel)
        ids = clean[self.item_id].to_numpy(dtype=object)
        products = self.products(clean)
        return Launches(
            ids=ids,
            vectors=encoder.encode(self.texts(clean).tolist()),
            period=period,
            standing=np.full(len(clean), panel.end, dtype=np.int64),
            attributes=as_known(clean, history.attributes, _NEW),
            first_share=panel.grid.first_share(dates),
            product=np.array(None) if products is None else products,
            plan=self._plan(future, ids, period, panel.grid),
            group=self.groups(clean),
        )

    def doubts(self, rows: Launches, history: History) -> list[str]:
        """Say what was not known of launches, as `forecasting.features.doubts` does."""
        lead = rows.period - rows.standing - 1
        return doubts(history, rows.attributes, lead, self.max_lead)

    def doubts_about(self, new_items: pd.DataFrame, history: History) -> list[str]:
        """Say the same of a table, without embedding its texts."""
        clean = self.items(new_items, _NEW)
        period = history.panel.grid.index(pd.DatetimeIndex(clean[self.launch_date]))
        attributes = as_known(clean, history.attributes, _NEW)
        return doubts(history, attributes, period - history.panel.end - 1, self.max_lead)

    def observed(
        self,
        new_items: pd.DataFrame,
        rows: Launches,
        observed: pd.DataFrame | Sales,
        until: pd.Timestamp | str | None,
        panel: Panel,
    ) -> Observed:
        """Return the first periods of new items, up to `until`, or else the table's last period.

        Args:
            new_items: Their table.
            rows: What was made of it.
            observed: What they sold so far.
            until: A date in the last period observed.
            panel: What had been seen before.
        """
        units = np.full((len(rows), self.horizon), np.nan)
        so_far = self.sales_so_far(new_items, observed, panel.grid).so_far(until, panel.usual)
        if so_far is not None:
            at = pd.Index(so_far.ids).get_indexer(pd.Index(rows.ids))
            units[at >= 0] = so_far.curves(self.horizon)[at[at >= 0]]
        return Observed(units)

    def sales_so_far(
        self, new_items: pd.DataFrame, observed: pd.DataFrame | Sales, grid: Grid
    ) -> Sales:
        """Return what new items sold so far, checked, by the periods of a grid.

        Raises:
            TableError: A table is not in order; the message calls them `observed` and `new_items`.
        """
        if isinstance(observed, Sales):
            return observed
        clean = self.items(new_items, _NEW)
        if observed.empty:
            return Sales.none(self.lives(clean, _NEW), grid, self.columns, _OBSERVED)
        return self.sieved(clean, observed, grid).clean()

    def missing_plans(
        self, rows: Launches, used: Bools, panel: Panel, future: pd.DataFrame | None
    ) -> list[str]:
        """Say which launches a plan does not reach, as `forecasting.data.plans` does.

        Args:
            rows: The launches; one may be there several times.
            used: (rows,) whether a plan counts as it is.
            panel: Has the periods.
            future: The plan.
        """
        if not self.columns.covariates:
            return []
        once = np.sort(np.unique(rows.ids.astype(str), return_index=True)[1]).astype(np.int64)
        return missing_plans(
            rows[once],
            used[once],
            panel.grid,
            future,
            covariates=self.columns.covariates,
            id_col=self.columns.id_col,
            time_col=self.columns.time_col,
        )

    def _refuse_launched(self, clean: pd.DataFrame, period: Ints, panel: Panel) -> None:
        late = np.flatnonzero((period == NEVER) | (period <= panel.end))
        if len(late) == 0:
            return
        ids = clean[self.item_id]
        shown = ", ".join(f"row {row + 1} ({ids.iloc[row]})" for row in late[:5])
        end = panel.grid.dates(np.array([panel.end]))[0]
        rule = f"must lie after the cutoff's period {end:%Y-%m-%d}"
        found = clean[self.launch_date].iloc[late].tolist()
        raise TableError(
            f"{_NEW}: {self.launch_date} {rule}; "
            f"it does not, or is missing, in {len(late)} rows: {shown}",
            [Offense(_NEW, late.tolist(), self.launch_date, rule, found)],
        )

    def _plan(
        self,
        future: pd.DataFrame | None,
        ids: npt.NDArray[np.object_],
        period: Ints,
        grid: Grid,
    ) -> Floats:
        if future is not None and not self.columns.covariates:
            raise InputError(
                "future: name its columns as covariates, columns=Columns(covariates=[...])"
            )
        return plan_array(
            future,
            ids,
            period,
            grid,
            self.horizon,
            covariates=self.columns.covariates,
            id_col=self.columns.id_col,
            time_col=self.columns.time_col,
        )
