"""Likeness of what people bought to items, by content: each purchase is a vote that fades with it.

A mean of all that a person bought is like nothing in particular; here every item bought weighs by
``exp((cosine - 1) / temperature)``, so that a few near ones tell more than many far ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

TEMPERATURE = 0.1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contents:
    """The distinct vectors of a catalog's items: many items of a shop are described alike.

    Attributes:
        code: (items,) which distinct vector each item has.
        vectors: (distinct, d) unit rows.
    """

    code: npt.NDArray[np.int64]
    vectors: Floats

    @classmethod
    def of(cls, vectors: Floats) -> Contents:
        """Find the distinct ones among the vectors of items."""
        rows = np.ascontiguousarray(vectors)
        keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        _, first, code = np.unique(keys, return_index=True, return_inverse=True)
        return cls(code.astype(np.int64), vectors[first])

    def pooled(self, weights: sp.csr_matrix) -> sp.csr_matrix:
        """Return weights of items (people, items) as those of distinct contents."""
        n = len(self.code)
        members = sp.csr_matrix((np.ones(n), (np.arange(n), self.code)), (n, len(self.vectors)))
        return (weights @ members).tocsr()


@dataclass(frozen=True)
class Asked:
    """Some items, and how alike they and all distinct contents are: once for many people.

    Attributes:
        back: (m,) which of the distinct ones among them each is.
        cosines: (distinct of the catalog, distinct of these).
    """

    back: npt.NDArray[np.int64]
    cosines: Floats

    @classmethod
    def of(cls, contents: Contents, items: npt.NDArray[np.int64], weights: sp.csr_matrix) -> Asked:
        """Compare items with what people hold; cosines with what nobody holds stay 0.

        Args:
            contents: Of the catalog.
            items: (m,) positions.
            weights: (people, distinct) from `Contents.pooled`.
        """
        asked, back = np.unique(contents.code[items], return_inverse=True)
        held = np.unique(weights.indices)
        cosines = np.zeros((len(contents.vectors), len(asked)), dtype=np.float32)
        cosines[held] = contents.vectors[held] @ contents.vectors[asked].T
        return cls(back.astype(np.int64), cosines)

    def likeness(self, weights: sp.csr_matrix, temperature: float = TEMPERATURE) -> Floats:
        """Return (people, m) how like each item is to what each person bought.

        Args:
            weights: (people, distinct).
            temperature: How fast a vote fades with similarity.
        """
        held = np.unique(weights.indices)
        alike = np.exp((self.cosines[held] - 1) / temperature)
        votes = weights[:, held].astype(np.float32) @ alike
        return np.asarray(votes, dtype=np.float32)[:, self.back]

    def nearest(self, weights: sp.csr_matrix) -> Floats:
        """Return (people, m) the cosine of each item and the most like one that was bought."""
        found = np.zeros((weights.shape[0], self.cosines.shape[1]), dtype=np.float32)
        for person in range(weights.shape[0]):
            held = weights.indices[weights.indptr[person] : weights.indptr[person + 1]]
            if len(held):
                found[person] = self.cosines[held].max(axis=0)
        return found[:, self.back]
