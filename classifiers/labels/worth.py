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
from retrieval import search_exactly


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
        if not k:
            return cls(np.empty((n, 0), dtype=np.intp), np.empty((n, 0)))
        similarity, rows = search_exactly(vectors, vectors, k + 1)
        # Among many twins an item need not be found itself: then the least similar is left out.
        is_self = rows == np.arange(n)[:, None]
        is_self[~is_self.any(axis=1), -1] = True
        return cls(
            rows[~is_self].reshape(n, k).astype(np.intp),
            similarity[~is_self].reshape(n, k).astype(np.float64),
        )

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
