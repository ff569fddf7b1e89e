"""Which items to show a person first: those whose right answer settles most of the others.

An item is worth its own uncertainty, and that of the items like it, each by how alike it is: the
sum is high in the middle of a dense and doubtful region (as in information density, Settles and
Craven, EMNLP 2008), and falls as soon as one of the region has an answer, so that the next choice
lies elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifiers.arrays import FloatArray

_BATCH_CELLS = 20_000_000  # similarities held in memory at a time


@dataclass(frozen=True)
class LikeItems:
    """The k items of a set most like each of its n items, itself left out.

    Attributes:
        rows: (n, k) positions of the like items, the most similar first.
        similarity: (n, k) cosine similarities.
    """

    rows: npt.NDArray[np.intp]
    similarity: FloatArray

    @classmethod
    def among(cls, vectors: npt.NDArray[np.float32], k: int = 30) -> LikeItems:
        """Find the like items, exactly.

        Args:
            vectors: (n, d) unit rows.
            k: How many of each; fewer where there are fewer.
        """
        n = len(vectors)
        k = max(min(k, n - 1), 0)
        rows = np.empty((n, k), dtype=np.intp)
        similarity = np.empty((n, k))
        size = max(1, _BATCH_CELLS // max(n, 1))
        for start in range(0, n if k else 0, size):
            batch = np.arange(start, min(start + size, n))
            alike = vectors[batch] @ vectors.T
            alike[np.arange(len(batch)), batch] = -np.inf
            near = np.argpartition(-alike, k - 1, axis=1)[:, :k]
            order = np.argsort(-np.take_along_axis(alike, near, axis=1), axis=1, kind="stable")
            rows[batch] = np.take_along_axis(near, order, axis=1)
            similarity[batch] = np.take_along_axis(alike, rows[batch], axis=1)
        return cls(rows, similarity)

    def shares(self, temperature: float = 0.1) -> FloatArray:
        """Return how much of an item each answer to a like one settles, (n, k), in [0, 1]."""
        return np.exp((np.clip(self.similarity, -1.0, 1.0) - 1.0) / temperature)


def uncertainty(proba: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return how unsure a classifier is of n items, in [0, 1].

    One less the lead of the most probable label over the second one (Scheffer et al., 2001); of an
    item unlike anything known all of it, whatever label leads.

    Args:
        proba: (n, C) probabilities of the labels.
        known: (n,) whether an item is like anything known.
    """
    if proba.shape[1] < 2:
        return np.where(known, 0.0, 1.0)
    top = np.partition(proba, -2, axis=1)[:, -2:]
    return np.where(known, 1.0 - (top[:, 1] - top[:, 0]), 1.0)


def worth(
    unsure: FloatArray,
    like: LikeItems,
    *,
    taken: npt.NDArray[np.intp] | None = None,
    temperature: float = 0.1,
) -> FloatArray:
    """Return how much is to be gained by the right answer to each item, (n,).

    Args:
        unsure: (n,) uncertainty in [0, 1]; 0 of items that have an answer.
        like: The like items of each.
        taken: Positions of items whose answer is on its way: what it will settle counts no more.
        temperature: How fast the say of an answer falls with similarity.
    """
    shares = like.shares(temperature)
    left = unsure.astype(np.float64, copy=True)
    if taken is not None and len(taken):
        left[taken] = 0.0
        keep = np.ones(len(left))
        np.minimum.at(keep, like.rows[taken].ravel(), 1.0 - shares[taken].ravel())
        left *= keep
    return np.asarray(left + (shares * left[like.rows]).sum(axis=1))
