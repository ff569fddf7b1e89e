"""Past launches as before their starts, to learn what launches sell beside like incumbents.

Incumbents have been on sale for long: a careful user looks at what past launches sold, over what
those like them sold then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Floats, Ints
from forecasting.features.analogues import Pool, Pools

FEWEST = 20  # launches that are over, to learn from
_MOST = 1_000  # the latest


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
    weight = np.where(np.isfinite(level), pool.softmax(temperature), 0.0)
    total = weight.sum(axis=1)
    logs = (np.log1p(np.nan_to_num(level)) * weight).sum(axis=1)
    mean: Floats = np.expm1(np.divide(logs, total, out=np.zeros_like(logs), where=total > 0))
    return mean
