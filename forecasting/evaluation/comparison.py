"""Is a method better than another, or were the launches kind to it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats, Ints
from forecasting.evaluation.metrics import pinball
from retrieval import InputError

WORSE, BETTER, NO_DIFFERENCE = "worse", "better", "no difference shown"

_LEVEL = 0.95
_FEWEST_DRAWS = 1000
_BLOCK = 200  # draws held in memory at once
_KEYS = ["cutoff", "unique_id"]


def paired_difference(
    totals: pd.DataFrame,
    quantiles: Sequence[float],
    reference: str,
    *,
    seed: int = 0,
    draws: int = 2000,
) -> pd.DataFrame:
    """How much larger each method's wape_total and wql are than the reference's, with intervals.

    A bootstrap over launches (Efron 1979): every draw takes the same launches for both methods, so
    that what makes a launch hard cancels out. Launches count as independent of each other; where
    those of one week share their luck, the truth is a little wider.

    Args:
        totals: As in `forecasting.evaluation.metrics.score`.
        quantiles: The levels that have columns.
        reference: The method to compare with.
        seed: Of the draws.
        draws: How many, at least 1,000.

    Returns:
        Index method without the reference; columns difference, low, high (95 % percentile interval)
        and verdict on wape_total: ``worse`` or ``better`` than the reference where the interval
        excludes zero, or ``no difference shown``; the same on wql: wql_difference, wql_low,
        wql_high, wql_verdict.

    Raises:
        InputError: Too few draws.
    """
    if draws < _FEWEST_DRAWS:
        raise InputError(f"draws must be at least {_FEWEST_DRAWS:,}, got {draws:,}")
    others = [method for method in totals["method"].unique() if method != reference]
    wape, units = _gaps(totals, (totals["0.5"] - totals["y"]).abs(), reference, others)
    wql, _ = _gaps(totals, pinball(totals, quantiles), reference, others)
    drawn = _bootstrap(np.hstack([wape, wql]), units, seed, draws)
    table = _judged(wape, units, drawn[:, : len(others)])
    table |= {
        f"wql_{name}": column
        for name, column in _judged(wql, units, drawn[:, len(others) :]).items()
    }
    return pd.DataFrame(table, index=pd.Index(others, name="method"))


def _gaps(
    totals: pd.DataFrame, loss: pd.Series, reference: str, others: Sequence[str]
) -> tuple[Floats, Floats]:
    """Losses above the reference's (launches, methods), and units (launches,), sorted by launch."""
    wide = totals.assign(loss=loss).pivot(index=_KEYS, columns="method", values="loss")
    units = totals[totals["method"] == reference].set_index(_KEYS)["y"].loc[wide.index]
    gap = wide[list(others)].sub(wide[reference], axis=0)
    return gap.to_numpy(dtype=float), units.to_numpy(dtype=float)


def _bootstrap(gap: Floats, units: Floats, seed: int, draws: int) -> Floats:
    """(draws, methods) gap over units of launches drawn with replacement, where any were sold."""
    made = []
    for counts in resamples(len(units), draws, seed):
        sold = counts @ units
        made.append((counts @ gap)[sold > 0] / sold[sold > 0, None])
    return np.concatenate(made)


def resamples(n: int, draws: int, seed: int) -> Iterator[Ints]:
    """How often each of n launches is drawn with replacement, (draws, n), a block at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _BLOCK):
        yield rng.multinomial(n, np.full(n, 1 / n), size=min(_BLOCK, draws - start))


def _judged(gap: Floats, units: Floats, drawn: Floats) -> dict[str, object]:
    """Difference, interval and verdict of each method; NaN where nothing was sold."""
    if not len(drawn):
        nothing = np.full(gap.shape[1], np.nan)
        return {"difference": nothing, "low": nothing, "high": nothing, "verdict": NO_DIFFERENCE}
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return {
        "difference": gap.sum(axis=0) / units.sum(),
        "low": low,
        "high": high,
        "verdict": np.select([low > 0, high < 0], [WORSE, BETTER], NO_DIFFERENCE),
    }
