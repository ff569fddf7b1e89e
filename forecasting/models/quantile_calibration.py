"""Levels at which forecast distributions have to be read so that their quantiles hold.

Distributional conformal prediction (Chernozhukov, Wüthrich and Zhu 2021): of past launches that the
model had not seen it is known at which level of their forecast what came turned out to lie. The
level under which a tenth of them lay is where the 0.1 quantile is read. Quantiles read from one
distribution at ascending levels cannot cross.

Counts tie with their forecast: what came then covers a range of levels, and counts in each with the
share of the range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from forecasting.blocks import by_block
from forecasting.data.panel import Floats, Ints
from forecasting.forecasts import Forecasts
from forecasting.models.sample_paths import Paths, quantiles

_GRID = np.linspace(0.0, 1.0, 2001)
_FEWEST = 50  # launches that a third needs, those of one group counted once
_PRIOR = 50.0  # launches' worth of belief that the distribution is right as it is
_AGE_GROUPS = 8
_STEP = 1e-4  # ranges narrower than this are one level
_EVEN = np.arange(1, 20) / 20


@dataclass(frozen=True)
class Calibration:
    """Where to read quantiles.

    Attributes:
        nominal: (q,) the levels wanted.
        edges: (g - 1,) expected totals that part the groups of launches, ascending.
        totals: (g, q) levels for the total, by group.
        ages: (horizon, q) levels for each age.
        even: (g, 19) levels for the 0.05, 0.1, ..., 0.95 quantiles of the total, by group.
    """

    nominal: Floats
    edges: Floats
    totals: Floats
    ages: Floats
    even: Floats

    @classmethod
    def none(cls, levels: Sequence[float], horizon: int) -> Calibration:
        """Read every quantile at its own level."""
        nominal = np.asarray(levels, dtype=np.float64)
        ages = np.tile(nominal, (horizon, 1))
        return cls(nominal, np.empty(0), nominal[None, :], ages, _EVEN[None, :])

    @classmethod
    def learn(
        cls,
        levels: Sequence[float],
        expected: Floats,
        weight: Floats,
        total: tuple[Floats, Floats],
        ages: tuple[Floats, Floats],
        group: Ints,
    ) -> Calibration:
        """Learn the levels from n launches that the model had not seen.

        Args:
            levels: Those wanted, ascending.
            expected: (n,) the mean forecast of their totals.
            weight: (n,) how much each counts.
            total: (n,) probability that had been given to less than the total that came, and to at
                most that.
            ages: (n, horizon) the same for each age.
            group: (n,) the same number for launches that share their fate, and so count less.
        """
        nominal = np.asarray(levels, dtype=np.float64)
        thirds = 3 if len(np.unique(group)) >= 3 * _FEWEST else 1
        edges = (
            np.quantile(expected, np.arange(1, thirds) / thirds) if len(expected) else np.empty(0)
        )
        third = np.searchsorted(edges, expected, side="right")
        wanted = np.concatenate([nominal, _EVEN])
        totals = np.array(
            [
                _levels(total[0][one], total[1][one], weight[one], group[one], wanted)
                for one in (third == number for number in range(thirds))
            ]
        )
        horizon = ages[0].shape[1]
        by_age = np.empty((horizon, len(nominal)))
        for some in np.array_split(np.arange(horizon), min(_AGE_GROUPS, horizon)):
            by_age[some] = _levels(
                ages[0][:, some].ravel(),
                ages[1][:, some].ravel(),
                np.repeat(weight / len(some), len(some)),
                np.repeat(group, len(some)),
                nominal,
            )
        q = len(nominal)
        return cls(nominal, edges, totals[:, :q], by_age, totals[:, q:])

    def widened(self, times: float) -> Calibration:
        """Return the same with what comes so many times further from its median, as scores go."""

        def wider(levels: Floats, wanted: Floats) -> Floats:
            at = np.clip(levels, _STEP, 1 - _STEP)
            moved: Floats = norm.cdf(norm.ppf(at) + (times - 1) * norm.ppf(wanted))
            return moved

        return replace(
            self,
            totals=wider(self.totals, self.nominal),
            ages=wider(self.ages, self.nominal),
            even=wider(self.even, _EVEN),
        )

    def read_at(self, expected: Floats, levels: Floats) -> Floats:
        """(draws, n) levels at which totals are read so that they come out at the levels given.

        Args:
            expected: (n,) mean forecasts of the totals.
            levels: (draws, n) between 0 and 1.
        """
        third = np.searchsorted(self.edges, expected, side="right")
        out = np.empty_like(levels)
        for number, even in enumerate(self.even):
            at = third == number
            out[:, at] = np.interp(levels[:, at], [0, *_EVEN, 1], [0, *even, 1])
        return out

    def came_at(self, expected: Floats, found: Floats) -> Floats:
        """(n,) the inverse: at which levels totals came out that lay at some in their forecast."""
        third = np.searchsorted(self.edges, expected, side="right")
        out = np.empty_like(found)
        for number, even in enumerate(self.even):
            at = third == number
            out[at] = np.interp(found[at], [0, *even, 1], [0, *_EVEN, 1])
        return out

    def read(self, paths: Paths) -> Forecasts:
        """Mean and quantiles of every age and of the total of n launches."""
        parts = by_block(len(paths), paths.block_size, lambda block: self._read(paths[block]))
        mean, by_age, totals = zip(*parts, strict=True)
        return Forecasts(
            np.concatenate(mean), np.concatenate(by_age), np.concatenate(totals)
        ).ordered()

    def _read(self, paths: Paths) -> tuple[Floats, Floats, Floats]:
        mean = paths.mean()
        size = paths.size(mean.sum(axis=1))
        group: Ints = np.searchsorted(self.edges, size, side="right")
        totals = quantiles(paths.totals(), paths.weight, self.totals[group])
        by_age = [
            quantiles(paths.age(age), paths.weight, np.tile(levels, (len(paths), 1)))
            for age, levels in enumerate(self.ages)
        ]
        return mean, np.stack(by_age, axis=1), totals


def _levels(below: Floats, up_to: Floats, weight: Floats, group: Ints, nominal: Floats) -> Floats:
    """Find the levels at which the nominal shares of what came lie, nearer nominal if few came."""
    if not len(below):
        return nominal
    share = _reached(below, up_to, weight)
    found = np.interp(nominal, share / weight.sum(), _GRID)
    shared = np.bincount(np.unique(group, return_inverse=True)[1], weight)
    count = shared.sum() ** 2 / (shared**2).sum()
    trust = count / (count + _PRIOR)
    levels: Floats = trust * found + (1 - trust) * nominal
    return levels


def _reached(below: Floats, up_to: Floats, weight: Floats) -> Floats:
    """Weight of what lies under each level of the grid; each row is spread over its range.

    A sum of ramps, from below to up_to, is the sum of those begun less the sum of those ended.
    """
    step = up_to - below < _STEP
    middle = (below[step] + up_to[step]) / 2
    steps = np.cumsum(np.r_[0.0, weight[step][np.argsort(middle)]])
    share: Floats = steps[np.searchsorted(np.sort(middle), _GRID, side="right")]
    begin, end = below[~step], up_to[~step]
    slope = weight[~step] / (end - begin)
    for starts, sign in ((begin, 1.0), (end, -1.0)):
        order = np.argsort(starts)
        started = np.searchsorted(starts[order], _GRID, side="right")
        slopes = np.cumsum(np.r_[0.0, slope[order]])[started]
        offsets = np.cumsum(np.r_[0.0, (slope * starts)[order]])[started]
        share += sign * (slopes * _GRID - offsets)
    return share
