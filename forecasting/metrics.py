"""How good forecasts of launches are: one row of numbers per method.

Absolute error rewards the median, squared error and bias the mean, so each is measured on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from utilsforecast.losses import nd, rmse

from forecasting.forecasts import quantile_names
from forecasting.panel import Floats

_DRAWS = 2000
_LEVEL = 0.95


def score(totals: pd.DataFrame, curves: pd.DataFrame, quantiles: Sequence[float]) -> pd.DataFrame:
    """Score every method on the same launches, all cohorts pooled.

    Args:
        totals: a row per method and launch: method, unique_id, cutoff, y (units over the horizon),
            mean, quantiles.
        curves: the same per age.
        quantiles: The levels that have columns.

    Returns:
        Index method, in order of appearance; columns wape_total and wape_curve (of the 0.5
        quantile; sum of absolute errors over sum of units), rmse_total and bias (of the mean; bias
        is forecast over actual, minus 1), wql (weighted quantile loss of the total: twice the
        pinball loss over the units, averaged over levels; Gneiting and Raftery 2007), coverage_80
        (share of totals between the lowest and the highest quantile, both included; the number says
        what it should be), n_items.
    """
    # utilsforecast scores each cutoff on its own where the column exists.
    pooled, pooled_curves = totals.drop(columns="cutoff"), curves.drop(columns="cutoff")
    by_method = totals.groupby("method", sort=False)
    units = by_method["y"].sum()
    low, high = quantile_names(quantiles)[0], quantile_names(quantiles)[-1]
    inside = totals["y"].between(totals[low], totals[high]).groupby(totals["method"], sort=False)
    nominal = round(100 * (quantiles[-1] - quantiles[0]))
    return pd.DataFrame(
        {
            "wape_total": _by_method(nd(pooled, ["0.5"], id_col="method"), "0.5"),
            "wape_curve": _by_method(nd(pooled_curves, ["0.5"], id_col="method"), "0.5"),
            "rmse_total": _by_method(rmse(pooled, ["mean"], id_col="method"), "mean"),
            "bias": by_method["mean"].sum() / units - 1,
            "wql": _pinball(totals, quantiles).groupby(totals["method"], sort=False).sum() / units,
            f"coverage_{nominal}": inside.mean(),
            "n_items": by_method.size(),
        }
    ).loc[list(units.index)]


def paired_difference(totals: pd.DataFrame, reference: str, *, seed: int = 0) -> pd.DataFrame:
    """How much larger each method's wape_total is than the reference's, with an interval.

    Every draw takes the same launches for both methods, so what makes a launch hard cancels out.

    Returns:
        Index method without the reference; columns difference, low, high (95 % percentile interval
        of 2,000 draws) and verdict: ``worse`` or ``better`` than the reference, or ``no difference
        shown``.
    """
    error = (totals["0.5"] - totals["y"]).abs()
    wide = totals.assign(error=error).pivot(
        index=["cutoff", "unique_id"], columns="method", values="error"
    )
    others = [method for method in totals["method"].unique() if method != reference]
    units = totals[totals["method"] == reference].set_index(["cutoff", "unique_id"])["y"]
    gap = wide[others].sub(wide[reference], axis=0)
    draws = _bootstrap(gap.to_numpy(), units.loc[wide.index].to_numpy(dtype=float), seed)
    tail = (1 - _LEVEL) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    verdict = np.select([low > 0, high < 0], ["worse", "better"], "no difference shown")
    return pd.DataFrame(
        {"difference": gap.sum() / units.sum(), "low": low, "high": high, "verdict": verdict},
        index=pd.Index(others, name="method"),
    )


def _bootstrap(gap: Floats, units: Floats, seed: int) -> Floats:
    """(draws, methods) difference of WAPE over launches drawn with replacement."""
    rng = np.random.default_rng(seed)
    n = len(units)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS)
    sold = (counts @ units)[:, None]
    difference = np.full((_DRAWS, gap.shape[1]), np.nan)
    np.divide(counts @ gap, sold, out=difference, where=sold > 0)
    return difference


def _pinball(totals: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Twice the pinball loss of each row, averaged over levels."""
    loss = np.zeros(len(totals))
    for level, name in zip(quantiles, quantile_names(quantiles), strict=True):
        error = totals["y"].to_numpy(dtype=float) - totals[name].to_numpy(dtype=float)
        loss += 2 * np.maximum(level * error, (level - 1) * error)
    return pd.Series(loss / len(quantiles), index=totals.index)


def _by_method(losses: pd.DataFrame, column: str) -> pd.Series:
    return losses.set_index("method")[column]
