"""Tie items to concepts: the nearest names, judged again with the path, or none.

How near is near enough nobody has said for a graph that is new. So each item is also compared with
the other branches of the graph, of which it is not: what similarity they reach by chance is the
measure. A link is made where no more than a share `false_alarm_rate` of the items comes as near to
a branch that is not theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from retrieval.graph.concepts import Concepts
from retrieval.graph.names import NameVectors

FALSE_ALARM_RATE = 0.25
_CANDIDATES = 48
_BLOCK = 1_024
# A person's word for an item counts for those that read the same, or nearly so.
_TAUGHT = 0.95

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Taught:
    """Items of which a person, or a table, has said which concept they are of.

    Attributes:
        vectors: (t, d) unit rows.
        of: (t,) position of each one's concept; -1 where it is of none.
    """

    vectors: Floats
    of: Positions


@dataclass(frozen=True)
class Found:
    """Concepts of n items.

    Attributes:
        concept: (n,) position of the most similar one.
        similarity: (n,) to it, of name and path.
        other: (n,) the highest similarity to a concept of another branch.
        teacher: (n,) position of the told item, reading nearly the same, that has decided; -1 where
            none has.
        is_none: (n,) whether such an item was told to be of none.
    """

    concept: Positions
    similarity: Floats
    other: Floats
    teacher: Positions
    is_none: npt.NDArray[np.bool_]

    @property
    def is_taught(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a told item has decided."""
        taught: npt.NDArray[np.bool_] = self.teacher >= 0
        return taught


def find_concepts(vectors: Floats, names: NameVectors, concepts: Concepts) -> Found:
    """Find the concept that each item is most like, by names alone.

    Args:
        vectors: (n, d) unit rows of the items.
        names: All names of the concepts.
        concepts: In the same order.
    """
    roots = {one: place for place, one in enumerate(dict.fromkeys(map(concepts.root, concepts)))}
    branch = np.array([roots[concepts.root(one)] for one in names.concepts], dtype=np.intp)
    parts = [
        _find_block(vectors[start : start + _BLOCK], names, branch)
        for start in range(0, len(vectors), _BLOCK)
    ]
    concept, similarity, other = (
        np.concatenate([np.empty(0, np.float32), *(part[place] for part in parts)])
        for place in range(3)
    )
    return Found(
        concept.astype(np.intp),
        similarity.astype(np.float32),
        other.astype(np.float32),
        np.full(len(vectors), -1, dtype=np.intp),
        np.zeros(len(vectors), dtype=bool),
    )


def threshold(found: Found, false_alarm_rate: float) -> float:
    """Return the similarity that a link needs.

    Args:
        found: Of all items.
        false_alarm_rate: Share of the items that come as near to a branch that is not theirs.
    """
    asked = found.other[np.isfinite(found.other) & ~found.is_taught]
    return float(np.quantile(asked, 1 - false_alarm_rate)) if len(asked) else -1.0


def _find_block(
    vectors: Floats, names: NameVectors, branch: Positions
) -> tuple[Positions, Floats, Floats]:
    """(n,) best concept, its similarity, and the best of another branch, of some items."""
    candidates, score = find_candidates(vectors, names)
    best = score.argmax(axis=1)
    every = np.arange(len(vectors))
    concept = candidates[every, best]
    is_other = branch[candidates] != branch[concept][:, None]
    other = np.where(is_other, score, -np.inf).max(axis=1)
    return concept, score[every, best], other


def find_candidates(vectors: Floats, names: NameVectors) -> tuple[Positions, Floats]:
    """(n, k) the concepts whose names are nearest to n items, one maybe twice; how like each is."""
    k = min(_CANDIDATES, len(names.vectors))
    _, rows = faiss.knn(vectors, names.vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    candidates = names.of[rows]
    return candidates, _score(vectors, names, candidates)


def _score(vectors: Floats, names: NameVectors, candidates: Positions) -> Floats:
    """(n, k) how like each candidate an item is: half its nearest name, half its path."""
    needed, place = np.unique(candidates, return_inverse=True)
    starts = np.searchsorted(names.of, needed)
    ends = np.searchsorted(names.of, needed, side="right")
    rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
    similarity = vectors @ names.vectors[rows].T
    is_path = names.is_path[rows]
    first = np.concatenate([[0], np.cumsum(ends - starts)[:-1]])
    named = np.maximum.reduceat(np.where(is_path, -1.0, similarity), first, axis=1)
    pathed = np.maximum.reduceat(np.where(is_path, similarity, -1.0), first, axis=1)
    has_path = np.logical_or.reduceat(is_path, first)
    score = np.where(has_path, (named + pathed) / 2, named).astype(np.float32)
    every = np.arange(len(vectors))[:, None]
    return score[every, place.reshape(candidates.shape)]


def as_taught(found: Found, vectors: Floats, taught: Taught) -> Found:
    """Let told items decide of those that read nearly the same, where no name is nearer."""
    if not len(taught.vectors) or not len(vectors):
        return found
    similarity, nearest = faiss.knn(vectors, taught.vectors, 1, metric=faiss.METRIC_INNER_PRODUCT)
    near = similarity[:, 0]
    wins = (near >= _TAUGHT) & (near > found.similarity)
    of = taught.of[nearest[:, 0]]
    is_none = wins & (of < 0)
    return Found(
        np.where(wins & ~is_none, of, found.concept),
        np.where(wins & ~is_none, np.minimum(near, 1), found.similarity).astype(np.float32),
        found.other,
        np.where(wins, nearest[:, 0], -1).astype(np.intp),
        is_none,
    )


def rank_concepts(vectors: Floats, names: NameVectors, k: int) -> list[list[tuple[str, float]]]:
    """Return the k concepts each of n vectors is most like, with the similarity, best first."""
    ranked = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        most = min(max(_CANDIDATES, 4 * k), len(names.vectors))
        _, rows = faiss.knn(block, names.vectors, most, metric=faiss.METRIC_INNER_PRODUCT)
        candidates = names.of[rows]
        score = _score(block, names, candidates)
        for here, values in zip(candidates, score, strict=True):
            best = {int(one): float(value) for one, value in zip(here, values, strict=True)}
            order = sorted(best, key=lambda one: (-best[one], one))[:k]
            ranked.append([(names.concepts[one], min(best[one], 1.0)) for one in order])
    return ranked
