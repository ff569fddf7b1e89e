"""How well a collection finds, before others are let to read it.

Nothing here needs more memory than a page of rows, however large the collection is.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.filters import MISSING_STRING
from retrieval.milvus.index_kinds import search_params
from retrieval.milvus.schema import Layout
from retrieval.milvus.store import Store
from retrieval.neighbors import Neighbors

# Of equal similarity but for rounding, either may be the k-th.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Examination:
    """What was found out about a collection.

    Attributes:
        items: How many there are.
        recall: Share of the k nearest items, by exact search, that a search of it finds; NaN
            without items.
        agreement: Of the k nearest labeled items of a labeled one, the share that has its label;
            NaN without labels.
        asked: Items asked for `recall`, and labeled ones for `agreement`.
        engine: Encoder and vector index.
    """

    items: int
    recall: float
    agreement: float
    asked: tuple[int, int]
    engine: str


def examine(
    store: Store, layout: Layout, *, k: int = 10, sample: int = 200, probe: int = 1_000
) -> Examination:
    """Examine a collection by its own items, each searched without itself.

    Two collections of the same items are asked for the same ones.

    Args:
        store: The collection.
        layout: What it holds.
        k: Neighbors of each.
        sample: Items to search exactly, too: each is compared with every other.
        probe: Labeled items to compare with their neighbors' labels.
    """
    some, labeled = _sample(store, sample, probe)
    return Examination(
        items=store.count(),
        recall=_recall(store, layout, some, k),
        agreement=_agreement(store, layout, labeled, k),
        asked=(len(some), len(labeled)),
        engine=f"{layout.encoder.name}, {layout.index}",
    )


def _sample(store: Store, most: int, most_labeled: int) -> tuple[list[str], list[str]]:
    """Ids of items and of labeled items, as if drawn by lot, but the same every time."""
    marked = (
        (hashlib.blake2b(row["item_id"].encode(), digest_size=8).digest(), row)
        for page in store.pages(["item_id", "label"])
        for row in page
    )
    drawn: list[tuple[bytes, str]] = []
    labeled: list[tuple[bytes, str]] = []
    for mark, row in marked:
        drawn.append((mark, row["item_id"]))
        if row["label"] != MISSING_STRING:
            labeled.append((mark, row["item_id"]))
        if len(drawn) > 100 * most:
            drawn = heapq.nsmallest(most, drawn)
        if len(labeled) > 100 * most_labeled:
            labeled = heapq.nsmallest(most_labeled, labeled)
    return (
        [one for _, one in heapq.nsmallest(most, drawn)],
        [one for _, one in heapq.nsmallest(most_labeled, labeled)],
    )


def _recall(store: Store, layout: Layout, ids: list[str], k: int) -> float:
    rows = _rows(store, ids)
    if not rows:
        return float("nan")
    vectors = _vectors(rows)
    found = _neighbors(store, layout, rows, k)
    best = _exact(store, rows, vectors, k)
    similarity = {
        row["item_id"]: np.asarray(row["vector"], np.float32)
        for row in _rows(store, sorted({one for one in found.ids.ravel() if one is not None}))
    }
    shares = []
    for query, nearest in enumerate(best):
        wanted = nearest[np.isfinite(nearest)]
        if len(wanted):
            names = [one for one in found.ids[query] if one in similarity]
            truth = np.array([similarity[one] @ vectors[query] for one in names])
            shares.append(np.sum(truth >= wanted[-1] - _ROUNDING) / len(wanted))
    return float(np.mean(np.minimum(shares, 1))) if shares else float("nan")


def _exact(
    store: Store, rows: list[dict[str, Any]], vectors: npt.NDArray[np.float32], k: int
) -> npt.NDArray[np.float32]:
    """(n, k) similarities of the nearest items, most similar first; -inf where there are fewer."""
    place = {row["item_id"]: query for query, row in enumerate(rows)}
    best = np.full((len(rows), k), -np.inf, dtype=np.float32)
    for page in store.pages(["item_id", "vector"]):
        similarity = vectors @ _vectors(page).T
        for column, row in enumerate(page):
            if row["item_id"] in place:
                similarity[place[row["item_id"]], column] = -np.inf
        both = np.concatenate([best, similarity], axis=1)
        best = -np.sort(-both, axis=1)[:, :k]
    return best


def _agreement(store: Store, layout: Layout, ids: list[str], k: int) -> float:
    rows = _rows(store, ids)
    if not rows:
        return float("nan")
    near = _neighbors(store, layout, rows, k, f'label != "{MISSING_STRING}"')
    own = np.array([row["label"] for row in rows], dtype=object)
    found = near.valid
    if not found.any():
        return float("nan")
    return float(np.mean((near.labels == own[:, None])[found]))


def _neighbors(
    store: Store, layout: Layout, rows: list[dict[str, Any]], k: int, expression: str = ""
) -> Neighbors:
    """Return the k nearest of each row but itself."""
    hits = store.search(
        _vectors(rows),
        k + 1,
        as_of=None,
        expression=expression,
        search_params=search_params(layout.index, k + 1),
    )
    names = np.array([row["item_id"] for row in rows], dtype=object)
    return Neighbors.from_hits(hits.without(names), names, k)


def _rows(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    rows = store.get(ids, ["item_id", "label", "vector"]) if ids else []
    return sorted(rows, key=lambda row: str(row["item_id"]))


def _vectors(rows: list[dict[str, Any]]) -> npt.NDArray[np.float32]:
    return np.array([row["vector"] for row in rows], dtype=np.float32)
