"""The first weeks of sales, blended with what was expected before them, without training anew.

Bayes over courses: those that began as the launch did gain weight, and each is moved toward the
level observed. With nothing observed the forecast stays as it is; the more has been seen, the more
it counts. What is expected of the other weeks rises with what was sold in those observed: where few
courses began at that level, their shapes alone would let it fall.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.isotonic import isotonic_regression

from forecasting.blocks import by_block
from forecasting.data.panel import Bools, Floats
from forecasting.forecasts import Forecasts
from forecasting.models.sample_paths import Paths

# Chosen on past launches of Complete Journey, on the cutoffs the model was chosen on.
_SPREAD = 0.5  # standard deviation of the logarithm by which courses of one level differ
_NOISE = 0.5  # of counting, in units of the market
_FOLLOW = 0.8  # power with which a course follows the level observed
_FLOOR = 0.5  # in units of the market

_LEVELS = 32  # at which what is expected is made to rise
_HIGHEST = 2.0  # of them, times what the best course sold


@dataclass(frozen=True)
class Observed:
    """The first periods of n launches.

    Attributes:
        units: (n, horizon) what was sold, NaN where not observed.
    """

    units: Floats

    @property
    def seen(self) -> Bools:
        """(n, horizon) whether it was observed."""
        seen: Bools = np.isfinite(self.units)
        return seen

    @property
    def sold(self) -> Floats:
        """(n,) units observed."""
        total: Floats = np.nan_to_num(self.units).sum(axis=1)
        return total

    def update(self, paths: Paths) -> Paths:
        """Return the courses of the periods not observed; observed ones count nothing."""
        seen = self.seen
        if not seen.any():
            return paths
        began, rest = _summed(paths, seen), _summed(paths, np.isnan(self.units))
        unit = paths.scale.mean(axis=1)[:, None]
        began, sold = began / unit, (self.sold / unit[:, 0])[:, None]
        weight, follow = _posterior(paths.weight, began, sold)
        expected = _total(weight * follow * rest)[:, 0]
        told = np.flatnonzero(seen.any(axis=1))
        rising = _rising(paths.weight[told], began[told], rest[told], sold[told])
        keep = np.ones(len(expected))
        np.divide(rising, expected[told], out=rising, where=expected[told] > 0)
        keep[told] = np.where(expected[told] > 0, rising, 1.0)
        any_seen = np.reshape(seen.any(axis=1), (-1, 1))
        return replace(
            paths,
            weight=np.where(any_seen, weight, paths.weight),
            factor=np.where(any_seen, paths.factor * follow * keep[:, None], paths.factor),
            scale=np.where(seen, 0.0, paths.scale),
        )

    def completed(self, remaining: Forecasts) -> Forecasts:
        """Forecasts of the remaining periods, with those observed in their place."""
        seen = self.seen
        return Forecasts(
            np.where(seen, self.units, remaining.mean),
            np.where(seen[..., None], self.units[..., None], remaining.quantiles),
            remaining.total_quantiles + self.sold[:, None],
        )


def _posterior(prior: Floats, began: Floats, sold: Floats) -> tuple[Floats, Floats]:
    """Weights (n, m) of courses, and what each is multiplied by, where (n, 1) was sold."""
    variance = _SPREAD**2 + _NOISE / (np.minimum(began, sold) + _FLOOR)
    distance = np.log((began + _FLOOR) / (sold + _FLOOR))
    possible = prior > 0
    log_weight = np.log(prior, out=np.full(prior.shape, -np.inf), where=possible)
    log_weight -= 0.5 * distance**2 / variance
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / _total(weight), np.exp(-_FOLLOW * distance)


def _total(values: Floats) -> Floats:
    """(n, 1) sums over courses (n, m), in their order.

    Courses that cannot be, of which a launch has more where another one in the call is novel, then
    change nothing; `sum` would add in another order.
    """
    return np.cumsum(values, axis=1)[:, -1:]


def _rising(prior: Floats, began: Floats, rest: Floats, sold: Floats) -> Floats:
    """(n,) expected of the rest, as a function of what was sold that does not fall.

    The nearest such function by least squares, at levels that do not depend on what was sold.
    """
    highest = _HIGHEST * np.where(prior > 0, began, 0.0).max(axis=1, initial=0.0)
    levels = np.linspace(np.log(_FLOOR), np.log(highest + _FLOOR), _LEVELS)  # of sold + floor
    expected = np.empty(levels.shape)
    for at, level in enumerate(levels):
        weight, follow = _posterior(prior, began, np.exp(level)[:, None] - _FLOOR)
        expected[at] = _total(weight * follow * rest)[:, 0]
    here = np.log(sold[:, 0] + _FLOOR)
    beyond = np.exp(_FOLLOW * np.maximum(here - levels[-1], 0.0))
    inside = [
        np.interp(here[row], levels[:, row], isotonic_regression(expected[:, row]))
        for row in range(len(sold))
    ]
    rising: Floats = np.array(inside, dtype=np.float64) * beyond
    return rising


def _summed(paths: Paths, chosen: Bools) -> Floats:
    """(n, m) units of each course in the chosen (n, horizon) periods."""
    taken = chosen.astype(np.float64)
    parts = by_block(
        len(paths),
        paths.block_size,
        lambda rows: np.einsum("nmh,nh->nm", paths[rows].courses(), taken[rows]),
    )
    return np.concatenate(parts)
