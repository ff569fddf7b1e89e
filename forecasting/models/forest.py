"""Which past launches is this one like? A similarity learned from how they sold.

Text similarity is not demand similarity. A random forest grown on the totals of past launches
(LightGBM, extremely randomized splits, absolute error of the logarithm) puts two launches into one
leaf when it finds no feature that tells their demand apart; the share of trees in which a past
launch shares the leaf is its weight, and the weighted past launches are the forecast's distribution
(quantile regression forests: Meinshausen 2006).
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from forecasting.blocks import by_block
from forecasting.data.panel import Floats, Ints

_TREES = 200
_IN_LEAF = 3  # launches, or groups of them
_GROWING: dict[str, Any] = {
    "boosting": "rf",
    "objective": "l1",
    "num_leaves": 127,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "extra_trees": True,
}
_MOST = 512  # past launches that a forecast rests on
_CELLS = 10_000_000  # weights held in memory at once, by each core


class LaunchForest:
    """A forest over past launches.

    Args:
        booster: As grown.
        leaves: (N, trees) the leaf of each past launch.
        weight: (N,) how much each counts.
    """

    def __init__(self, booster: lgb.Booster, leaves: npt.NDArray[np.int32], weight: Floats) -> None:
        self.booster = booster
        self.leaves = leaves
        self.weight = weight
        starts = np.concatenate([[0], np.cumsum(leaves.max(axis=0, initial=0) + 1)])
        self._starts, self._size = starts[:-1], int(starts[-1])
        self._last = starts[1:] - 1 - starts[:-1]
        known = self._one_hot(leaves)
        in_leaf = np.asarray(known.T @ weight).ravel()
        share = np.divide(1.0, in_leaf, out=np.zeros_like(in_leaf), where=in_leaf > 0)
        self._known = sp.csr_matrix((known.multiply(weight[:, None]) @ sp.diags(share)).T)

    @classmethod
    def grow(
        cls,
        matrix: Floats,
        total: Floats,
        weight: Floats,
        categorical: list[int],
        parameters: dict[str, Any],
        members: float = 1.0,
    ) -> LaunchForest:
        """Grow a forest.

        Args:
            matrix: (N, f) features of past launches.
            total: (N,) what they sold, in units of the market of their time.
            weight: (N,) how much each counts.
            categorical: Columns that hold categories.
            parameters: Of LightGBM: seed, threads, and what makes it repeatable.
            members: How many items share their fate, on average: their likeness is no evidence.
        """
        settings = {**parameters, **_GROWING}
        settings["min_data_in_leaf"] = round(_IN_LEAF * members)
        if len(matrix) == 1:  # of which a part is nothing
            settings["bagging_fraction"] = 1.0
        data = lgb.Dataset(
            matrix,
            np.log1p(total),
            weight=weight,
            categorical_feature=categorical,
            params=settings,
        )
        booster = lgb.train(settings, data, num_boost_round=_TREES)
        leaves = np.asarray(booster.predict(matrix, pred_leaf=True), dtype=np.int32)
        return cls(booster, leaves.reshape(len(matrix), -1), weight)

    def like(self, matrix: Floats) -> tuple[Ints, Floats]:
        """Find the past launches that n new ones are like: rows (n, m), weights that sum to 1."""
        most = min(_MOST, len(self.leaves))
        if len(matrix) == 0:  # LightGBM divides by it
            return np.empty((0, most), np.int64), np.empty((0, most))

        def alike(block: slice) -> tuple[Ints, Floats]:
            # One thread: blocks run beside each other, and to wake a pool costs more than a launch.
            found = self.booster.predict(matrix[block], pred_leaf=True, num_threads=1)
            leaves = np.asarray(found, dtype=np.int32)
            shared = self._one_hot(leaves.reshape(-1, self.leaves.shape[1])) @ self._known
            return heaviest(shared.toarray(), most)

        parts = by_block(len(matrix), _CELLS // max(len(self.leaves), 1), alike)
        position, weight = zip(*parts, strict=True)
        return np.concatenate(position), np.concatenate(weight)

    def _one_hot(self, leaves: npt.NDArray[np.int32]) -> sp.csr_matrix:
        """(n, leaves of all trees) 1 where a row lies; without a past launch it is no leaf."""
        known = leaves <= self._last
        row, tree = np.nonzero(known)
        column = leaves[row, tree] + self._starts[tree]
        return sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(leaves), self._size))


def heaviest(weights: Floats, most: int) -> tuple[Ints, Floats]:
    """Positions (n, most) of the largest of (n, N) weights, heaviest first; they sum to 1."""
    chosen = np.sort(np.argpartition(-weights, most - 1, axis=1)[:, :most], axis=1)
    kept = np.take_along_axis(weights, chosen, axis=1)
    order = np.argsort(-kept, axis=1, kind="stable")
    kept = np.take_along_axis(kept, order, axis=1)
    order = np.take_along_axis(chosen, order, axis=1).astype(np.int64)
    total = kept.sum(axis=1, keepdims=True)
    even = np.full_like(kept, 1 / max(kept.shape[1], 1))
    return order, np.divide(kept, total, out=even, where=total > 0)
