"""What simple rules would have said of past launches, to learn how far off they are as a rule.

Neighbors tell the level of a launch in their own terms: incumbents have been on sale for long, and
neighbors by text sell more or less than those that are like them in truth. A careful user looks at
past launches and multiplies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Floats, Ints
from forecasting.features.analogues import Pool, Pools
from forecasting.forecasts import Forecasts

_FEWEST = 20  # launches that are over, to learn a factor from
_MOST = 1_000  # the latest
_FURTHEST = 10.0


@dataclass(frozen=True)
class PastLaunches:
    """Launches that are over, each as seen before its start.

    Attributes:
        rows: The n launches.
        pools: Their analogues then.
        items: (n,) their positions in the panel.
        came: (n, horizon) what they sold.
    """

    rows: Launches
    pools: Pools
    items: Ints
    came: Floats

    @property
    def enough(self) -> bool:
        """Whether a factor can be learned from them."""
        return len(self.came) >= _FEWEST

    @property
    def totals(self) -> Floats:
        """(n,) what they sold in all."""
        totals: Floats = self.came.sum(axis=1)
        return totals


def chosen(history: History, launched: Ints, rows: Launches) -> Ints:
    """Return the rows of the latest launches that are over, each at its shortest lead."""
    over = np.isfinite(history.curves[launched]).all(axis=1)
    over &= rows.period - rows.standing == 1
    found = np.flatnonzero(over)
    return found[np.argsort(rows.period[found], kind="stable")][-_MOST:]


def typical_level(history: History, pool: Pool, standing: Ints, temperature: float) -> Floats:
    """(n,) geometric mean of the recent levels of like incumbents, by similarity; 0 if unknown."""
    items, when = pool.spread(standing)
    level = pool.masked(history.level(items, when, history.windows.longer))
    weight = np.where(np.isfinite(level), pool.softmax(temperature), 0.0)
    total = weight.sum(axis=1)
    logs = (np.log1p(np.nan_to_num(level)) * weight).sum(axis=1)
    mean: Floats = np.expm1(np.divide(logs, total, out=np.zeros_like(logs), where=total > 0))
    return mean


def factors(mean: Floats, median: Floats, came: Floats) -> tuple[float, float]:
    """Return what forecasts (n,) of totals have to be multiplied by, to be right about the past.

    The mean by the ratio of sums; the median by the factor of least absolute error, which is the
    median of the ratios, each weighted by what it multiplies.
    """
    hoped, sold = float(np.nansum(mean)), float(came[np.isfinite(mean)].sum())
    by_mean = sold / hoped if hoped > 0 and sold > 0 else 1.0
    known = np.isfinite(median) & (median > 0)
    if not known.any():
        return float(np.clip(by_mean, 1 / _FURTHEST, _FURTHEST)), 1.0
    ratio = came[known] / median[known]
    order = np.argsort(ratio)
    reached = np.cumsum(median[known][order])
    by_median = float(ratio[order][np.searchsorted(reached, reached[-1] / 2)])
    low, high = 1 / _FURTHEST, _FURTHEST
    return float(np.clip(by_mean, low, high)), float(np.clip(by_median, low, high))


def rescaled(forecasts: Forecasts, by: tuple[float, float]) -> Forecasts:
    """Return forecasts with means and quantiles multiplied."""
    mean, median = by
    return Forecasts(
        forecasts.mean * mean, forecasts.quantiles * median, forecasts.total_quantiles * median
    )
