"""How good forecasts of launches are: one row of numbers per method.

Absolute error rewards the median, squared error and bias the mean, so each is measured on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from utilsforecast.losses import nd, rmse

from forecasting.data.panel import Floats
from forecasting.forecasts import quantile_names


def score(totals: pd.DataFrame, curves: pd.DataFrame, quantiles: Sequence[float]) -> pd.DataFrame:
    """Score every method on the same launches, all cohorts pooled.

    Args:
        totals: a row per method and launch: method, unique_id, cutoff, y (units over the horizon),
            mean, quantiles.
        curves: the same per age.
        quantiles: The levels that have columns.

    Returns:
        Index method, in order of appearance; columns

        - wape_total, wape_curve: of the 0.5 quantile; sum of absolute errors over sum of units.
        - rmse_total, bias: of the mean; bias is forecast over actual, minus 1.
        - wql, wql_curve: weighted quantile loss of the total and by age: twice the pinball loss
          over the units, averaged over levels (Gneiting and Raftery 2007).
        - coverage_80: share of totals between the lowest and the highest quantile, both included;
          the number says what it should be. Where units are counts many totals equal a quantile,
          so that even a perfect interval covers more than its level; `calibration` counts them
          apart.
        - width_80: mean width of that interval, in units. Of two methods with the same coverage the
          narrower says more.
        - n_items: launches.

        What is relative to units is NaN where nothing was sold.
    """
    by_total, by_age = _scores(totals, quantiles), _scores(curves, quantiles)
    coverage, width = interval_names(quantiles)
    return pd.DataFrame(
        {
            "wape_total": by_total["wape"],
            "wape_curve": by_age["wape"],
            "rmse_total": by_total["rmse"],
            "bias": by_total["bias"],
            "wql": by_total["wql"],
            "wql_curve": by_age["wql"],
            coverage: by_total["coverage"],
            width: by_total["width"],
            "n_items": by_total["n"],
        }
    )


def score_ages(curves: pd.DataFrame, quantiles: Sequence[float]) -> pd.DataFrame:
    """Score every method at each age on its own.

    Returns:
        Index age and method; columns wape, rmse, bias, wql, coverage_80, width_80, n_items: those
        of `score` for the units sold at that age.
    """
    coverage, width = interval_names(quantiles)
    names = {"coverage": coverage, "width": width, "n": "n_items"}
    ages = {age: _scores(rows, quantiles) for age, rows in curves.groupby("age")}
    return pd.concat(ages, names=["age"]).rename(columns=names)


def calibration(totals: pd.DataFrame, quantiles: Sequence[float]) -> pd.DataFrame:
    """How many totals came out under each quantile.

    Returns:
        Index method and level; columns below (share of totals less than the quantile) and up_to
        (that and those equal to it). A quantile that means what it says has its level between the
        two; they differ where totals are counts.
    """
    shares = {}
    for level, name in zip(quantiles, quantile_names(quantiles), strict=True):
        signs = pd.DataFrame(
            {
                "method": totals["method"],
                "below": totals["y"] < totals[name],
                "up_to": totals["y"] <= totals[name],
            }
        )
        shares[level] = signs.groupby("method", sort=False).mean()
    methods = totals["method"].unique()
    return pd.concat(shares, names=["level"]).swaplevel().loc[list(methods)]


def pinball(table: pd.DataFrame, quantiles: Sequence[float]) -> pd.Series:
    """Twice the pinball loss of each row, averaged over levels."""
    loss = np.zeros(len(table))
    y: Floats = table["y"].to_numpy(dtype=float)
    for level, name in zip(quantiles, quantile_names(quantiles), strict=True):
        error = y - table[name].to_numpy(dtype=float)
        loss += 2 * np.maximum(level * error, (level - 1) * error)
    return pd.Series(loss / len(quantiles), index=table.index)


def interval_names(quantiles: Sequence[float]) -> tuple[str, str]:
    """Name the outer interval's coverage and width: ``coverage_80``, ``width_80``."""
    nominal = round(100 * (quantiles[-1] - quantiles[0]))
    return f"coverage_{nominal}", f"width_{nominal}"


def _scores(table: pd.DataFrame, quantiles: Sequence[float]) -> pd.DataFrame:
    """Index method: wape, rmse, bias, wql, coverage, width, n."""
    # utilsforecast scores each cutoff on its own where the column exists.
    pooled = table.drop(columns="cutoff")
    by_method = table.groupby("method", sort=False)
    units = by_method["y"].sum()
    units = units.where(units > 0)
    low, high = table[quantile_names(quantiles)[0]], table[quantile_names(quantiles)[-1]]
    rows = pd.DataFrame(
        {
            "method": table["method"],
            "wql": pinball(table, quantiles),
            "coverage": table["y"].between(low, high),
            "width": high - low,
        }
    ).groupby("method", sort=False)
    return pd.DataFrame(
        {
            "wape": nd(pooled, ["0.5"], id_col="method").set_index("method")["0.5"],
            "rmse": rmse(pooled, ["mean"], id_col="method").set_index("method")["mean"],
            "bias": by_method["mean"].sum() / units - 1,
            "wql": rows["wql"].sum() / units,
            "coverage": rows["coverage"].mean(),
            "width": rows["width"].mean(),
            "n": by_method.size(),
        }
    ).loc[list(units.index)]
