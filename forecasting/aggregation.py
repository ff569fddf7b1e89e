"""What several launches sell together.

Means add. Quantiles do not: they are those of the sum of courses drawn for all launches together.
The draws are independent but for what launches share with each other: members of a group, launches
of a period, all that are forecast together (`SharedFate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Grid, Ints
from forecasting.forecasts import quantile_names
from forecasting.models.fitted import FittedForecaster
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.sample_paths import Paths
from forecasting.models.shared_fate import SharedFate, draw_together

NO_GROUP = "(none)"

_DRAWS = 2000
_TREES = 2.0  # times the variance of a mean over the same launches; on made-up markets 2 to 5
_BLOCK = 256  # launches whose draws are held in memory at once


@dataclass(frozen=True)
class Apart:
    """Those of n launches that another model answers for, as plans are known of some only.

    Attributes:
        rows: (n,) whether it answers.
        fate: What they have in common.
        calibration: At which levels their totals are read.
    """

    rows: Bools
    fate: SharedFate
    calibration: Calibration


@dataclass(frozen=True)
class Sums:
    """Sums over n launches.

    Attributes:
        paths: Their courses.
        rows: The launches.
        teachers: (curves,) the same number for curves of launches that shared their fate.
        fate: What they have in common.
        calibration: At which levels their totals are read.
        seed: Of the draws.
        kept: Draws of the share that is not taken from other items; None: all is told.
        apart: Those for which fate and calibration are others; None: there are none.
    """

    paths: Paths
    rows: Launches
    teachers: Ints
    fate: SharedFate
    calibration: Calibration
    seed: int
    kept: Floats | None = None
    apart: Apart | None = None

    @classmethod
    def of(
        cls,
        engine: FittedForecaster,
        paths: Paths,
        rows: Launches,
        seed: int,
        kept: Floats | None = None,
    ) -> Sums:
        """Sum launches as those who answer for them know them; arguments as the attributes."""
        lone, unplanned = engine.unplanned_among(rows), engine.unplanned
        apart = None
        if unplanned is not None and lone.any():
            apart = Apart(lone, unplanned.model.fate, unplanned.model.calibration)
        return cls(
            paths,
            rows,
            engine.teacher(paths),
            engine.fate_of(rows),
            engine.calibration_of(rows),
            seed,
            kept=kept,
            apart=apart,
        )

    def table(
        self,
        groups: pd.Series,
        grid: Grid,
        cutoff: pd.Timestamp,
        *,
        by_period: bool,
    ) -> pd.DataFrame:
        """Sum by group, in the order of their names; launches without one are a group, too.

        Args:
            groups: (n,) the group of each launch; missing or blank where it has none.
            grid: The periods.
            cutoff: For the table.
            by_period: Sum each calendar period on its own, instead of the whole horizons.

        Returns:
            group, cutoff, ds (by period), n_items, mean and a column per quantile.
        """
        parts = []
        for number, (name, chosen) in enumerate(members(groups)):
            start = self.rows.period[chosen] if by_period else np.zeros(len(chosen), dtype=np.int64)
            parts.append(self._sum(chosen, start, number, by_period).assign(group=name))
        columns = ["group", "cutoff", *(["ds"] if by_period else []), "n_items", "mean"]
        names = self.names
        if not parts:
            return pd.DataFrame(columns=[*columns, *names])
        table = pd.concat(parts, ignore_index=True).assign(cutoff=cutoff)
        if by_period:
            table["ds"] = grid.dates(table["period"].to_numpy(dtype=np.int64))
        return table[[*columns, *names]]

    @property
    def names(self) -> list[str]:
        """What the columns of quantiles are called."""
        return quantile_names(self.calibration.nominal.tolist())

    @property
    def _fates(self) -> list[SharedFate]:
        return [self.fate, *([] if self.apart is None else [self.apart.fate])]

    def _which(self, rows: Ints) -> Ints:
        """Return the number of the model that answers for each of some launches."""
        if self.apart is None:
            return np.zeros(len(rows), dtype=np.int64)
        return self.apart.rows[rows].astype(np.int64)

    def _weather(self, which: Ints) -> SharedFate:
        """Return the fate whose weather is that of some launches, on average of its variance."""
        if self.apart is None or not which.any():
            return self.fate
        if which.all():
            return self.apart.fate
        square = np.array([fate.calendar**2 for fate in self._fates])[which].mean()
        return replace(self.fate, calendar=float(np.sqrt(square)))

    def _read_at(self, which: Ints, size: Floats, level: Floats) -> Floats:
        """(draws, m) levels at which courses come out at the levels given."""
        if self.apart is None:
            return self.calibration.read_at(size, level)
        parts = [one.read_at(size, level) for one in (self.calibration, self.apart.calibration)]
        return np.where(which == 1, parts[1], parts[0])

    def _lean(self, rows: Ints) -> float:
        """How much of their luck forecasts have in common because they rest on the same launches.

        Correlation of weighted means over the same independent groups, times what trees err more
        than a mean does.
        """
        weight = np.zeros(self.teachers.max(initial=0) + 1)
        for begin in range(0, len(rows), _BLOCK):
            paths = self.paths[rows[begin : begin + _BLOCK]]
            at = self.teachers[paths.position].ravel()
            weight += np.bincount(at, paths.weight.ravel(), len(weight))
        return _TREES * float(((weight / len(rows)) ** 2).sum())

    def _sum(self, rows: Ints, start: Ints, number: int, by_period: bool) -> pd.DataFrame:
        """One group: a row per period, or one."""
        horizon = self.paths.curves.shape[1]
        first = int(start.min())
        width = int(start.max()) - first + horizon if by_period else 1
        rng = np.random.default_rng([self.seed, number])
        lean, which = self._lean(rows), self._which(rows)
        fates = [fate.leaning(lean) for fate in self._fates]
        launched, group = self.rows.period[rows], self.rows.group[rows]
        level = draw_together(fates, which, _DRAWS, launched, group, rng)
        drawn, mean = np.zeros((_DRAWS, width)), np.zeros(width)
        for begin in range(0, len(rows), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            paths = self.paths[rows[block]]
            expected = paths.mean()
            size = paths.size(expected.sum(axis=1))
            courses = paths.at(self._read_at(which[block], size, level[:, block]))
            if not by_period:
                drawn[:, 0] += courses.sum(axis=(1, 2))
                mean[0] += expected.sum()
                continue
            for row, at in enumerate(start[block] - first):
                drawn[:, at : at + horizon] += courses[:, row]
                mean[at : at + horizon] += expected[row]
        if by_period:
            drawn *= self._weather(which).weather(_DRAWS, width, rng)
        drawn = drawn * _centered(drawn, mean, len(rows))
        if self.kept is not None:
            drawn *= rng.choice(self.kept, (_DRAWS, 1))
            mean = mean * self.kept.mean()
        drawn = self.paths.rounded(drawn)
        table = pd.DataFrame(
            np.quantile(drawn, self.calibration.nominal, axis=0, method="inverted_cdf").T,
            columns=self.names,
        )
        return table.assign(period=first + np.arange(width), n_items=len(rows), mean=mean)


def _centered(drawn: Floats, mean: Floats, n: int) -> Floats:
    """Factors that bring draws toward the mean forecast, the more the more launches are summed.

    Calibration corrects the quantiles of single launches, whose mean is then another one; of many
    launches the sum is near the mean, and of one the quantiles are its own.
    """
    center = drawn.mean(axis=0)
    ratio = np.divide(mean, center, out=np.ones_like(mean), where=(center > 0) & (mean > 0))
    factors: Floats = ratio ** (1 - 1 / n)
    return factors


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
