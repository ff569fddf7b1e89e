"""Launch curves with the periods filled in that are not known: sold out, or still to come.

A curve has a level, and all curves a shape; both are learned from the periods that are known (the
chain ladder of claims reserving: the maximum likelihood of Poisson counts in a table with holes,
Renshaw and Verrall 1998). A best seller that is sold out half of the time so keeps its level, and
does not pull the shape down where it is missing.
"""

from __future__ import annotations

import numpy as np

from forecasting.data.history import ratio
from forecasting.data.panel import Bools, Floats, Ints

_ROUNDS = 20
_PRIOR = 1e-3  # of a curve's known units that its level owes to the others, against zeros


def completed(curves: Floats) -> Floats:
    """Curves (N, horizon) with the ages not known filled in by the shape of all at their level.

    A curve seen for five weeks keeps its five weeks; the others follow the share that all curves
    sell at those ages. An age that none had reached is taken to be like the one before it.
    """
    known = np.isfinite(curves)
    sold = np.nan_to_num(curves)
    reached = known.any(axis=0)
    level = ratio(sold.sum(axis=1), known.sum(axis=1))
    shape = np.ones(curves.shape[1])
    for _ in range(_ROUNDS):
        expected = known.T @ np.nan_to_num(level)
        shape = np.where(expected > 0, sold.sum(axis=0) / np.maximum(expected, 1e-300), 0.0)
        level = ratio(sold.sum(axis=1), known @ shape)
    last = np.maximum.accumulate(np.where(reached, np.arange(len(shape)), 0))
    filled = np.nan_to_num(level)[:, None] * shape[last]
    return np.where(known, curves, filled)


def lifted(curves: Floats, scale: Floats, passed: Ints) -> Floats:
    """Curves (N, horizon) with the ages filled in that have passed, as what would have sold.

    Args:
        curves: Units, NaN where not known; a curve of which nothing is known stays so.
        scale: (N, horizon) unit of the market at each age.
        passed: (N,) periods since launch.
    """
    gone: Bools = np.arange(curves.shape[1])[None, :] <= passed[:, None]
    known: Bools = np.isfinite(curves)
    hole = gone & ~known & known.any(axis=1, keepdims=True)
    if not hole.any():
        return curves
    filled: Floats = np.where(hole, completed(curves / scale) * scale, curves)
    return filled
