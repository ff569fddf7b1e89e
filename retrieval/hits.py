"""What an engine found: hits, and which of them tie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Engines differ in the last digits of a similarity (some 1e-7 on what is identical); neighbors that
# follow each other closer than this tie. Steps are compared, not rounded numbers: two that lie on
# either side of a rounding's edge are as equal as any.
TIE_DIGITS = 6
_TIE = np.float32(10.0**-TIE_DIGITS)

# How much further is searched for the end of a tie, and how many hits are in memory at a time.
_FURTHER = 4
CELLS = 4_000_000

Search = Callable[[npt.NDArray[np.intp], int], "Hits"]
"""Positions of queries, and how many to find for each → what was found."""


@dataclass(frozen=True)
class Hits:
    """What an engine found: arrays (n, limit), most similar first, padded at the end.

    Ties (see `tie_runs`) are ordered by launch date, then id.
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

    def without(self, names: npt.NDArray[np.object_]) -> Hits:
        """Return the hits, those of each query's own name, (n,), taken out."""
        own = (self.ids == names[:, None]) & ~np.isnan(self.similarity)
        if not own.any():
            return self
        others_first = np.argsort(own, axis=1, kind="stable")
        similarity = np.where(own, np.float32(np.nan), self.similarity)
        return Hits(
            ids=np.take_along_axis(masked(self.ids, own), others_first, axis=1),
            similarity=np.take_along_axis(similarity, others_first, axis=1),
            labels=np.take_along_axis(masked(self.labels, own), others_first, axis=1),
        )

    def tied(self) -> list[str]:
        """Return the ids of those that tie with another hit of the same query."""
        same = tie_runs(self.similarity)
        same = same[:, 1:] == same[:, :-1]
        tied = np.zeros(self.similarity.shape, dtype=bool)
        tied[:, 1:] |= same
        tied[:, :-1] |= same
        return list(dict.fromkeys(self.ids[tied].tolist()))

    def until(self, limit: int) -> Hits:
        """Return the first hits, and those that tie with the last of them."""
        runs = tie_runs(self.similarity)
        kept = runs <= runs[:, limit - 1 : limit]
        width = int(kept.sum(axis=1).max(initial=0))
        kept = kept[:, :width]
        return Hits(
            ids=masked(self.ids[:, :width], ~kept),
            similarity=np.where(kept, self.similarity[:, :width], np.float32(np.nan)),
            labels=masked(self.labels[:, :width], ~kept),
        )


def tie_runs(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the number of the run of ties that each neighbor is in, (n, k), from 0 in each row.

    Args:
        similarity: (n, k), falling; padded at the end with NaN, each of which is a run of its own.
    """
    starts = np.zeros(similarity.shape, dtype=np.intp)
    starts[:, 1:] = ~(similarity[:, :-1] - similarity[:, 1:] <= _TIE)
    return starts.cumsum(axis=1)


def whole_ties(
    search: Search, queries: npt.NDArray[np.intp], limit: int, most: int
) -> Iterator[tuple[npt.NDArray[np.intp], Hits]]:
    """Find the nearest of each query, and all that tie with the last of them.

    Which of those that tie an engine finds first is chance. So one more than asked for is looked
    up, and where it ties, the search goes on until the tie ends.

    Args:
        search: Finds so many for some of the queries.
        queries: Their positions.
        limit: How many are wanted of each; at least 1.
        most: How many can be found at once.

    Yields:
        Positions of some of the queries, and what was found: `limit` wide, or more where there are
        ties.
    """
    pending, asked = queries, min(limit + 1, most)
    while len(pending):
        step, cut_off = max(1, CELLS // asked), [pending[:0]]
        for start in range(0, len(pending), step):
            some = pending[start : start + step]
            hits = search(some, asked)
            runs = tie_runs(hits.similarity)
            is_cut = (runs[:, -1] == runs[:, limit - 1]) & ~np.isnan(hits.similarity[:, -1])
            is_cut &= asked < most
            cut_off.append(some[is_cut])
            whole = np.flatnonzero(~is_cut)
            if len(whole):
                yield some[whole], hits[whole].until(limit)
        pending, asked = np.concatenate(cut_off), min(asked * _FURTHER, most)


def masked(values: npt.NDArray[np.object_], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
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
