"""Past launches as before their starts, to learn what launches sell beside like incumbents.

Incumbents have been on sale for long: a careful user looks at what past launches sold, over what
those like them sold then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Floats, Ints
from forecasting.features.analogues import Pool, Pools
from forecasting.forecasts import Forecasts
from forecasting.models.empirical import weighted_summary

FEWEST = 20  # launches that are over, to learn from
_MOST = 1_000  # the latest
_FLOOR = 0.05  # of the mean level


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
        """Whether there is something to learn from them."""
        return len(self.came) >= FEWEST

    @property
    def totals(self) -> Floats:
        """(n,) what they sold in all."""
        totals: Floats = self.came.sum(axis=1)
        return totals

    def rescaled(self, then: Floats, now: Floats, quantiles: Sequence[float]) -> Forecasts:
        """Forecast m launches by a rule for their level, in units of which past launches are told.

        Args:
            then: (n,) what the rule would have said of the past launches, as of their starts.
            now: (m,) what it says.
            quantiles: Levels.
        """
        floor = _FLOOR * then.mean() or 1.0  # of levels that cannot be divided by
        then, now = then + floor, now + floor
        weights = np.broadcast_to(then, (1, len(then)))

        def spread(came: Floats) -> tuple[float, Floats]:
            summed = weighted_summary((came / then)[None, :], weights, quantiles)
            return float(came.sum() / then.sum()), summed[1][0]

        ages = [spread(self.came[:, age]) for age in range(self.came.shape[1])]
        _, total = spread(self.totals)
        return Forecasts(
            now[:, None] * np.array([mean for mean, _ in ages]),
            now[:, None, None] * np.stack([levels for _, levels in ages]),
            now[:, None] * total,
        )


def chosen(history: History, launched: Ints, rows: Launches, most: int = _MOST) -> Ints:
    """Return the rows of the latest launches that are over, each at its shortest lead."""
    over = np.isfinite(history.curves[launched]).all(axis=1)
    over &= rows.period - rows.standing == 1
    found = np.flatnonzero(over)
    return found[np.argsort(rows.period[found], kind="stable")][-most:]


def typical_level(history: History, pool: Pool, standing: Ints, temperature: float) -> Floats:
    """(n,) geometric mean of the recent levels of like incumbents, by similarity; 0 if unknown."""
    items, when = pool.spread(standing)
    level = pool.masked(history.level(items, when, history.windows.longer))
    return _geometric(level, pool.softmax(temperature))


def typical_launch(curves: Floats, weight: Floats) -> Floats:
    """(n,) geometric mean of what launches sold a period, as far as seen; 0 if unknown.

    Args:
        curves: (n, k, horizon) of each one's like launches, NaN where not seen.
        weight: (n, k) how much each counts.
    """
    ages = np.isfinite(curves).sum(axis=2)
    summed = np.nan_to_num(curves).sum(axis=2)
    rate = np.divide(summed, ages, out=np.full(summed.shape, np.nan), where=ages > 0)
    return _geometric(rate, weight)


def _geometric(values: Floats, weight: Floats) -> Floats:
    """(n,) weighted geometric means of one more than (n, k) values, less one; 0 without any."""
    weight = np.where(np.isfinite(values), weight, 0.0)
    total = weight.sum(axis=1)
    logs = (np.log1p(np.nan_to_num(values)) * weight).sum(axis=1)
    mean: Floats = np.expm1(np.divide(logs, total, out=np.zeros_like(logs), where=total > 0))
    return mean
