"""What orders by each method's forecasts would have cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecasting.checks import check_above_zero
from forecasting.data.panel import Floats
from forecasting.evaluation.comparison import BETTER, NO_DIFFERENCE, WORSE, resamples
from forecasting.forecasts import quantile_names

_KEYS = ["cutoff", "unique_id"]
_TAIL = 0.025


def order_costs(
    totals: pd.DataFrame,
    quantiles: Sequence[float],
    reference: str,
    *,
    overage_cost: float,
    underage_cost: float,
    pack_size: float = 1.0,
    seed: int = 0,
    draws: int = 2000,
) -> pd.DataFrame:
    """Score the orders that forecasts of totals would have led to.

    Every method orders its quantile at underage / (underage + overage), between the levels that it
    forecasts by straight lines and beyond them the outermost; who orders the mean, its mean.

    Args:
        totals: As in `forecasting.evaluation.metrics.score`.
        quantiles: The levels that have columns.
        reference: The method to compare with.
        overage_cost: What a unit left over costs.
        underage_cost: What a unit missing costs.
        pack_size: Orders are rounded to multiples of it.
        seed: Of the bootstrap over launches.
        draws: How many.

    Returns:
        Index method; columns cost, naive_cost (of its mean), difference of cost from the
        reference's, low, high (95 % interval), verdict.

    Raises:
        InputError: A cost or the pack size is not above 0.
    """
    given = {"overage_cost": overage_cost, "underage_cost": underage_cost, "pack_size": pack_size}
    for name, value in given.items():
        check_above_zero(name, value)
    level = underage_cost / (underage_cost + overage_cost)
    known = totals[quantile_names(quantiles)].to_numpy(dtype=np.float64)
    wanted = np.array([np.interp(level, list(quantiles), row) for row in known])

    def cost(orders: Floats) -> Floats:
        packs = np.round(orders / pack_size) * pack_size
        over = packs - totals["y"].to_numpy(dtype=np.float64)
        paid: Floats = np.where(over > 0, over * overage_cost, -over * underage_cost)
        return paid

    paid = totals[["method", *_KEYS]].assign(
        cost=cost(wanted), naive_cost=cost(totals["mean"].to_numpy(dtype=np.float64))
    )
    table = paid.groupby("method", sort=False)[["cost", "naive_cost"]].sum()
    wide = paid.pivot(index=_KEYS, columns="method", values="cost")[list(table.index)]
    gap = wide.sub(wide[reference], axis=0).to_numpy(dtype=np.float64)
    drawn = np.concatenate([counts @ gap for counts in resamples(len(gap), draws, seed)])
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL], axis=0)
    judged = pd.DataFrame(
        {
            "difference": gap.sum(axis=0),
            "low": low,
            "high": high,
            "verdict": np.select([low > 0, high < 0], [WORSE, BETTER], NO_DIFFERENCE),
        },
        index=table.index,
    )
    return table.join(judged.drop(index=reference))
