"""From launches to what the models read: analogues, features, and the market to be expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Floats
from forecasting.features.analogues import AnalogueIndex, Pools
from forecasting.features.features import neighbor_features, own_features

_DIGITS = 6  # of features made of sales; beyond them trees would learn the unit of counting
_BLOCK = 2048  # rows whose analogues' curves are held in memory at once
_OF_MARKET = ("market_trend", "season_ahead")

Edit = Callable[[Launches, Pools], Pools]


@dataclass(frozen=True)
class Description:
    """What is known about n launches.

    Attributes:
        rows: The launches.
        pools: Their analogues, in all pools.
        features: (n, f) from themselves and from the pools in use.
        scale: (n, horizon) unit of the market to be expected at each age, less in a first period
            in which the item is on sale for a part only.
    """

    rows: Launches
    pools: Pools
    features: pd.DataFrame
    scale: Floats

    @property
    def level(self) -> Floats:
        """(n,) level of the incumbents around each, in units of the market."""
        if "incumbent_level" not in self.features:
            return np.full(len(self.rows), np.nan)
        level: Floats = np.expm1(self.features["incumbent_level"].to_numpy(dtype=np.float64))
        return level


@dataclass(frozen=True)
class Describer:
    """How launches are described.

    Attributes:
        history: What had been sold.
        analogues: Where like items are found.
        pools: Names of the pools in use.
        k: Analogues per pool.
        temperature: Of the softmax that turns similarity into weight.
        recency: Periods after which a launch counts half; None: they all count alike.
        quantiles: The levels to be forecast.
    """

    history: History
    analogues: AnalogueIndex
    pools: Sequence[str]
    k: int
    temperature: float
    recency: float | None
    quantiles: Sequence[float]

    def find(self, rows: Launches) -> Pools:
        """The analogues of launches, in all pools."""
        return self.analogues.find(
            rows,
            self.k,
            temperature=self.temperature,
            recency=self.recency,
            lately=self.history.windows.longer,
        )

    def describe(self, rows: Launches, edit: Edit | None = None) -> Description:
        """Describe launches; ``edit`` changes their analogues before features are made of them."""
        pools = self.find(rows)
        if edit is not None:
            pools = edit(rows, pools)
        parts = []
        for start in range(0, max(len(rows), 1), _BLOCK):  # no row is one empty block
            block = slice(start, start + _BLOCK)
            parts.append(neighbor_features(self.history, rows[block], pools[block], self.pools))
        own = own_features(self.history, rows)
        for name in _OF_MARKET:
            own[name] = own[name].to_numpy().round(_DIGITS)
        near = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        features = pd.concat([own, near.round(_DIGITS)], axis=1)
        return Description(rows, pools, features, self.scale(rows))

    def scale(self, rows: Launches) -> Floats:
        """(n, horizon) unit of the market to be expected at each age."""
        periods = rows.period[:, None] + np.arange(self.history.horizon)
        scale = self.history.outlook(rows.standing, periods)
        scale[:, 0] *= rows.first_share
        return scale
