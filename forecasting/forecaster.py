"""Forecasts for items without history, from the items they are like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from forecasting.analogues import AnalogueIndex, Pool
from forecasting.features import (
    LONGER,
    TEMPERATURE,
    History,
    Launches,
    analogue_curves,
    neighbor_features,
    own_features,
)
from forecasting.forecasts import Forecasts, curve_table, total_table
from forecasting.model import LaunchModel
from forecasting.panel import NEVER, Floats, Ints, Panel, build_panel
from retrieval import Encoder, InputError, ItemIndex, TableError
from retrieval.tables import item_texts, validate_items

_FEWEST_LAUNCHES = 30
_BLOCK = 4096  # rows whose analogues' curves are held in memory at once


class LaunchForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Launch curves with quantiles for new items, learned from like items.

    A launch is described by its nearest items in two pools, incumbents (their recent level) and
    earlier launches (their curves, as far as they had been seen), by its attributes and by the
    market; LightGBM turns that into the mean and the quantiles of every age and of the total.
    Training rows are built as of before each launch.

    Args:
        index: Where analogues are kept and searched; None for a temporary one.
        encoder: Turns texts into vectors; None for the default one. An index brings its own.
        freq: pandas frequency of the sales table; ``ds`` is the first day of its period.
        horizon: Periods to forecast, the one of launch included.
        quantiles: Levels between 0 and 1, ascending, 0.5 among them.
        text: Columns of the item table to embed.
        attributes: Further columns to learn from, known before launch: numbers, or categories.
        launch_date: Column of launch dates; missing for items that have always been there.
        item_id: Column of item ids.
        id_col: Column of item ids in the sales table.
        time_col: Column of periods in the sales table.
        target_col: Column of units in the sales table.
        k: Analogues per pool.
        max_lead: Largest number of unseen periods between the cutoff and a launch to prepare for.
        seed: Of all sampling.
        n_jobs: Threads of LightGBM; None for one where the data is small, else all cores.
    """

    def __init__(
        self,
        index: ItemIndex | None = None,
        encoder: Encoder | None = None,
        *,
        freq: str = "W-MON",
        horizon: int = 12,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        text: str | Sequence[str] = ("name", "description"),
        attributes: Sequence[str] = (),
        launch_date: str = "launch_date",
        item_id: str = "item_id",
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        k: int = 50,
        max_lead: int = 3,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.freq = freq
        self.horizon = horizon
        self.quantiles = quantiles
        self.text = text
        self.attributes = attributes
        self.launch_date = launch_date
        self.item_id = item_id
        self.id_col = id_col
        self.time_col = time_col
        self.target_col = target_col
        self.k = k
        self.max_lead = max_lead
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(
        self,
        items: pd.DataFrame,
        sales: pd.DataFrame,
        cutoff: pd.Timestamp | str | None = None,
    ) -> Self:
        """Learn from what had been seen at the end of the cutoff's period.

        Items launched later, and sales with ``ds`` after the cutoff, are checked for form and not
        used.

        Args:
            items: One row an item: id, texts, launch date, attributes.
            sales: Long table of units by item and period; periods without a row are zeros.
            cutoff: The last period seen; None for the last one of the sales table.

        Raises:
            TableError: A table is not in order; the message lists the first offenders.
            InputError: A parameter cannot be right, or too few launches had been seen by the
                cutoff.
        """
        self._check_parameters()
        clean = self._validate(items, "items")
        panel = self._panel(clean, sales, cutoff)
        seen = clean.set_index(self.item_id).loc[list(panel.ids)]
        self.panel_ = panel
        self.cutoff_ = panel.grid.dates(np.array([panel.end]))[0]
        self.history_ = History(
            panel, seen[list(self.attributes)].reset_index(drop=True), self.horizon
        )
        texts = item_texts(seen, self.text)
        self.analogues_ = AnalogueIndex(self.index, self.encoder, panel, texts)
        self.launched_, self.training_ = self._training_rows(texts)
        features, reference = self._describe(self.training_)
        self.model_ = LaunchModel(self.quantiles, seed=self.seed, n_jobs=self.n_jobs)
        self.model_.fit(features, reference, self.history_.curves[self.launched_], self.launched_)
        return self

    def predict(self, new_items: pd.DataFrame) -> pd.DataFrame:
        """Forecast each new item from its launch on.

        Args:
            new_items: As in `fit`, all with a launch date after the cutoff's period.

        Returns:
            The forecasts table: unique_id, cutoff, ds, age, mean and a column per quantile, named
            by its level; items in the order given, ages ascending from 0, the period of launch.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: The table is not in order, or an item has no launch date after the cutoff.
        """
        rows = self._launches(new_items)
        return self._tables(rows, self._forecast(rows))[0]

    def predict_total(self, new_items: pd.DataFrame) -> pd.DataFrame:
        """Forecast the sum over the horizon of each new item.

        Its mean is the sum of the curve's means. Its quantiles are learned directly, because
        quantiles do not add: the medians of sparse demand are mostly zero at every age while the
        total's is not.

        Returns:
            unique_id, cutoff, mean and a column per quantile, in the order given.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        rows = self._launches(new_items)
        return self._tables(rows, self._forecast(rows))[1]

    def explain(self, new_items: pd.DataFrame) -> pd.DataFrame:
        """Show the analogues each forecast leans on.

        Returns:
            A row per new item and analogue: unique_id, analogue, pool (``incumbent`` or
            ``launch``), similarity, weight (sums to 1 over an item's pool), level (mean units over
            the last 8 periods up to the cutoff), curve (list of units by age as far as seen; None
            for incumbents).

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        rows = self._launches(new_items)
        incumbents, launches = self._find(rows)
        return pd.concat(
            [
                self._analogue_table(rows, incumbents, "incumbent"),
                self._analogue_table(rows, launches, "launch"),
            ],
            ignore_index=True,
        )

    def _forecast(self, rows: Launches) -> Forecasts:
        return self.model_.predict(*self._describe(rows), self.horizon)

    def _tables(self, rows: Launches, forecasts: Forecasts) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The forecasts table, by age, and that of the totals."""
        grid, cutoff, levels = self.panel_.grid, self.cutoff_, self.quantiles
        return (
            curve_table(forecasts, rows.ids, rows.period, grid, cutoff, levels),
            total_table(forecasts, rows.ids, cutoff, levels),
        )

    def _training_rows(self, texts: pd.Series) -> tuple[Ints, Launches]:
        """Every launch seen, as forecast at the shortest and at the longest lead.

        Returns:
            Positions (n,) in the panel, and the rows.
        """
        launch = self.panel_.launch
        launched, standing = [], []
        for lead in sorted({0, self.max_lead}):
            possible = np.flatnonzero((launch != NEVER) & (launch - 1 - lead >= 0))
            launched.append(possible)
            standing.append(launch[possible] - 1 - lead)
        items = np.concatenate(launched)
        finished = np.isfinite(self.history_.curves[np.unique(items), -1]).sum()
        if finished < _FEWEST_LAUNCHES:
            raise InputError(
                f"only {finished} launches had sold for {self.horizon} periods by "
                f"{self.cutoff_:%Y-%m-%d}; at least {_FEWEST_LAUNCHES} are needed to learn from"
            )
        unique, inverse = np.unique(items, return_inverse=True)
        vectors = self._encode(texts.iloc[unique])[inverse]
        attributes = self.history_.attributes.iloc[items].reset_index(drop=True)
        rows = Launches(
            self.panel_.ids[items], vectors, launch[items], np.concatenate(standing), attributes
        )
        return items, rows

    def _launches(self, new_items: pd.DataFrame) -> Launches:
        """Validate new items and stand them at the cutoff."""
        check_is_fitted(self)
        clean = self._validate(new_items, "new_items")
        period = self.panel_.grid.index(pd.DatetimeIndex(clean[self.launch_date]))
        late = np.flatnonzero((period == NEVER) | (period <= self.panel_.end))
        if len(late):
            shown = ", ".join(
                f"row {row + 1} ({clean[self.item_id].iloc[row]})" for row in late[:5]
            )
            raise TableError(
                f"new_items: {self.launch_date} must lie after the cutoff's period "
                f"{self.cutoff_:%Y-%m-%d}; it does not, or is missing, in {len(late)} rows: {shown}"
            )
        return Launches(
            ids=clean[self.item_id].to_numpy(dtype=object),
            vectors=self._encode(item_texts(clean, self.text)),
            period=period,
            standing=np.full(len(clean), self.panel_.end, dtype=np.int64),
            attributes=clean[list(self.attributes)],
        )

    def _describe(self, rows: Launches) -> tuple[pd.DataFrame, Floats]:
        """Features (n, f), and the analogues' curves (n, horizon) for the model to lean on."""
        incumbents, launches = self._find(rows)
        features, curves = [], []
        for start in range(0, max(len(rows), 1), _BLOCK):  # no row is one empty block
            block = slice(start, start + _BLOCK)
            part, near = rows[block], launches[block]
            features.append(neighbor_features(self.history_, part, incumbents[block], near))
            curves.append(analogue_curves(self.history_, part.standing, near))
        own = own_features(self.history_, rows)
        return own.join(pd.concat(features, ignore_index=True)), np.concatenate(curves)

    def _find(self, rows: Launches) -> tuple[Pool, Pool]:
        return self.analogues_.find(rows.vectors, rows.ids, rows.standing, self.k)

    def _analogue_table(self, rows: Launches, pool: Pool, name: str) -> pd.DataFrame:
        row, rank = np.nonzero(pool.valid)
        items, standing = pool.position[row, rank], rows.standing[row]
        curves: list[list[float] | None] = [None] * len(items)
        if name == "launch":
            seen = self.history_.curve(items, standing)
            curves = [curve[np.isfinite(curve)].tolist() for curve in seen]
        return pd.DataFrame(
            {
                "unique_id": rows.ids[row],
                "analogue": self.panel_.ids[items],
                "pool": name,
                "similarity": pool.similarity[row, rank],
                "weight": pool.weights(TEMPERATURE)[row, rank],
                "level": self.history_.level(items, standing, LONGER),
                "curve": pd.Series(curves, dtype=object),
            }
        )

    def _encode(self, texts: pd.Series) -> npt.NDArray[np.float32]:
        return self.analogues_.index.encoder.encode(texts.tolist())

    def _validate(self, items: pd.DataFrame, source: str) -> pd.DataFrame:
        return validate_items(
            items,
            item_id=self.item_id,
            text=self.text,
            launch_date=self.launch_date,
            attributes=self.attributes,
            source=source,
        )

    def _panel(
        self, items: pd.DataFrame, sales: pd.DataFrame, cutoff: pd.Timestamp | str | None
    ) -> Panel:
        return build_panel(
            sales,
            items[self.item_id],
            items[self.launch_date],
            freq=self.freq,
            cutoff=cutoff,
            id_col=self.id_col,
            time_col=self.time_col,
            target_col=self.target_col,
        )

    def _check_parameters(self) -> None:
        levels = list(self.quantiles)
        if levels != sorted(set(levels)) or 0.5 not in levels or not all(0 < q < 1 for q in levels):
            raise InputError(
                f"quantiles must ascend between 0 and 1 with 0.5 among them, got {levels}"
            )
        for name, least in (("horizon", 1), ("k", 1), ("max_lead", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.index is not None and self.encoder not in (None, self.index.encoder):
            raise InputError("index and encoder are both given; an index brings its own encoder")
