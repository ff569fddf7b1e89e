"""Launch forecasts by vote of the analogues alone: no training, always available.

The curves of the like launches, weighted by similarity and completed where they are not over yet,
each scaled by how much more (or less) the incumbents around the new item sell than those around the
analogue did when it was launched.
"""

from __future__ import annotations

import numpy as np

from forecasting.data.history import History, launched
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.features.analogues import Pool, Pools
from forecasting.features.completion import completed
from forecasting.models.sample_paths import Paths

_TEMPERATURE = 0.3  # the best for votes on Complete Journey; sharper ones follow too few launches
_LEVEL_FLOOR = 0.5  # in units of the market: below it two levels do not differ
_FURTHEST = 2.0


class LaunchVotes:
    """What launches had shown by the end of a panel, ready to vote.

    Args:
        history: The panel.
        level: (items,) level of the incumbents around each launch when it began, in units of the
            market; NaN where not known.
    """

    def __init__(self, history: History, level: Floats) -> None:
        self._history = history
        self._end = history.panel.end
        self.level = level
        started = launched(history.panel)
        started = started[np.isfinite(history.curves[started]).any(axis=1)]
        self._row = np.full(len(history.panel.ids), -1, dtype=np.int64)
        self._row[started] = np.arange(len(started))
        self.items = started
        launch = history.panel.launch[started]
        periods = launch[:, None] + np.arange(history.horizon)
        scale = history.outlook(np.maximum(launch - 1, 0), periods)
        self.curves = completed(history.even_curves[started] / scale)
        sold = history.curves[started]
        self._counts = bool((sold[np.isfinite(sold)] % 1 == 0).all())

    def predict(self, pools: Pools, scale: Floats, level: Floats) -> Paths:
        """Return the courses of n launches.

        Args:
            pools: Their analogues, standing at the panel's end.
            scale: (n, horizon) unit of the market that is expected at each age.
            level: (n,) level of their incumbents, in units of the market.
        """
        launches, incumbents = pools.launches, pools.incumbents
        weight = launches.weights_at(_TEMPERATURE)
        position = self._row[np.maximum(launches.position, 0)]
        weight = np.where(position >= 0, weight, 0.0)
        factor = self._factor(level, launches.position)
        curves, spoken = self.curves, weight.sum(axis=1) > 0
        if not spoken.all():
            position, weight, factor, curves = self._instead(
                position, weight, factor, incumbents, spoken
            )
        total = weight.sum(axis=1, keepdims=True)
        even = np.full_like(weight, 1 / weight.shape[1])
        return Paths(
            curves=curves,
            position=np.maximum(position, 0),
            weight=np.divide(weight, total, out=even, where=total > 0),
            factor=factor,
            scale=scale,
            counts=self._counts,
        )

    def _factor(self, level: Floats, position: Ints) -> Floats:
        theirs = self.level[np.maximum(position, 0)]
        moved = (level[:, None] + _LEVEL_FLOOR) / (theirs + _LEVEL_FLOOR)
        return np.clip(np.where(np.isfinite(moved), moved, 1.0), 1 / _FURTHEST, _FURTHEST)

    def _instead(
        self, position: Ints, weight: Floats, factor: Floats, incumbents: Pool, spoken: Bools
    ) -> tuple[Ints, Floats, Floats, Floats]:
        """Without a like launch: like incumbents, as if each sold on; without those nothing."""
        silent = np.flatnonzero(~spoken)
        pool = incumbents[silent]
        level = self._history.level(
            np.maximum(pool.position, 0),
            np.full(pool.position.shape, self._end),
            self._history.windows.longer,
        )
        unit = self._history.unit(np.array([self._end]))[0]
        known = pool.valid & np.isfinite(level)
        levels = np.where(known, level / unit, 0.0)
        flat = np.repeat(levels.reshape(-1, 1), self.curves.shape[1], axis=1)
        width = max(position.shape[1], pool.position.shape[1], 1)
        first = len(self.curves)
        more = ((0, 0), (0, width - position.shape[1]))
        position, weight, factor = (
            np.pad(position, more),
            np.pad(weight, more),
            np.pad(factor, more),
        )
        own = np.arange(len(flat)).reshape(len(silent), -1)
        position[silent, : own.shape[1]] = first + own
        weight[silent] = 0.0
        weight[silent, : own.shape[1]] = np.where(known, pool.weights, 0.0)
        factor[silent] = 1.0
        nothing = np.zeros((1, self.curves.shape[1]))
        mute = silent[weight[silent].sum(axis=1) <= 0]
        position[mute] = first + len(flat)
        return position, weight, factor, np.concatenate([self.curves, flat, nothing])
