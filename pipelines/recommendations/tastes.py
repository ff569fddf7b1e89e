"""Tastes: groups of like items that a person buys, each with a vector, in place of one mean.

Spherical k-means (Dhillon and Modha, 2001), weighted by how much and how lately was bought.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_TASTES = 8
_ROUNDS = 10

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tastes:
    """The tastes of a person, the strongest first.

    Attributes:
        centers: (t, d) unit rows.
        shares: (t,) of all that was bought.
        member: (n,) which taste each item belongs to.
    """

    centers: Vectors
    shares: npt.NDArray[np.float64]
    member: npt.NDArray[np.int64]


def find_tastes(
    vectors: Vectors, weights: npt.NDArray[np.float64], most: int = MOST_TASTES, seed: int = 0
) -> Tastes:
    """Group what a person bought.

    Args:
        vectors: (n, d) unit rows, of the items; n ≥ 1.
        weights: (n,) above 0.
        most: Tastes at most; fewer for few items, about the root of their number.
        seed: Of the first centers.
    """
    n = min(most, max(1, round(float(np.sqrt(len(vectors))))))
    centers = _first_centers(vectors, weights, n, np.random.default_rng(seed))
    member = np.argmax(vectors @ centers.T, axis=1)
    for _ in range(_ROUNDS):
        centers = _means(vectors, weights, member, n)
        moved = np.argmax(vectors @ centers.T, axis=1)
        if (moved == member).all():
            break
        member = moved
    shares = np.bincount(member, weights, minlength=n) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > 0]
    place = np.full(n, -1)
    place[order] = np.arange(len(order))
    return Tastes(centers[order], shares[order], place[member])


def _first_centers(
    vectors: Vectors, weights: npt.NDArray[np.float64], n: int, generator: np.random.Generator
) -> Vectors:
    """Draw centers far from one another (k-means++, Arthur and Vassilvitskii, 2007)."""
    chosen = [int(generator.choice(len(vectors), p=weights / weights.sum()))]
    for _ in range(n - 1):
        away = weights * np.maximum(1 - (vectors @ vectors[chosen].T).max(axis=1), 0)
        if away.sum() <= 0:
            break
        chosen.append(int(generator.choice(len(vectors), p=away / away.sum())))
    return vectors[chosen]


def _means(
    vectors: Vectors,
    weights: npt.NDArray[np.float64],
    member: npt.NDArray[np.int64],
    n: int,
) -> Vectors:
    shares = np.where(member[:, None] == np.arange(n), weights[:, None], 0.0)
    sums = shares.T @ vectors
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(norms, 1e-12), dtype=np.float32)
