"""The tree of concepts as arrays: what is above, below, and near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.graph.concepts import Concepts

Ints = npt.NDArray[np.int64]
_NONE = -1


@dataclass(frozen=True)
class ConceptTree:
    """c concepts in their tree, each below its first parent; in the order of a walk through it.

    So the concepts of a branch stand next to each other.

    Attributes:
        ids: (c,) their ids.
        paths: (c,) their names, from a root down.
        way: (c, d) positions from a root down to each, -1 beyond its own depth.
        end: (c,) position after the last one below each.
    """

    ids: npt.NDArray[np.object_]
    paths: npt.NDArray[np.object_]
    way: Ints
    end: Ints

    @classmethod
    def of(cls, concepts: Concepts) -> ConceptTree:
        """Return the tree of a graph."""
        ways = sorted((way, one) for one, way in concepts.paths.items())
        ids = [one for _, one in ways]
        place = {one: at for at, one in enumerate(ids)}
        way = np.full((len(ids), max((len(one) for one, _ in ways), default=1)), -1, np.int64)
        for at, (above, _) in enumerate(ways):
            way[at, : len(above)] = [place[one] for one in above]
        paths = np.array([concepts.path(one) for one in ids], dtype=object)
        return cls(np.array(ids, dtype=object), paths, way, _ends(way))

    @property
    def depth(self) -> Ints:
        """(c,) how many concepts there are on the way to each, itself included."""
        depth: Ints = (self.way >= 0).sum(axis=1)
        return depth

    def above(self, concept: Ints, steps: int) -> Ints:
        """(n,) the concept so many steps above each; -1 where there is none, or it is of none."""
        if not len(self.ids):
            return np.full(len(concept), _NONE, dtype=np.int64)
        at = self.depth[np.maximum(concept, 0)] - 1 - steps
        known = (concept >= 0) & (at >= 0)
        found = self.way[np.maximum(concept, 0), np.maximum(at, 0)]
        return np.where(known, found, _NONE)

    def shared(self, one: Ints, other: Ints) -> Ints:
        """(n,) the lowest concept above both, or one of them; -1 where there is none."""
        a, b = self.way[np.maximum(one, 0)], self.way[np.maximum(other, 0)]
        same = np.cumprod((a == b) & (a >= 0), axis=1).sum(axis=1)
        known = (one >= 0) & (other >= 0) & (same > 0)
        rows = np.arange(len(a))
        return np.where(known, a[rows, np.maximum(same - 1, 0)], _NONE)

    def nearness(self, one: Ints, other: Ints) -> npt.NDArray[np.float64]:
        """(n,) twice the depth of what is above both, over their depths (Wu and Palmer 1994)."""
        shared = self.shared(one, other)
        depth = self.depth
        both = depth[np.maximum(one, 0)] + depth[np.maximum(other, 0)]
        return np.where(shared >= 0, 2 * depth[np.maximum(shared, 0)] / np.maximum(both, 1), 0.0)


def _ends(way: Ints) -> Ints:
    end = np.arange(1, len(way) + 1)
    for at in range(len(way) - 1, -1, -1):
        above = way[at][way[at] >= 0][:-1]
        end[above] = np.maximum(end[above], end[at])
    return end
