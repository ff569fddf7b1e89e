"""What several launches sell together.

Means add. Quantiles do not: they are those of the sum of courses drawn for all launches together.
The draws are independent but for one factor that all share, as large as launches of one period were
found to miss together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats, Grid, Ints
from forecasting.forecasts import quantile_names
from forecasting.models.sample_paths import Paths

NO_GROUP = "(none)"

_DRAWS = 2000
_BLOCK = 256  # launches whose draws are held in memory at once


@dataclass(frozen=True)
class Sums:
    """Sums over n launches.

    Attributes:
        paths: Their courses.
        shock: Standard deviation of the logarithm of the shared factor.
        quantiles: Levels.
        seed: Of the draws.
    """

    paths: Paths
    shock: float
    quantiles: Sequence[float]
    seed: int

    def table(
        self,
        groups: pd.Series,
        period: Ints,
        grid: Grid,
        cutoff: pd.Timestamp,
        *,
        by_period: bool,
    ) -> pd.DataFrame:
        """Sum by group, in the order of their names; launches without one are a group, too.

        Args:
            groups: (n,) the group of each launch; missing or blank where it has none.
            period: (n,) their periods of launch.
            grid: The periods.
            cutoff: For the table.
            by_period: Sum each calendar period on its own, instead of the whole horizons.

        Returns:
            group, cutoff, ds (by period), n_items, mean and a column per quantile.
        """
        parts = []
        for number, (name, chosen) in enumerate(members(groups)):
            start = period[chosen] if by_period else np.zeros(len(chosen), dtype=np.int64)
            parts.append(self._sum(chosen, start, number, by_period).assign(group=name))
        columns = ["group", "cutoff", *(["ds"] if by_period else []), "n_items", "mean"]
        names = quantile_names(self.quantiles)
        if not parts:
            return pd.DataFrame(columns=[*columns, *names])
        table = pd.concat(parts, ignore_index=True).assign(cutoff=cutoff)
        if by_period:
            table["ds"] = grid.dates(table["period"].to_numpy(dtype=np.int64))
        return table[[*columns, *names]]

    def _sum(self, rows: Ints, start: Ints, number: int, by_period: bool) -> pd.DataFrame:
        """One group: a row per period, or one."""
        horizon = self.paths.curves.shape[1]
        first = int(start.min())
        width = int(start.max()) - first + horizon if by_period else 1
        rng = np.random.default_rng([self.seed, number])
        shared = np.exp(self.shock * rng.standard_normal(_DRAWS) - self.shock**2 / 2)
        drawn, mean = np.zeros((_DRAWS, width)), np.zeros(width)
        for begin in range(0, len(rows), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            paths = self.paths[rows[block]]
            courses, expected = paths.sample(_DRAWS, rng), paths.mean()
            if not by_period:
                drawn[:, 0] += courses.sum(axis=(1, 2))
                mean[0] += expected.sum()
                continue
            for row, at in enumerate(start[block] - first):
                drawn[:, at : at + horizon] += courses[:, row]
                mean[at : at + horizon] += expected[row]
        drawn = self.paths.rounded(drawn * shared[:, None])
        table = pd.DataFrame(
            np.quantile(drawn, list(self.quantiles), axis=0, method="inverted_cdf").T,
            columns=quantile_names(self.quantiles),
        )
        return table.assign(period=first + np.arange(width), n_items=len(rows), mean=mean)


def members(groups: pd.Series) -> list[tuple[Any, Ints]]:
    """Return each group with its rows, in the order of names; rows without a name come last.

    They are the group ``(none)``: what is summed by group adds up to what is summed at all.
    """
    nameless = groups.isna() | (groups.astype(object).astype(str).str.strip() == "")
    groups = groups.reset_index(drop=True)[~nameless.to_numpy()]
    found: list[tuple[Any, Ints]] = [
        (group, rows.index.to_numpy(dtype=np.int64))
        for group, rows in groups.groupby(groups, sort=True, observed=True)
    ]
    rows = np.flatnonzero(nameless.to_numpy())
    if len(rows):
        same = [own for group, own in found if group == NO_GROUP]
        found = [(group, own) for group, own in found if group != NO_GROUP]
        found.append((NO_GROUP, np.sort(np.concatenate([rows, *same]))))
    return found


def summed(came: Floats, groups: pd.Series) -> pd.Series:
    """Sum what came as `Sums.table` does for whole horizons: by group, in the same order."""
    total = came.sum(axis=1)
    return pd.Series({group: total[rows].sum() for group, rows in members(groups)})
