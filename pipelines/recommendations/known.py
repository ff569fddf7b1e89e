"""Score items that people have bought before: what others with like baskets buy, and content.

Four scores, each between 0 and 1 for a person: latent factors (truncated singular values of the
weights, columns scaled; PureSVD, Cremonesi et al., 2010), neighbors of items by who bought them,
likeness of content, and, where buying again counts, what the person bought. Their weights were
chosen on eight weeks of Complete Journey before those of the benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from pipelines.recommendations.kernel import Asked, Contents

FACTORS = 64
LATENT, NEIGHBORS, CONTENT, AGAIN = 1.0, 1.0, 0.3, 3.0
_TEMPERATURE = 0.05
_LATENT_SCALE = 0.25  # power of an item's squared weights by which its column is divided
_ROOT = 0.5  # the same of neighbors: cosine

_PEOPLE = 200  # at a time

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KnownItems:
    """What purchases until a day tell about items that were bought by then.

    Attributes:
        items: (m,) positions of the items in the catalog.
        weights: (people, m) of purchases.
        pooled: (people, distinct) the same by content.
        contents: Of the catalog.
        people: (people, f) latent factors; what makes scores with `factors`.
        factors: (f, m) of the items.
    """

    items: npt.NDArray[np.int64]
    weights: sp.csr_matrix
    pooled: sp.csr_matrix
    contents: Contents
    people: Floats
    factors: Floats

    @classmethod
    def learn(cls, weights: sp.csr_matrix, contents: Contents, seed: int = 0) -> KnownItems:
        """Learn from purchases.

        Args:
            weights: (people, items of the catalog).
            contents: Of the catalog.
            seed: Of the solver's first vector.
        """
        items = np.unique(weights.indices).astype(np.int64)
        kept = weights[:, items].tocsr()
        people, factors = _factors(kept, seed)
        return cls(items, kept, contents.pooled(weights), contents, people, factors)

    def scores(self, people: npt.NDArray[np.int64], *, again: bool) -> Floats:
        """Return (people, m) how well each item fits each person.

        Args:
            people: Positions of those asked about.
            again: Whether buying again counts.
        """
        latent = self.people[people] @ self.factors
        score = LATENT * _scaled(latent) + NEIGHBORS * _scaled(self._neighbors(people))
        pooled = self.pooled[people]
        alike = Asked.of(self.contents, self.items, pooled).likeness(pooled, _TEMPERATURE)
        score += CONTENT * _scaled(alike)
        return score + self.bought_again(people) if again else score

    def bought_again(self, people: npt.NDArray[np.int64]) -> Floats:
        """Return (people, m) what is added where buying again counts."""
        return AGAIN * _scaled(self.weights[people].toarray())

    def scores_of(self, column: int, *, again: bool) -> Floats:
        """Return (people,) how well one of the m items fits each person."""
        everyone = np.arange(self.weights.shape[0])
        blocks = [everyone[at : at + _PEOPLE] for at in range(0, len(everyone), _PEOPLE)]
        return np.concatenate([self.scores(block, again=again)[:, column] for block in blocks])

    def _neighbors(self, people: npt.NDArray[np.int64]) -> Floats:
        """Sum, over what a person bought, the cosines of items by who bought them."""
        scaled = (self.weights @ sp.diags_array(_scale(self.weights, _ROOT))).tocsr()
        others = (scaled[people] @ self.weights.T).toarray()
        return np.asarray(others @ scaled, dtype=np.float32)


def _factors(weights: sp.csr_matrix, seed: int) -> tuple[Floats, Floats]:
    n = min(FACTORS, min(weights.shape) - 1)
    if n < 1:
        people, items = weights.shape
        return np.zeros((people, 1), np.float32), np.zeros((1, items), np.float32)
    scale = _scale(weights, _LATENT_SCALE)
    scaled = (weights @ sp.diags_array(scale)).astype(np.float32).tocsc()
    first = np.random.default_rng(seed).uniform(size=min(scaled.shape)).astype(np.float32)
    left, singular, right = sp.linalg.svds(scaled, k=n, v0=first)
    return (left * singular).astype(np.float32), (right / scale).astype(np.float32)


def _scale(weights: sp.csr_matrix, power: float) -> npt.NDArray[np.float64]:
    squares = np.asarray(weights.multiply(weights).sum(axis=0)).ravel()
    return np.asarray(np.maximum(squares, 1e-9) ** -power, dtype=np.float64)


def _scaled(scores: npt.NDArray[np.floating]) -> Floats:
    """Return scores between 0 and 1, the best of each person 1."""
    positive = np.maximum(scores, 0).astype(np.float32)
    scaled: Floats = positive / (positive.max(axis=1, keepdims=True) + 1e-9)
    return scaled
