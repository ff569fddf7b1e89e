"""Choose items that fit and differ: maximal marginal relevance (Carbonell and Goldstein, 1998)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def choose_diverse(
    relevance: npt.NDArray[np.floating],
    vectors: npt.NDArray[np.float32],
    k: int,
    diversity: float,
) -> list[int]:
    """Choose k of n candidates, one after the other.

    Args:
        relevance: (n,) how well each fits.
        vectors: (n, d) unit rows.
        k: How many.
        diversity: 0: those that fit best; 1: those that are least like what was chosen before.

    Returns:
        Their positions, in the order they were chosen.
    """
    spread = float(relevance.max() - relevance.min()) if len(relevance) else 0.0
    fit = (relevance - relevance.min()) / spread if spread > 0 else np.ones(len(relevance))
    alike = np.zeros(len(relevance))
    left = np.ones(len(relevance), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(k, len(relevance))):
        gain = np.where(left, (1 - diversity) * fit - diversity * alike, -np.inf)
        best = int(np.argmax(gain))
        chosen.append(best)
        left[best] = False
        alike = np.maximum(alike, vectors @ vectors[best])
    return chosen
