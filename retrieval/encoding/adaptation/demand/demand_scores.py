"""How well the neighbors of held-out items tell what these sold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retrieval.encoding.adaptation.gate import (
    NEIGHBORS,
    FloatArray,
    Fold,
    Positions,
    Vectors,
)
from retrieval.neighbors.exact import search_exactly

SHAPE = 0.25  # of a squared difference in what is not the level, beside one in level
_TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5)
_DRAWS = 1_000
_EDGES = (0.025, 0.975)
_MARGIN = 0.01  # of the error, up to which it may be higher and nothing is called lost


@dataclass(frozen=True)
class DemandScores:
    """How far off the neighbors of held-out items were.

    Attributes:
        items: (m,) positions of the items.
        error: (m,) squared, in standard deviations of the level; differences in shape count a
            quarter.
    """

    items: Positions
    error: FloatArray

    @property
    def mean(self) -> float:
        """Of all items."""
        return float(self.error.mean())


@dataclass(frozen=True)
class DemandGain:
    """What one encoder has over another in telling demand.

    Attributes:
        error: Share by which the mean squared error fell.
        interval: Its 95 % interval, from a bootstrap of whole groups, paired.
    """

    error: float
    interval: tuple[float, float]

    @property
    def is_better(self) -> bool:
        """The error is lower for sure."""
        return self.interval[0] > 0

    @property
    def is_lost(self) -> bool:
        """The error is higher, and it cannot be ruled out that it is by more than 1 %."""
        return self.error < 0 and self.interval[0] < -_MARGIN


@dataclass(frozen=True)
class Told:
    """What neighbors tell of a fold's held-out items.

    Attributes:
        items: (m,) positions of those whose demand is known.
        said: (temperatures, m, d) the mean demand of their neighbors.
    """

    items: Positions
    said: FloatArray


def told(fold: Fold, judged: Vectors, learned: Vectors, demand: FloatArray) -> Told:
    """Let the neighbors of held-out items tell.

    Args:
        fold: Which items.
        judged: Vectors of those held out.
        learned: Vectors of those learned from.
        demand: (n_items, d) of all items; NaN where it is not known.
    """
    known = np.isfinite(demand[:, 0])
    asked, teachers = known[fold.judged], known[fold.learned]
    k = min(NEIGHBORS, int(teachers.sum()))
    near, which = search_exactly(judged[asked], learned[teachers], k)
    sold = demand[fold.learned[teachers]][which]
    weights = [np.exp((near - near[:, :1]) / one) for one in _TEMPERATURES]
    said = [
        (weight[:, :, None] * sold).sum(axis=1) / weight.sum(axis=1)[:, None] for weight in weights
    ]
    return Told(fold.judged[asked], np.array(said))


def demand_scores(found: Sequence[Told], demand: FloatArray) -> DemandScores:
    """Score what neighbors tell, at the temperature that suits them best.

    Args:
        found: Of each fold.
        demand: (n_items, d) of all items.
    """
    items = np.concatenate([one.items for one in found])
    said = np.concatenate([one.said for one in found], axis=1)
    counts = np.full(demand.shape[1], SHAPE)
    counts[0] = 1.0
    errors = ((said - demand[items]) ** 2 * counts).sum(axis=2)
    return DemandScores(items, errors[int(errors.mean(axis=1).argmin())])


def compare_demand(
    new: DemandScores, old: DemandScores, groups: Positions, seed: int
) -> DemandGain:
    """Compare two encoders on the items that both were judged by.

    Args:
        new: The tuned one's.
        old: The other's.
        groups: (n_items,) number of each item's group: whole groups are drawn.
        seed: Of the bootstrap.
    """
    _, at_new, at_old = np.intersect1d(new.items, old.items, return_indices=True)
    before, after = old.error[at_old], new.error[at_new]
    codes, kinds = pd.factorize(groups[new.items[at_new]])
    n = len(kinds)
    fell, was = np.bincount(codes, before - after, n), np.bincount(codes, before, n)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n, size=(_DRAWS, n))
    shares = fell[drawn].sum(axis=1) / np.maximum(was[drawn].sum(axis=1), 1e-12)
    low, high = np.quantile(shares, _EDGES)
    return DemandGain(
        float(1 - after.mean() / max(before.mean(), 1e-12)), (float(low), float(high))
    )
