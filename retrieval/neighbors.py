"""The answer of a retrieval: the like items of each query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.hits import CELLS, Hits, Search, masked, tie_runs, whole_ties

Kinds = Mapping[str, int]
"""Item id → what tells items of one label that tie apart."""


@dataclass(frozen=True)
class Neighbors:
    """The nearest items of n queries, most similar first, ties by launch date, then id.

    Rows with fewer neighbors are padded at the end.

    Attributes:
        ids: (n, k) object, the neighbors' item ids; None where padded.
        similarity: (n, k) float32, cosine similarity in [-1, 1]; NaN where padded.
        labels: (n, k) object, the neighbors' labels; None where unlabeled or padded.
        queries: (n,) object, the queries' own ids, or None where they have none.
        count: (n, k) int64, how many items each stands for: more than 1 for twins shown as one; 0
            where padded.
        places: (n, k) float64, how many of the places it has: its count, or less where more tie
            for the last places than there are; 0 where padded.
    """

    ids: npt.NDArray[np.object_]
    similarity: npt.NDArray[np.float32]
    labels: npt.NDArray[np.object_]
    queries: npt.NDArray[np.object_]
    count: npt.NDArray[np.int64] = None  # type: ignore[assignment]  # set below
    places: npt.NDArray[np.float64] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Let each stand for itself, where nothing else is told."""
        if self.count is None:
            object.__setattr__(self, "count", self.valid.astype(np.int64))
        if self.places is None:
            object.__setattr__(self, "places", self.count.astype(np.float64))

    @classmethod
    def from_hits(cls, hits: Hits, queries: npt.NDArray[np.object_], k: int) -> Neighbors:
        """Keep the first k hits of each query."""
        labels = hits.labels[:, :k]
        return cls(
            ids=hits.ids[:, :k],
            similarity=hits.similarity[:, :k],
            labels=masked(labels, labels == ""),
            queries=queries,
        )

    @classmethod
    def together(
        cls,
        hits: Hits,
        queries: npt.NDArray[np.object_],
        k: int,
        kinds: Kinds | None = None,
        *,
        distinct: bool = False,
    ) -> Neighbors:
        """Keep the nearest of each query; those that tie and are of one label become one.

        The ids of what became one have no say: neither in what is kept nor in its order (by
        similarity, then number, then label). The id shown is that of the earliest.

        Args:
            hits: With all that tie with the last wanted.
            queries: (n,) names.
            k: How many.
            kinds: Item id → what tells items of one label that tie apart; None: nothing.
            distinct: Keep k of what results. Otherwise k items, however many were put together:
                where more tie for the last places than there are, they share them.
        """
        runs = tie_runs(hits.similarity)
        if not (runs[:, 1:] == runs[:, :-1]).any():
            return cls.from_hits(hits, queries, k)
        groups = _groups(hits, runs, kinds)
        left = np.clip(k - groups.before, 0, groups.total)
        places = groups.count * (left / groups.total)
        kept = groups.rank < k if distinct else places > 0
        row, rank, first = groups.row[kept], groups.rank[kept], groups.first[kept]
        near = _padding(queries, int(rank.max(initial=0)) + 1)
        near.ids[row, rank] = hits.ids.ravel()[first]
        near.similarity[row, rank] = hits.similarity.ravel()[first]
        labels = hits.labels.ravel()[first]
        near.labels[row, rank] = masked(labels, labels == "")
        near.count[row, rank] = groups.count[kept]
        near.places[row, rank] = groups.count[kept] if distinct else places[kept]
        return near

    @classmethod
    def joined(
        cls, parts: Sequence[tuple[npt.NDArray[np.intp], Neighbors]], n: int, width: int
    ) -> Neighbors:
        """Join the neighbors of some queries each, given their positions, to those of n queries.

        Args:
            parts: Positions and neighbors; every position occurs once.
            n: Number of queries.
            width: How wide the result is where no part is wider.
        """
        if len(parts) == 1 and parts[0][1].ids.shape[1] >= width:
            return parts[0][1][np.argsort(parts[0][0])]
        width = max([width, *(near.ids.shape[1] for _, near in parts)])
        whole = _padding(np.full(n, None, dtype=object), width)
        for rows, near in parts:
            place = np.ix_(rows, np.arange(near.ids.shape[1]))
            whole.queries[rows] = near.queries
            for name in ("ids", "similarity", "labels", "count", "places"):
                getattr(whole, name)[place] = getattr(near, name)
        return whole

    def first(self, k: int, chosen: npt.NDArray[np.bool_]) -> Neighbors:
        """Return the first k items among some, (n, width), those that tie for the last sharing."""
        count = np.where(chosen, self.count, 0)
        runs = tie_runs(self.similarity)
        ends = np.ones(runs.shape, dtype=bool)
        ends[:, :-1] = runs[:, 1:] != runs[:, :-1]
        sums = count.cumsum(axis=1)
        # Of each column's run: how many are in it, and how many came before.
        column = np.arange(runs.shape[1])
        last = np.where(ends, column, runs.shape[1])
        last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
        until = np.take_along_axis(sums, last, axis=1)
        starts = np.ones(runs.shape, dtype=bool)
        starts[:, 1:] = ends[:, :-1]
        opening = np.maximum.accumulate(np.where(starts, column, 0), axis=1)
        before = np.take_along_axis(sums - count, opening, axis=1)
        total = until - before
        left = np.clip(k - before, 0, total)
        share = np.divide(left, total, out=np.zeros(left.shape), where=total > 0)
        places = count * share
        row, old = np.nonzero(places > 0)
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        near = _padding(self.queries, int(rank.max(initial=0)) + 1)
        for name, values in (
            ("ids", self.ids),
            ("similarity", self.similarity),
            ("labels", self.labels),
            ("count", count),
            ("places", places),
        ):
            getattr(near, name)[row, rank] = values[row, old]
        return near

    def nearest(self, k: int) -> npt.NDArray[np.float32]:
        """Return the similarities of the k nearest items, (n, k), twins one by one."""
        shape, width = (len(self), k), self.ids.shape[1]
        similarity = np.full(shape, np.nan, dtype=np.float32)
        if not (self.count > 1).any():
            similarity[:, : min(k, width)] = self.similarity[:, :k]
            return similarity
        source = np.repeat(np.arange(self.count.size), np.minimum(self.count, k).ravel())
        row = source // width
        place = np.arange(len(source)) - np.searchsorted(row, row)
        kept = place < k
        similarity[row[kept], place[kept]] = self.similarity.ravel()[source[kept]]
        return similarity

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> Neighbors:
        """Return the neighbors of some queries, in the order asked for."""
        return Neighbors(
            self.ids[rows],
            self.similarity[rows],
            self.labels[rows],
            self.queries[rows],
            self.count[rows],
            self.places[rows],
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


@dataclass(frozen=True)
class Question:
    """N queries, of which those that are the same are searched once.

    Attributes:
        search: Searches for those that differ.
        kind: (n,) which of them each query is.
        names: (n,) the queries' own ids, None where they have none.
        exclude_self: Whether an item of that id is left out.
        most: How many a search can find.
    """

    search: Search
    kind: npt.NDArray[np.intp]
    names: npt.NDArray[np.object_]
    exclude_self: bool
    most: int

    def answer(
        self,
        k: int,
        collect: Callable[[Hits, npt.NDArray[np.object_]], Neighbors],
        width: int | None = None,
    ) -> Neighbors:
        """Find k items for each query, and all that tie with the last.

        Args:
            k: How many.
            collect: Makes neighbors of hits and names.
            width: How wide the answer is, unless `collect` makes it wider; None: k.
        """
        limit = k + int(self.exclude_self)
        parts = []
        place = np.full(int(self.kind.max(initial=-1)) + 1, -1)
        for found, hits in whole_ties(self.search, np.unique(self.kind), limit, self.most):
            place[:] = -1
            place[found] = np.arange(len(found))
            rows = np.flatnonzero(place[self.kind] >= 0)
            step = max(1, CELLS // hits.ids.shape[1])
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                own = hits[place[self.kind[some]]]
                if self.exclude_self:
                    own = own.without(self.names[some])
                parts.append((some, collect(own, self.names[some])))
        return Neighbors.joined(parts, len(self.kind), width or k)

    def once(self, k: int, kinds: Callable[[list[str]], Kinds]) -> Neighbors:
        """Find k neighbors of each query that are no twins of each other, with their numbers.

        Args:
            k: How many.
            kinds: Tells items apart, by their ids.
        """

        def collect(hits: Hits, names: npt.NDArray[np.object_]) -> Neighbors:
            tied = hits.tied()
            return Neighbors.together(hits, names, k, kinds(tied) if tied else None, distinct=True)

        parts, limit = [], k
        pending = np.arange(len(self.kind))
        while len(pending):
            rest = replace(self, kind=self.kind[pending], names=self.names[pending])
            near = rest.answer(limit, collect, k)
            found = near.count.sum(axis=1)
            short = (near.valid.sum(axis=1) < k) & (found >= limit)
            short &= limit + self.exclude_self < self.most
            done = np.flatnonzero(~short)
            parts.append((pending[done], near[done]))
            pending, limit = pending[short], min(2 * limit, self.most - self.exclude_self)
        return Neighbors.joined(parts, len(self.kind), k)


def _padding(queries: npt.NDArray[np.object_], width: int) -> Neighbors:
    """Return neighbors of queries that have none, so wide, to be filled in."""
    shape = (len(queries), width)
    return Neighbors(
        ids=np.full(shape, None, dtype=object),
        similarity=np.full(shape, np.nan, dtype=np.float32),
        labels=np.full(shape, None, dtype=object),
        queries=queries,
        count=np.zeros(shape, dtype=np.int64),
        places=np.zeros(shape, dtype=np.float64),
    )


@dataclass(frozen=True)
class _Groups:
    """Hits put together; (g,) each.

    Attributes:
        row: Which query's.
        rank: From 0, among the query's groups.
        first: Position of the group's first hit among all hits, row by row.
        count: How many hits.
        before: How many hits of the query are more similar.
        total: How many tie with it, its own included.
    """

    row: npt.NDArray[np.intp]
    rank: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    count: npt.NDArray[np.int64]
    before: npt.NDArray[np.intp]
    total: npt.NDArray[np.intp]


def _groups(hits: Hits, runs: npt.NDArray[np.intp], kinds: Kinds | None) -> _Groups:
    """Put together what ties, is of one label and of one kind."""
    width = runs.shape[1]
    there = np.flatnonzero(~np.isnan(hits.similarity.ravel()))
    code, labels = pd.factorize(pd.Series(hits.labels.ravel()[there], dtype=object), sort=True)
    size = max(len(labels), 1)
    if kinds is not None:
        ids = hits.ids.ravel()[there]
        kind = np.array([kinds.get(one, -1) for one in ids.tolist()], dtype=np.int64)
        kind -= kind.min(initial=0)
        code, size = code * (kind.max(initial=0) + 1) + kind, size * (kind.max(initial=0) + 1)
    row, run = there // max(width, 1), runs.ravel()[there]
    tie = row * width + run
    _, first, count = np.unique(tie * size + code, return_index=True, return_counts=True)
    _, opening, of_tie, total = np.unique(
        tie, return_index=True, return_inverse=True, return_counts=True
    )
    begins = np.searchsorted(row, row)
    before = opening[of_tie] - begins
    order = np.lexsort((code[first], -count, run[first], row[first]))
    first, count = first[order], count[order]
    rank = np.arange(len(first)) - np.searchsorted(row[first], row[first])
    return _Groups(
        row[first], rank, there[first], count, before[first], total[of_tie[first]].astype(np.intp)
    )
