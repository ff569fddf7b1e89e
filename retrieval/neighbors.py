"""The answer of a retrieval: the like items of each query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

# Engines differ in the last digits of a similarity; closer than this counts as equal.
TIE_DIGITS = 6


@dataclass(frozen=True)
class Hits:
    """What an engine found: arrays (n, limit), most similar first, padded at the end.

    Ties are ordered by launch date, then id.
    """

    ids: npt.NDArray[np.object_]
    similarity: npt.NDArray[np.float32]
    labels: npt.NDArray[np.object_]

    @classmethod
    def empty(cls, n: int, limit: int) -> Hits:
        """N rows of nothing but padding."""
        shape = (n, limit)
        return cls(
            ids=np.full(shape, None, dtype=object),
            similarity=np.full(shape, np.nan, dtype=np.float32),
            labels=np.full(shape, None, dtype=object),
        )

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> Hits:
        """Return the hits of some queries, in the order asked for."""
        return Hits(self.ids[rows], self.similarity[rows], self.labels[rows])


@dataclass(frozen=True)
class Neighbors:
    """The k nearest items of n queries, most similar first, ties by launch date, then id.

    Rows with fewer than k neighbors are padded at the end.

    Attributes:
        ids: (n, k) object, the neighbors' item ids; None where padded.
        similarity: (n, k) float32, cosine similarity in [-1, 1]; NaN where padded.
        labels: (n, k) object, the neighbors' labels; None where unlabeled or padded.
        queries: (n,) object, the queries' own ids, or None where they have none.
    """

    ids: npt.NDArray[np.object_]
    similarity: npt.NDArray[np.float32]
    labels: npt.NDArray[np.object_]
    queries: npt.NDArray[np.object_]

    @classmethod
    def from_hits(
        cls, hits: Hits, queries: npt.NDArray[np.object_], k: int, *, exclude_self: bool
    ) -> Neighbors:
        """Keep the first k hits of each query that are not the query itself."""
        ids, similarity, labels = hits.ids, hits.similarity, hits.labels
        if exclude_self:
            own = (ids == queries[:, None]) & ~np.isnan(similarity)
            others_first = np.argsort(own, axis=1, kind="stable")
            ids = np.take_along_axis(_masked(ids, own), others_first, axis=1)
            labels = np.take_along_axis(_masked(labels, own), others_first, axis=1)
            similarity = np.take_along_axis(np.where(own, np.nan, similarity), others_first, axis=1)
        return cls(
            ids=ids[:, :k],
            similarity=similarity[:, :k],
            labels=_masked(labels[:, :k], labels[:, :k] == ""),
            queries=queries,
        )

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> Neighbors:
        """Return the neighbors of some queries, in the order asked for."""
        return Neighbors(
            self.ids[rows], self.similarity[rows], self.labels[rows], self.queries[rows]
        )

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(n, k) True where there is a neighbor, False where padded."""
        return ~np.isnan(self.similarity)

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.queries)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per neighbor: query, rank (1 is nearest), item_id, similarity, label.

        `query` is the query's id, or its position where it has none.
        """
        row, column = np.nonzero(self.valid)
        names = np.where(
            [name is None for name in self.queries], np.arange(len(self)), self.queries
        )
        return pd.DataFrame(
            {
                "query": names[row],
                "rank": column + 1,
                "item_id": self.ids[row, column],
                "similarity": self.similarity[row, column],
                "label": self.labels[row, column],
            }
        )


def _masked(
    values: npt.NDArray[np.object_], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.object_]:
    """Copy an array, with None where the mask is set."""
    copy = values.copy()
    copy[mask] = None
    return copy


def group_by_day(
    n: int, as_of: npt.NDArray[np.int64] | None
) -> Iterator[tuple[npt.NDArray[np.intp], int | None]]:
    """Group the positions of n queries by the day at which they stand."""
    if as_of is None:
        yield np.arange(n), None
        return
    for day in np.unique(as_of):
        yield np.flatnonzero(as_of == day), int(day)
