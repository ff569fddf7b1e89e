"""Exact search among vectors in memory."""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from retrieval.neighbors.hits import tie_runs


def search_exactly(
    vectors: npt.NDArray[np.float32], others: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the k most similar of others for each vector: similarities and rows, (n, k) each.

    The most similar stand first; those that are equally similar, but for rounding, by their row.

    Args:
        vectors: (n, d) unit vectors.
        others: (m, d) unit vectors, m >= k.
        k: How many, at least 1.
    """
    similarity, found = faiss.knn(vectors, others, k, metric=faiss.METRIC_INNER_PRODUCT)
    similarity = np.minimum(similarity, 1.0)
    order = np.lexsort((found, tie_runs(similarity)), axis=1)
    return (
        np.take_along_axis(similarity, order, axis=1),
        np.take_along_axis(found, order, axis=1),
    )
