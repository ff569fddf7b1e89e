"""A collection in memory, for exact bulk search.

Milvus Lite visits every row anew for each search. For many queries it is an order of magnitude
faster to read the vectors out of it once and let faiss multiply matrices. Rows are sorted by launch
day, so that what is visible as of a date is a prefix: nothing is copied, and nothing past it can be
seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.filters import MISSING_STRING, ParsedWhere, to_mask
from retrieval.memory.store import MemoryStore
from retrieval.milvus.schema import Layout
from retrieval.milvus.store import Store
from retrieval.neighbors.exact import search_exactly
from retrieval.neighbors.hits import Hits, group_by_day


@dataclass(frozen=True)
class StoredItems:
    """Items of a collection with their vectors, sorted by id.

    Attributes:
        ids: (n,) object.
        labels: (n,) object, None where unlabeled.
        vectors: (n, d) float32, unit rows.
        contents: (n,) uint64, a hash of each one's text; of its id, where texts are not kept.
    """

    ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_]
    vectors: npt.NDArray[np.float32]
    contents: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.ids)


@dataclass(frozen=True)
class Snapshot:
    """Rows of a collection, sorted by launch day, then id, in whatever order they came in.

    Attributes:
        ids: (n,) object.
        labels: (n,) object, "" where unlabeled.
        launch_day: (n,) int64, ascending.
        vectors: (n, d) float32, unit rows, contiguous.
        attributes: Attribute column → (n,) values as stored.
        contents: (n,) uint64, as in `StoredItems`.
    """

    ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_]
    launch_day: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    attributes: dict[str, pd.Series]
    contents: npt.NDArray[np.uint64]
    _pools: list[tuple[object, _Pool]] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def read(cls, store: Store | MemoryStore, layout: Layout) -> Snapshot:
        """Read a whole collection."""
        names = ["item_id", "label", "launch_day", *layout.fields.values()]
        columns: dict[str, list[Any]] = {name: [] for name in names}
        parts: list[npt.NDArray[np.float32]] = [np.empty((0, layout.encoder.dim), np.float32)]
        contents: list[int] = []
        told = "text" if layout.store_text else "item_id"
        for page in store.pages([*names, *({told} - {"item_id"}), "vector"]):
            contents.extend(_hash(row[told]) for row in page)
            for name, values in columns.items():
                values.extend(row[name] for row in page)
            parts.append(np.array([row["vector"] for row in page], dtype=np.float32))
        launch_day = np.array(columns["launch_day"], dtype=np.int64)
        order = np.lexsort((np.array(columns["item_id"], dtype=str), launch_day))
        return cls(
            ids=np.array(columns["item_id"], dtype=object)[order],
            labels=np.array(columns["label"], dtype=object)[order],
            launch_day=launch_day[order],
            vectors=np.concatenate(parts)[order],
            attributes={
                column: pd.Series(columns[field]).iloc[order].reset_index(drop=True)
                for column, field in layout.fields.items()
            },
            contents=np.array(contents, dtype=np.uint64)[order],
        )

    def select(self, *, labeled: bool | None, where: ParsedWhere) -> StoredItems:
        """Copy the rows that pass the filters."""
        mask = self._mask(labeled, where)
        rows = np.arange(len(self.ids)) if mask is None else np.flatnonzero(mask)
        rows = rows[np.argsort(self.ids[rows])]
        labels = self.labels[rows]
        labels[labels == MISSING_STRING] = None
        return StoredItems(self.ids[rows], labels, self.vectors[rows], self.contents[rows])

    def search(
        self,
        vectors: npt.NDArray[np.float32],
        limit: int,
        *,
        as_of: npt.NDArray[np.int64] | None,
        labeled: bool | None,
        where: ParsedWhere,
    ) -> Hits:
        """Find the rows nearest to each vector among those visible to it."""
        hits = Hits.empty(len(vectors), limit)
        pool = self._pool(labeled, where)
        days = pool.launch_day
        for queries, day in group_by_day(len(vectors), as_of):
            visible = len(days) if day is None else int(np.searchsorted(days, day, side="right"))
            k = min(limit, visible)
            if k == 0:
                continue
            similarity, found = search_exactly(vectors[queries], pool.vectors[:visible], k)
            rank = np.ix_(queries, np.arange(k))
            hits.similarity[rank] = similarity
            hits.ids[rank] = pool.ids[found]
            hits.labels[rank] = pool.labels[found]
        return hits

    def _pool(self, labeled: bool | None, where: ParsedWhere) -> _Pool:
        """Return the rows that pass the filters; those of the last filters are at hand.

        Question after question comes with the same ones, and their vectors are not small.
        """
        asked = labeled, dict(where)
        for filters, pool in tuple(self._pools):
            if filters == asked:
                return pool
        pool = _Pool(self.ids, self.labels, self.launch_day, self.vectors)
        mask = self._mask(labeled, where)
        if mask is None:
            return pool
        if not mask.all():
            pool = pool[np.flatnonzero(mask)]
        self._pools[:] = [(asked, pool)]
        return pool

    def _mask(self, labeled: bool | None, where: ParsedWhere) -> npt.NDArray[np.bool_] | None:
        """(n,) whether each row passes the filters; None where all do."""
        mask = to_mask(where, self.attributes)
        if labeled is not None:
            has_label = (self.labels != MISSING_STRING) == labeled
            mask = has_label if mask is None else mask & has_label
        return mask


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


@dataclass(frozen=True)
class _Pool:
    """What is searched: rows as in a `Snapshot`."""

    ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_]
    launch_day: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> _Pool:
        """Copy some of the rows."""
        return _Pool(self.ids[rows], self.labels[rows], self.launch_day[rows], self.vectors[rows])
