"""Score a forecaster and its baselines on launches it had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from sklearn.base import clone

from forecasting.baselines import BASELINES
from forecasting.forecaster import LaunchForecaster
from forecasting.metrics import paired_difference, score
from forecasting.panel import NEVER
from retrieval import InputError

NAME = "LaunchForecaster"


@dataclass(frozen=True)
class BacktestResult:
    """Forecasts of all methods beside what came.

    Attributes:
        predictions: The forecasts table of every method: method, unique_id, cutoff, ds, age, y,
            mean, quantiles.
        totals: The same for the sum over the horizon: method, unique_id, cutoff, y, mean,
            quantiles.
        quantiles: The levels forecast.
        forecaster: As fitted at the last cutoff, to explain its forecasts.
    """

    predictions: pd.DataFrame
    totals: pd.DataFrame
    quantiles: tuple[float, ...]
    forecaster: LaunchForecaster

    @property
    def forecasts(self) -> pd.DataFrame:
        """The forecasts table of LaunchForecaster alone."""
        ours = self.predictions[self.predictions["method"] == NAME]
        return ours.drop(columns=["method", "y"]).reset_index(drop=True)

    @property
    def metrics(self) -> pd.DataFrame:
        """The scores of each cutoff on its own; index cutoff and method."""
        return pd.concat(
            {
                cutoff: score(
                    totals, self.predictions[self.predictions["cutoff"] == cutoff], self.quantiles
                )
                for cutoff, totals in self.totals.groupby("cutoff")
            },
            names=["cutoff"],
        )

    def compare(self, *, seed: int = 0) -> pd.DataFrame:
        """Compare all methods over all cutoffs together.

        Returns:
            Index method; the columns of `forecasting.metrics.score`, and against LaunchForecaster
            those of `forecasting.metrics.paired_difference` (missing in its own row).
        """
        scores = score(self.totals, self.predictions, self.quantiles)
        return scores.join(paired_difference(self.totals, NAME, seed=seed))


def backtest(
    forecaster: LaunchForecaster,
    items: pd.DataFrame,
    sales: pd.DataFrame,
    cutoffs: Sequence[pd.Timestamp | str],
    *,
    last: pd.Timestamp | str | None = None,
) -> BacktestResult:
    """Fit at each cutoff and score the launches between it and the next one, beside every baseline.

    Every launch whose whole horizon has been observed is scored, whatever it sold.

    Args:
        forecaster: Its parameters are used; itself it stays as it is.
        items: As in `LaunchForecaster.fit`.
        sales: As in `LaunchForecaster.fit`, the periods to score included.
        cutoffs: Last periods seen.
        last: Latest launch date to score; None for the latest with a whole horizon.

    Raises:
        TableError: A table is not in order.
        InputError: A cutoff has no launch to score, or too few to learn from.
    """
    dates = sorted({pd.Timestamp(cutoff) for cutoff in cutoffs})
    if not dates:
        raise InputError("cutoffs is empty; pass at least one date")
    clean = forecaster._validate(items, "items")
    truth = forecaster._panel(clean, sales, None)
    curves = pd.DataFrame(truth.curves(forecaster.horizon), index=truth.ids)
    launch = pd.Series(truth.launch, index=truth.ids)
    if last is not None:
        launch = launch[launch <= truth.grid.index(pd.DatetimeIndex([last]))[0]]
    ids = clean[forecaster.item_id].to_numpy(dtype=object)
    bounds = [*truth.grid.index(pd.DatetimeIndex(dates)), NEVER]
    tables = []
    for cutoff, begin, end in zip(dates, bounds[:-1], bounds[1:], strict=True):
        between = launch.index[(launch > begin) & (launch <= end) & (launch != NEVER)]
        scored = curves.loc[between].dropna()
        if scored.empty:
            raise InputError(
                f"cutoff {cutoff:%Y-%m-%d}: no launch after it has {forecaster.horizon} "
                "observed periods"
            )
        fitted = clone(forecaster).fit(items, sales, cutoff=cutoff)
        tables.append(_forecast_all(fitted, items[pd.Index(ids).isin(scored.index)], scored))
    predictions = pd.concat([by_age for by_age, _ in tables], ignore_index=True)
    totals = pd.concat([total for _, total in tables], ignore_index=True)
    return BacktestResult(predictions, totals, tuple(forecaster.quantiles), fitted)


def _forecast_all(
    fitted: LaunchForecaster, cohort: pd.DataFrame, truth: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecast one cohort by every method, with what came: tables by age and of the total."""
    rows = fitted._launches(cohort)
    came = truth.loc[list(rows.ids)].to_numpy(dtype=float)
    methods = {NAME: fitted._forecast(rows)}
    methods |= {name: baseline(fitted, rows) for name, baseline in BASELINES.items()}
    by_age, totals = [], []
    for name, forecasts in methods.items():
        curve, total = fitted._tables(rows, forecasts)
        curve.insert(0, "method", name)
        total.insert(0, "method", name)
        by_age.append(curve.assign(y=came.ravel()))
        totals.append(total.assign(y=came.sum(axis=1)))
    return pd.concat(by_age, ignore_index=True), pd.concat(totals, ignore_index=True)
