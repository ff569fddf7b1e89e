"""The tables of a forecaster, checked and turned into what models learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.checks import check_columns, check_freq
from forecasting.data.attributes import as_known
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.history import History, launched
from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Bools, Floats, Grid, Ints, Panel, build_panel
from forecasting.data.plans import missing_plans, plan_array
from forecasting.updates.first_weeks import Observed
from retrieval import (
    Encoder,
    InputError,
    ItemIndex,
    Offense,
    TableError,
    item_texts,
    validate_items,
)

_NEW = "new_items"
_FRAME = "\x1fframe"  # no item's id


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
        sales: What awkward rows of sales mean.
        max_lead: The longest lead at which `past_launches` are described.
    """

    freq: str
    horizon: int
    text: str | Sequence[str]
    attributes: Sequence[str]
    launch_date: str
    item_id: str
    columns: Columns
    sales: SalesRules
    max_lead: int

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
        elsewhere, delist_date = self.columns.elsewhere, self.columns.delist_date
        clean = validate_items(
            items,
            item_id=self.item_id,
            text=self.text,
            launch_date=self.launch_date,
            attributes=[*self.attributes, *([] if elsewhere is None else [elsewhere])],
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

    def panel(
        self, items: pd.DataFrame, sales: pd.DataFrame, cutoff: pd.Timestamp | str | None
    ) -> Panel:
        """Return what validated items sold until the cutoff; None: until the last row."""
        return build_panel(
            sales,
            items[self.item_id],
            items[self.launch_date],
            freq=self.freq,
            cutoff=cutoff,
            delisted=None if self.columns.delist_date is None else items[self.columns.delist_date],
            returns=self.sales.returns,
            repeats=self.sales.repeats,
            in_stock=self.columns.in_stock,
            before_launch=self.sales.before_launch,
            id_col=self.columns.id_col,
            time_col=self.columns.time_col,
            target_col=self.columns.target_col,
        )

    def texts(self, items: pd.DataFrame) -> pd.Series:
        """Return what is embedded of each item."""
        return item_texts(items, self.text)

    def products(self, items: pd.DataFrame) -> npt.NDArray[np.object_] | None:
        """(n,) what each item is, wherever it is sold; None where that is not told."""
        column = self.columns.elsewhere
        return None if column is None else items[column].to_numpy(dtype=object)

    def past_launches(
        self,
        history: History,
        products: npt.NDArray[np.object_] | None,
        index: ItemIndex,
        future: pd.DataFrame | None,
    ) -> tuple[Ints, Launches]:
        """Every launch seen, as forecast at the shortest and at the longest lead.

        Args:
            history: What had been sold.
            products: (items,) in the order of its panel, or None.
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
        )

    def observed(
        self,
        new_items: pd.DataFrame,
        rows: Launches,
        observed: pd.DataFrame,
        until: pd.Timestamp | str | None = None,
    ) -> Observed:
        """Return the first periods of new items, up to `until`, or else the table's last period."""
        if observed.empty and until is None:
            return Observed(np.full((len(rows), self.horizon), np.nan))
        panel = self.observed_panel(new_items, observed, until)
        curves = panel.curves(self.horizon).astype(np.float64)
        at = pd.Index(panel.ids).get_indexer(pd.Index(rows.ids))
        return Observed(np.where((at >= 0)[:, None], curves[at], np.nan))

    def observed_panel(
        self,
        new_items: pd.DataFrame,
        observed: pd.DataFrame,
        until: pd.Timestamp | str | None = None,
    ) -> Panel:
        """Return what new items sold so far, up to `until`, or else the table's last period.

        Raises:
            TableError: A table is not in order; the message calls them `observed` and `new_items`.
        """
        clean, observed = self._framed(self.items(new_items, _NEW), observed, until)
        try:
            return self.panel(clean, observed, until)
        except TableError as error:
            table, _, rest = str(error).partition(":")
            source = {"sales": "observed", "items": _NEW}.get(table, table)
            raise TableError(f"{source}:{rest}", error.offenses) from error

    def last_observed(
        self,
        new_items: pd.DataFrame,
        observed: pd.DataFrame,
        until: pd.Timestamp | str | None = None,
    ) -> pd.Timestamp | None:
        """Find the last period of which sales so far tell, for who asks about parts of the items.

        Raises:
            TableError: As in `observed_panel`.
        """
        if observed.empty and until is None:
            return None
        panel = self.observed_panel(new_items, observed, until)
        return panel.grid.dates(np.array([panel.end]))[0]

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

    def _framed(
        self, clean: pd.DataFrame, observed: pd.DataFrame, until: pd.Timestamp | str | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Items and sales with one item more, there before the first launch, and in `until`.

        A table tells of the periods from its first row to its last, whatever items these are of.
        """
        offset = pd.tseries.frequencies.to_offset(self.freq)
        days = {offset.rollback(clean[self.launch_date].min().normalize()) - offset}
        if until is not None:
            last = offset.rollback(pd.Timestamp(until).tz_localize(None).normalize())
            days = {min(*days, last), last}
        item = {self.item_id: [_FRAME], self.launch_date: [min(days)]}
        columns = self.columns
        rows = pd.DataFrame(
            {columns.id_col: _FRAME, columns.time_col: sorted(days), columns.target_col: 0.0}
        )
        if observed.empty:
            flag = columns.in_stock
            rows = rows if flag is None else rows.assign(**{flag: True})
        else:  # a column that is not there is to be missed
            there = [name for name in rows if name in observed.columns]
            rows = pd.concat([observed, rows[there]], ignore_index=True)
        return pd.concat([clean, pd.DataFrame(item)], ignore_index=True), rows

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
