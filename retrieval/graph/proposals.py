"""Concepts that a catalogue seems to have: values of attributes, frequent phrases, clusters.

Nothing here becomes a concept by itself: it is a table for a person, who accepts rows of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import faiss
import numpy as np
import pandas as pd

from retrieval.errors import InputError
from retrieval.index import ItemIndex
from retrieval.memory.search import StoredItems

PROPOSAL_COLUMNS = ("accepted", "concept_id", "name", "kind", "parents", "items", "because")
_WORD = re.compile(r"[^\W\d_]{3,}")
_MOST_VALUES = 0.2  # a column with more distinct values than this share of the items names items
_MOST_OF_ALL = 0.5  # a phrase in more of the items than this says nothing
_PHRASES, _CLUSTERS, _ITERATIONS, _SEED = 100, 60, 15, 0
_LEAST = 5


def propose_concepts(
    index: ItemIndex,
    stored: StoredItems,
    *,
    columns: Sequence[str] = (),
    least: int | None = None,
) -> pd.DataFrame:
    """Propose concepts out of what an index holds.

    Args:
        index: The items, whose texts were kept.
        stored: All of them, as `ItemIndex.read` returns them.
        columns: Attributes whose values are proposed; none: all that hold words.
        least: Items that a concept has at least; None: 5.

    Returns:
        Columns accepted (blank: a person's to fill), concept_id, name, kind (the attribute,
        ``phrase`` or ``cluster``), parents, items (how many) and because; those of most items
        first within a kind.

    Raises:
        InputError: There is no such attribute, or texts were not kept.
    """
    layout = index.layout
    if not layout.store_text:
        raise InputError("concepts are proposed out of texts, and they were not kept (store_text)")
    unknown = [one for one in columns if one not in layout.attributes]
    if unknown:
        there = ", ".join(layout.attributes) or "none"
        raise InputError(f"{unknown[0]!r} is no attribute of the index (there are: {there})")
    fewest = _LEAST if least is None else least
    items = index.get(stored.ids.tolist())
    worded = [one for one, kind in layout.attributes.items() if kind == "string"]
    rows = []
    for column in columns or worded:
        rows += _values(items, column, fewest, is_asked=bool(columns))
    rows += _phrases(items["text"].tolist(), fewest)
    rows += _clusters(items["text"].tolist(), stored, fewest)
    return pd.DataFrame(rows, columns=list(PROPOSAL_COLUMNS))


def _values(items: pd.DataFrame, column: str, least: int, *, is_asked: bool) -> list[list[object]]:
    counts = items[column].dropna().astype(str).str.strip().value_counts()
    if not is_asked and len(counts) > max(_MOST_VALUES * len(items), 2):
        return []
    counts = counts[(counts >= least) & (counts.index != "")]
    return [
        ["", f"{column}:{name}", name, column, "", int(count), f"a value of {column}"]
        for name, count in counts.items()
    ]


def _phrases(texts: Sequence[str], least: int) -> list[list[object]]:
    """Two words that stand side by side in many items, oftener than by chance."""
    singles: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        words = [one.casefold() for one in _WORD.findall(text)]
        singles.update(set(words))
        pairs.update({pair for pair in pairwise(words) if len(set(pair)) == 2})
    total = max(len(texts), 1)

    def surprise(pair: tuple[str, str]) -> float:
        # How much oftener than by chance, times how often: normalized pointwise information.
        share = pairs[pair] / total
        ratio = share / (singles[pair[0]] / total * singles[pair[1]] / total)
        return float(np.log(ratio) / -np.log(share)) if share < 1 else 0.0

    found = [one for one, n in pairs.items() if least <= n <= _MOST_OF_ALL * total]
    told = [one for one in found if surprise(one) > 0.5]
    told.sort(key=lambda one: (-pairs[one], one))
    return [
        [
            "",
            f"phrase:{' '.join(one)}",
            " ".join(one),
            "phrase",
            "",
            pairs[one],
            "a frequent phrase",
        ]
        for one in told[:_PHRASES]
    ]


def _clusters(texts: Sequence[str], stored: StoredItems, least: int) -> list[list[object]]:
    """Group items by their vectors, each group called by the words that tell it from the others."""
    count = min(_CLUSTERS, len(stored) // max(4 * least, 1))
    if count < 2:
        return []
    means = faiss.Kmeans(
        stored.vectors.shape[1],
        count,
        niter=_ITERATIONS,
        seed=_SEED,
        spherical=True,
        min_points_per_centroid=1,
    )
    means.train(stored.vectors)
    group = means.index.search(stored.vectors, 1)[1][:, 0]
    words = [_words(text) for text in texts]
    every = Counter(word for one in words for word in one)
    rows: list[list[object]] = []
    for number in range(count):
        members = np.flatnonzero(group == number)
        if len(members) < least:
            continue
        name = _telling(
            Counter(word for one in members for word in words[one]), every, len(members)
        )
        because = f"a cluster, such as: {'; '.join(texts[one][:40] for one in members[:3])}"
        rows.append(["", f"cluster:{number}", name, "cluster", "", len(members), because])
    return sorted(rows, key=lambda row: -int(str(row[5])))


def _words(text: str) -> set[str]:
    return {one.casefold() for one in _WORD.findall(text)}


def _telling(own: Counter[str], every: Counter[str], members: int) -> str:
    """Return up to three words that many of a group have, and few others do."""

    def score(word: str) -> float:
        return own[word] / members * own[word] / every[word]

    best: Iterable[str] = sorted(own, key=lambda word: (-score(word), word))
    return " ".join(list(best)[:3]) or "nameless"
