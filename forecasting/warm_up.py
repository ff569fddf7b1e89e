"""The first weeks of sales, blended with what was expected before them, without training anew.

Bayes over courses: those that began as the launch did gain weight, and each is moved toward the
level observed. With nothing observed the forecast stays as it is; the more has been seen, the more
it counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasting.forecasts import Forecasts
from forecasting.panel import Bools, Floats
from forecasting.paths import Paths

# Chosen on past launches of Complete Journey, on the cutoffs the model was chosen on.
_SPREAD = 0.5  # standard deviation of the logarithm by which courses of one level differ
_NOISE = 0.5  # of counting, in units of the market
_FOLLOW = 0.8  # power with which a course follows the level observed
_FLOOR = 0.5  # in units of the market


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
        """The courses of the periods not observed; observed ones count nothing."""
        seen = self.seen
        if not seen.any():
            return paths
        began = np.concatenate(
            [
                np.einsum("nmh,nh->nm", one.courses(), rows)
                for one, rows in _aligned(paths, seen.astype(np.float64))
            ]
        )
        unit = paths.scale.mean(axis=1)[:, None]
        began, sold = began / unit, (self.sold / unit[:, 0])[:, None]
        variance = _SPREAD**2 + _NOISE / (np.minimum(began, sold) + _FLOOR)
        distance = np.log((began + _FLOOR) / (sold + _FLOOR))
        log_weight = np.log(np.maximum(paths.weight, 1e-12)) - 0.5 * distance**2 / variance
        any_seen = seen.any(axis=1)[:, None]
        log_weight -= log_weight.max(axis=1, keepdims=True)
        weight = np.exp(log_weight)
        weight /= weight.sum(axis=1, keepdims=True)
        follow = np.exp(-_FOLLOW * distance)
        return replace(
            paths,
            weight=np.where(any_seen, weight, paths.weight),
            factor=np.where(any_seen, paths.factor * follow, paths.factor),
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


def _aligned(paths: Paths, rows: Floats) -> list[tuple[Paths, Floats]]:
    pairs, start = [], 0
    for one in paths.blocks():
        pairs.append((one, rows[start : start + len(one)]))
        start += len(one)
    return pairs
