"""Earlier launch curves as a forecast: their weighted mean and quantiles, age by age."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecasting.data.panel import Floats, Ints
from forecasting.forecasts import Forecasts

_CELLS = 4_000_000  # numbers held in memory at once


def describe(
    curves: Floats, position: Ints, weights: Floats, quantiles: Sequence[float]
) -> Forecasts:
    """Describe n launches, each by k of the curves.

    Every curve contributes the ages it had reached. An age that none had reached is forecast like
    the last one before it, and where no curve is finished each counts with its mean over the ages
    seen times the horizon.

    Args:
        curves: (items, horizon) units by age, NaN where not seen.
        position: (n, k) rows of ``curves``.
        weights: (n, k) how much each counts, 0 for not at all.
        quantiles: Levels, ascending.

    Returns:
        The forecasts, NaN for a launch without a curve.
    """
    if not position.shape[1]:
        position, weights = np.zeros((len(position), 1), np.int64), np.zeros((len(position), 1))
    return stack(
        [
            _describe(curves[position[block]], weights[block], quantiles)
            for block in blocks(len(position), position.shape[1] * curves.shape[1])
        ]
    )


def weighted_summary(
    values: Floats, weights: Floats, quantiles: Sequence[float]
) -> tuple[Floats, Floats]:
    """Weighted means (n,) and quantiles (n, q) of what is not NaN in each row of (n, k) values.

    A quantile is the smallest value whose cumulated weight reaches the level. NaN where nothing has
    weight.
    """
    weight = np.where(np.isfinite(values), weights, 0.0)
    total = weight.sum(axis=1)
    summed = (np.nan_to_num(values) * weight).sum(axis=1)
    mean = np.divide(summed, total, out=np.full(len(values), np.nan), where=total > 0)
    order = np.argsort(np.where(weight > 0, values, np.inf), axis=1, kind="stable")
    ranked = np.take_along_axis(np.where(weight > 0, values, np.nan), order, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    last = np.maximum((weight > 0).sum(axis=1) - 1, 0)
    # A level met exactly must not be missed by a rounding error of the sum.
    at = [
        np.minimum((reached < (level - 1e-12) * total[:, None]).sum(axis=1), last)
        for level in quantiles
    ]
    return mean, np.take_along_axis(ranked, np.stack(at, axis=1), axis=1)


def blocks(rows: int, width: int) -> list[slice]:
    """Cut rows of so many numbers each into blocks that fit in memory; no row is one block."""
    size = max(1, _CELLS // max(1, width))
    return [slice(start, start + size) for start in range(0, max(rows, 1), size)]


def stack(parts: Sequence[Forecasts]) -> Forecasts:
    """Forecasts of several sets of launches, one after the other."""
    return Forecasts(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.quantiles for part in parts]),
        np.concatenate([part.total_quantiles for part in parts]),
    )


def take(forecasts: Forecasts, rows: Ints) -> Forecasts:
    """Return the forecasts of some rows, in that order, each as often as it is named."""
    return Forecasts(
        forecasts.mean[rows], forecasts.quantiles[rows], forecasts.total_quantiles[rows]
    )


def _describe(curves: Floats, weights: Floats, quantiles: Sequence[float]) -> Forecasts:
    by_age = [
        weighted_summary(curves[..., age], weights, quantiles) for age in range(curves.shape[-1])
    ]
    mean = np.stack([center for center, _ in by_age], axis=1)
    spread = np.stack([spread for _, spread in by_age], axis=1)
    _, total = weighted_summary(_totals(curves, weights), weights, quantiles)
    reached = np.isfinite(mean)
    last = np.maximum.accumulate(np.where(reached, np.arange(mean.shape[1]), -1), axis=1)
    # Before the first age seen, if that one is unknown, stands the first that is known.
    source = np.where(last >= 0, last, reached.argmax(axis=1)[:, None])
    return Forecasts(
        np.take_along_axis(mean, source, axis=1),
        np.take_along_axis(spread, source[..., None], axis=1),
        total,
    )


def _totals(curves: Floats, weights: Floats) -> Floats:
    """(n, k) units over the horizon; NaN for an unfinished curve beside a finished one."""
    seen = np.isfinite(curves)
    total: Floats = curves.sum(axis=2)
    summed, ages = np.nan_to_num(curves).sum(axis=2), seen.sum(axis=2)
    rate = np.divide(summed, ages, out=np.full(summed.shape, np.nan), where=ages > 0)
    finished = np.isfinite(total) & (weights > 0)
    return np.where(finished.any(axis=1, keepdims=True), total, rate * curves.shape[2])
