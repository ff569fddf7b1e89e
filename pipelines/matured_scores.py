"""How good matured forecasts were, and how far chance may have moved the numbers.

The interval of a score is a bootstrap over launches (Efron 1979): every draw takes the same ones
for forecast and baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

_DRAWS = 2000
_BLOCK = 200  # draws held in memory at once
_SUMMED = ["units", "mean", "error", "baseline_error", "inside", "interval"]


@dataclass(frozen=True)
class Scores:
    """Scores of n launches; NaN where nothing was sold that they could be related to.

    Attributes:
        launches: How many.
        units: What they sold.
        wape: Sum of absolute errors of the 0.5 quantile over units.
        baseline_wape: That of the baseline.
        ratio: The first over the second; 1 where both are right in all, infinite where the baseline
            alone is.
        bias: Of the mean: forecast over units, minus 1.
        coverage: Share of what was measured that lies within the outer quantiles.
        interval: Share that should.
    """

    launches: int
    units: float
    wape: float
    baseline_wape: float
    ratio: float
    bias: float
    coverage: float
    interval: float


def scores_of(launches: pd.DataFrame) -> Scores:
    """The scores of launches, as `pipelines.monitoring.matured_forecasts` lists them."""
    n = len(launches)
    sums = launches[_SUMMED].to_numpy(dtype=np.float64).sum(axis=0)[None, :]
    made = {name: float(value[0]) for name, value in _scores(sums, n).items()}
    return Scores(launches=n, units=float(sums[0, 0]), **made)


def score_intervals(
    launches: pd.DataFrame, level: float, *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Score → the ends of its interval.

    Args:
        launches: Those of which the scores are.
        level: Share of the draws inside, such as 0.98.
        seed: Of the draws.
    """
    table = launches[_SUMMED].to_numpy(dtype=np.float64)
    rng, n = np.random.default_rng(seed), len(table)
    drawn = [
        _scores(rng.multinomial(n, np.full(n, 1 / n), size=_BLOCK) @ table, n)
        for _ in range(0, _DRAWS, _BLOCK)
    ]
    tail = (1 - level) / 2
    intervals = {}
    for name in drawn[0]:
        values = np.concatenate([one[name] for one in drawn])
        values = values[~np.isnan(values)]
        ends = np.quantile(values, [tail, 1 - tail], method="nearest") if len(values) else None
        intervals[name] = (np.nan, np.nan) if ends is None else (float(ends[0]), float(ends[1]))
    return intervals


def _scores(sums: Floats, n: int) -> dict[str, Floats]:
    """Scores (draws,) of sums (draws, 6) over n launches."""
    units, mean, error, baseline_error, inside, interval = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.where(units > 0, units, np.nan)
        return {
            "wape": error / units,
            "baseline_wape": baseline_error / units,
            "ratio": np.where((error == 0) & (baseline_error == 0), 1.0, error / baseline_error),
            "bias": mean / units - 1,
            "coverage": inside / n,
            "interval": np.round(interval / n, 6),
        }
