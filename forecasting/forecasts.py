"""The answer for n launches, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import Bools, Floats, Grid, Ints


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of n launches over a horizon.

    Means add up over ages, quantiles do not: the total has quantiles of its own.

    Attributes:
        mean: (n, horizon) expected units at each age.
        quantiles: (n, horizon, q), ascending along the last axis.
        total_quantiles: (n, q) of the sum over the horizon.
    """

    mean: Floats
    quantiles: Floats
    total_quantiles: Floats

    @property
    def total_mean(self) -> Floats:
        """(n,) expected units over the horizon."""
        total: Floats = self.mean.sum(axis=1)
        return total

    def where(self, rows: Bools, other: Forecasts) -> Forecasts:
        """Return those of (n,) rows, and another's of all others."""
        return Forecasts(
            np.where(rows[:, None], self.mean, other.mean),
            np.where(rows[:, None, None], self.quantiles, other.quantiles),
            np.where(rows[:, None], self.total_quantiles, other.total_quantiles),
        )

    def ordered(self) -> Forecasts:
        """Return the same with nothing below zero and quantiles ascending."""
        return Forecasts(
            mean=np.maximum(self.mean, 0.0),
            quantiles=np.sort(np.maximum(self.quantiles, 0.0), axis=-1),
            total_quantiles=np.sort(np.maximum(self.total_quantiles, 0.0), axis=-1),
        )


def quantile_names(quantiles: Sequence[float]) -> list[str]:
    """Return the columns of the quantiles: ``0.1``, ``0.5``, ``0.9``."""
    return [f"{level:g}" for level in quantiles]


def curve_table(
    forecasts: Forecasts,
    ids: npt.NDArray[np.object_],
    period: Ints,
    grid: Grid,
    cutoff: pd.Timestamp,
    quantiles: Sequence[float],
) -> pd.DataFrame:
    """Return the forecasts table: unique_id, cutoff, ds, age, mean and a column per quantile."""
    n, horizon = forecasts.mean.shape
    age = np.tile(np.arange(horizon), n)
    levels = forecasts.quantiles.reshape(n * horizon, len(quantiles))
    return pd.DataFrame(
        {
            "unique_id": pd.array(np.repeat(ids, horizon), dtype="str"),
            "cutoff": cutoff,
            "ds": grid.dates(np.repeat(period, horizon) + age),
            "age": age,
            "mean": forecasts.mean.ravel(),
            **dict(zip(quantile_names(quantiles), levels.T, strict=True)),
        }
    )


def total_table(
    forecasts: Forecasts,
    ids: npt.NDArray[np.object_],
    cutoff: pd.Timestamp,
    quantiles: Sequence[float],
) -> pd.DataFrame:
    """Totals over the horizon: unique_id, cutoff, mean and a column per quantile."""
    levels = forecasts.total_quantiles
    return pd.DataFrame(
        {
            "unique_id": pd.array(ids, dtype="str"),
            "cutoff": cutoff,
            "mean": forecasts.total_mean,
            **dict(zip(quantile_names(quantiles), levels.T, strict=True)),
        }
    )
